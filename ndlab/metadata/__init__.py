"""What is written on disk about a volume: read, write, check.

Pure functions on the parsed JSON of a store; nothing here touches a file. Every format becomes one
`Multiscale`: axes in stored order, calibration in nm in (z, y, x), and `Calibration.offset` the outer corner of
voxel 0, whatever the format counts from.
"""

from ndlab.metadata.calibrate import with_unit, with_voxel_size
from ndlab.metadata.model import Channel, Kind, LabelInfo, Multiscale, Scale
from ndlab.metadata.n5 import read_n5
from ndlab.metadata.ome import read_ome
from ndlab.metadata.ome_groups import (
    bioformats2raw_series,
    is_plate,
    labels_list,
    plate_wells,
    well_images,
)
from ndlab.metadata.ome_levels import append_levels
from ndlab.metadata.ome_write import write_ome
from ndlab.metadata.precomputed import read_precomputed, write_precomputed
from ndlab.metadata.units import to_nm, to_seconds

__all__ = [
    "Channel",
    "Kind",
    "LabelInfo",
    "Multiscale",
    "Scale",
    "append_levels",
    "bioformats2raw_series",
    "is_plate",
    "labels_list",
    "plate_wells",
    "read_n5",
    "read_ome",
    "read_precomputed",
    "to_nm",
    "to_seconds",
    "well_images",
    "with_unit",
    "with_voxel_size",
    "write_ome",
    "write_precomputed",
]
