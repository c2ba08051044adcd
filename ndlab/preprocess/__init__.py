"""Volumes made ready: registered to each other and to atlases, with what was chosen on the way."""

from ndlab.preprocess.fields import DisplacementField
from ndlab.preprocess.mapping import Mapping
from ndlab.preprocess.registration import Quality, Registration, register

__all__ = ["DisplacementField", "Mapping", "Quality", "Registration", "register"]
