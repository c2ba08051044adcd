"""Files: sets of annotations as CSV, JSON, Parquet, SWC, NIfTI and Neuroglancer's folders, and tables of others, in."""

from ndlab.annotations.exchange.formats import export, load
from ndlab.annotations.exchange.nifti import write as write_labels

__all__ = ["export", "load", "write_labels"]
