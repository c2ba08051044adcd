"""One small interface to an n-dimensional array on disk, and the record of a store that holds several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ndlab.geometry import Calibration
from ndlab.metadata import Channel, Kind, LabelInfo


@runtime_checkable
class Array(Protocol):
    """An array on disk. Axis order is (t)(c)zyx with z, y, x always there. Must pickle (as an address, not data)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along (t)(c)zyx."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Voxel type."""
        ...

    @property
    def chunks(self) -> tuple[int, ...]:
        """The piece that one read has to fetch or decode whole (a plane for a PNG slice)."""
        ...

    @property
    def shards(self) -> tuple[int, ...] | None:
        """The unit of writing where it is larger than a chunk."""
        ...

    @property
    def codec(self) -> str:
        """The compression in words, e.g. ``"zstd 1"``."""
        ...

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """Voxels of the half-open box, C order; into `out` if given."""
        ...

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        """Store `values` with their first element at `start`; raises `ReadOnly` where the format cannot."""
        ...


@dataclass(frozen=True)
class Level:
    """One pyramid level: its array and where its voxels are (None: the store does not say)."""

    array: Array
    calibration: Calibration | None


@dataclass(frozen=True)
class Stored:
    """What a store holds: one multiscale image, finest level first."""

    url: str
    format: str
    axes: tuple[str, ...]
    levels: tuple[Level, ...]
    kind: Kind = "image"
    name: str = ""
    channels: tuple[Channel, ...] = ()
    labels: LabelInfo | None = None
    time_step: float | None = None
    attrs: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
