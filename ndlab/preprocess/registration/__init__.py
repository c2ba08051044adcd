"""The map between two volumes: an affine part from many starts, then a flow that folds nothing, and its inverse."""

from ndlab.preprocess.registration.quality import Quality
from ndlab.preprocess.registration.register import register
from ndlab.preprocess.registration.result import Registration, Space

__all__ = ["Quality", "Registration", "Space", "register"]
