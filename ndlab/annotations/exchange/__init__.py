"""Files: sets of annotations as CSV, JSON, Parquet and SWC, in and out."""

from ndlab.annotations.exchange.formats import export, load

__all__ = ["export", "load"]
