"""Make volumes ready: exposure, seams, contrast and orientation; sections aligned; volumes registered."""

from __future__ import annotations

from ndlab.preprocess.alignment.aligning import BrokenStackWarning, align
from ndlab.preprocess.alignment.alignment import Alignment
from ndlab.preprocess.alignment.montage import Montage, place_tiles
from ndlab.preprocess.bias import estimate_flat_field, flat_field, n4
from ndlab.preprocess.chromatic import correct, exposure
from ndlab.preprocess.contrast import clahe, match_sections, section_quantiles
from ndlab.preprocess.exposure import Exposure
from ndlab.preprocess.fields import DisplacementField
from ndlab.preprocess.fusing import fuse_seams
from ndlab.preprocess.mapping import Mapping
from ndlab.preprocess.orientation import ORIENTATIONS, inverse_orientation, reorient
from ndlab.preprocess.quality import CorrectionReport, report
from ndlab.preprocess.registration import Quality, Registration, register
from ndlab.preprocess.seams import find_seams
from ndlab.preprocess.tiles import MatchedTiles, Placement, match_tiles, read_placements

__all__ = [
    "ORIENTATIONS",
    "Alignment",
    "BrokenStackWarning",
    "CorrectionReport",
    "DisplacementField",
    "Exposure",
    "Mapping",
    "MatchedTiles",
    "Montage",
    "Placement",
    "Quality",
    "Registration",
    "align",
    "clahe",
    "correct",
    "estimate_flat_field",
    "exposure",
    "find_seams",
    "flat_field",
    "fuse_seams",
    "inverse_orientation",
    "match_sections",
    "match_tiles",
    "n4",
    "place_tiles",
    "read_placements",
    "register",
    "reorient",
    "report",
    "section_quantiles",
]
