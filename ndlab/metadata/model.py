"""What a store says about a volume, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ndlab.geometry import Calibration

__all__ = ["Channel", "Kind", "LabelInfo", "Multiscale", "Scale"]

Kind = Literal["image", "labels"]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: its name, display window, value limits and colour (``"RRGGBB"``)."""

    name: str = ""
    window: tuple[float, float] | None = None
    limits: tuple[float, float] | None = None
    color: str | None = None


@dataclass(frozen=True, slots=True)
class LabelInfo:
    """OME-Zarr `image-label`: colours and properties of label values, and the image they belong to.

    `colors` pairs a label value with its (red, green, blue, alpha), each 0 to 255. Each of `properties` has
    its value under ``"label-value"``. `source` is the path of the image, relative to the label group.
    """

    colors: tuple[tuple[int, tuple[int, int, int, int]], ...] = ()
    properties: tuple[dict[str, Any], ...] = ()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """One pyramid level as the metadata describes it; `calibration` is None where the store does not say."""

    path: str
    calibration: Calibration | None
    time_step: float | None = None  # [s]


@dataclass(frozen=True, slots=True)
class Multiscale:
    """One multiscale image: axes in stored order (a subset of t, c, z, y, x), levels finest first.

    Calibrations are always (z, y, x). Where the store gives numbers without a unit, they are kept in `extra`
    under ``"scale"``, ``"translation"`` (of the centre of voxel 0) and ``"units"``, each (z, y, x), for
    `with_unit` and `with_voxel_size`; `notes` then says what to type.
    """

    axes: tuple[str, ...]
    scales: tuple[Scale, ...]
    name: str = ""
    version: str = "0.5"
    kind: Kind = "image"
    channels: tuple[Channel, ...] = ()
    labels: LabelInfo | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
