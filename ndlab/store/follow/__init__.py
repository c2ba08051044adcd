"""Ingest while the microscope runs: sections are appended as they land, and every level follows.

Voxels are written first, under the extent that is about to be; then the metadata of each level grows, coarsest first,
each in one atomic write. A reader thus sees a section at all levels or not at all, and a process that is killed leaves
the extent of the last whole batch, from which the next call goes on.
"""

from ndlab.store.follow.run import Followed, follow

__all__ = ["Followed", "follow"]
