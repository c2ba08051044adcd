"""What is done to a volume before anything is looked for in it."""

from ndlab.preprocess.alignment.aligning import BrokenStackWarning, align
from ndlab.preprocess.alignment.alignment import Alignment

__all__ = ["Alignment", "BrokenStackWarning", "align"]
