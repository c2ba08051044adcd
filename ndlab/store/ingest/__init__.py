"""Bring voxels into a store: checked first, bounded in memory, resumable, with every level and a receipt."""

from ndlab.store.ingest.run import Ingested, ingest
from ndlab.store.ingest.verify import verify

__all__ = ["Ingested", "ingest", "verify"]
