"""Where the objects are: the calibration of each level, so that boxes of voxels can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ndlab.errors import BadRequest
from ndlab.geometry import Box, Calibration, NmBox

__all__ = ["Space"]


@dataclass(frozen=True)
class Space:
    """The calibrations of the levels of the volume that objects lie in; none where only nm are known.

    Examples
    --------
    >>> Space((Calibration((40, 4, 4)),)).nm(Box((1, 0, 0), (2, 10, 10)))
    NmBox(start=(40.0, 0.0, 0.0), stop=(80.0, 40.0, 40.0), level=None)
    """

    levels: tuple[Calibration, ...] = ()
    volume: str = ""

    @staticmethod
    def of(space: Any, voxel_size: Any = None) -> Space:
        """Read a Volume, a Calibration or a voxel size (z, y, x) [nm]."""
        if space is not None and voxel_size is not None:
            raise BadRequest("space and voxel_size were both given", "each says where voxels are", "give one")
        if isinstance(space, Space):
            return space
        if voxel_size is not None:
            return Space((Calibration(voxel_size),))
        if space is None:
            return Space()
        if isinstance(space, Calibration):
            return Space((space,))
        levels = getattr(space, "levels", None)
        if not levels or not hasattr(levels[0], "calibration"):
            raise BadRequest(f"space {space!r}"[:200], "it is a Volume or a Calibration",
                             "pass space=ndlab.open(url), or voxel_size=(z, y, x) [nm]")  # fmt: skip
        return Space(tuple(one.calibration for one in levels), space.url)

    def nm(self, box: Box | NmBox) -> NmBox:
        """Return a box in nm."""
        if isinstance(box, NmBox):
            return NmBox(box.start, box.stop)
        if not isinstance(box, Box):
            raise BadRequest(f"box {box!r}"[:200], "a box is a Box, in voxels, or a Box.nm, in nm")
        if not 0 <= box.level < len(self.levels):
            raise BadRequest(
                f"a box of voxels at level {box.level}",
                f"{len(self.levels)} levels are known here" if self.levels else "the voxel size is not known here",
                "ask by Box.nm(start, stop), or make the annotations with space=volume",
            )
        space = self.levels[box.level].nm(box)
        return NmBox(space.start, space.stop)

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        levels = [{"voxel_size": list(c.voxel_size), "offset": list(c.offset)} for c in self.levels]
        return {"levels": levels, "volume": self.volume}

    @staticmethod
    def from_plain(values: dict[str, Any]) -> Space:
        """Read what `plain` gave."""
        return Space(tuple(Calibration(c["voxel_size"], c["offset"]) for c in values["levels"]), values["volume"])
