"""Voxels and tables on disk: addresses, formats, the engine, ingest, pyramids and the catalogue."""
