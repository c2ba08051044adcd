"""Pre-process a stack before anything is looked for in it: exposure, seams, contrast, orientation."""

from __future__ import annotations

from ndlab.preprocess.chromatic import correct, exposure
from ndlab.preprocess.seams import find_seams

__all__ = [
    "correct",
    "exposure",
    "find_seams",
]
