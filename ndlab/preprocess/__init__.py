"""What is done to a volume before anything is looked for in it."""

from ndlab.preprocess.alignment.aligning import BrokenStackWarning, align
from ndlab.preprocess.alignment.alignment import Alignment
from ndlab.preprocess.alignment.montage import Montage, place_tiles

__all__ = ["Alignment", "BrokenStackWarning", "Montage", "align", "place_tiles"]
