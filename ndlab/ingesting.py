"""`ndlab.ingest`: bring anything into a store and get it back as a Volume."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ndlab.errors import BadRequest
from ndlab.store.ingest import ingest as _ingest
from ndlab.store.ingest.plan import Options
from ndlab.volume import Volume

__all__ = ["ingest"]


def ingest(
    source: Any, dest: str | os.PathLike[str], voxel_size: Sequence[float] | None = None, **options: Any
) -> Volume:
    """Bring voxels into an OME-Zarr store with all its levels, and open it.

    The whole input is checked first, and everything that is wrong with it is said at once, before a byte is written.
    An ingest that was stopped in any way goes on when it is called again, to the same result byte for byte.

    Parameters
    ----------
    source : str, path, array, DataArray or Volume
        A folder of numbered slices; an HDF5, TIFF, NIfTI, NRRD or npy file; any store that `ndlab.open` opens; or an
        array of (t)(c)zyx.
    dest : str or path
        Where the store is made: a local folder, ``s3://`` or ``gs://``.
    voxel_size : sequence of 3 float
        (z, y, x) [nm]; may be left out only if the source states it.
    **options
        As for `ndlab.store.ingest.ingest`: kind, offset, name, channels, pattern, version, chunks, shards, codec,
        levels, memory, workers, client, resume, overwrite, progress.

    Returns
    -------
    Volume
        The finished store; ``volume.provenance`` is its receipt.

    Raises
    ------
    Problems
        All that is wrong with the input; nothing was written.
    Conflict
        If another ingest runs there, or an earlier one had other settings.
    RunFailed
        If tasks failed; the same call resumes.

    Examples
    --------
    >>> import tempfile, ndlab
    >>> dest = tempfile.mkdtemp() + "/medulla.ome.zarr"
    >>> volume = ndlab.ingest(ndlab.samples.fibsem_slices(), dest, voxel_size=(10, 10, 10))
    >>> volume.shape, volume.levels[-1].shape
    ((50, 100, 200), (13, 25, 50))
    """
    known = [f.name for f in fields(Options)] + ["client", "resume", "progress", "say"]
    strange = sorted(set(options) - set(known))
    if strange:
        raise BadRequest(f"ingest was given {', '.join(strange)}", f"it takes {', '.join(known)}", "check the spelling")
    return Volume(_ingest(source, dest, voxel_size=voxel_size, **options).stored)
