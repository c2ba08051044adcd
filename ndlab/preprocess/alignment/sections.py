"""The sections of a stack as the estimate sees them: one at a time, at the level that is fine enough."""

from __future__ import annotations

from dataclasses import dataclass

from ndlab.errors import BadRequest
from ndlab.geometry import Box
from ndlab.measure.blocks import part
from ndlab.preprocess.alignment.flow import Picture
from ndlab.volume import Volume

__all__ = ["Sections"]

_MOST = 2048
"""Pixels along a section's side that an estimate looks at."""


@dataclass(frozen=True)
class Sections:
    """Sections of a view, pooled by whole pixels until they are small enough.

    Parameters
    ----------
    volume : Volume
        (z, y, x), of the level that is read.
    factor : int
        Of the pooling after that.
    """

    volume: Volume
    factor: int

    @staticmethod
    def of(volume: Volume, most: int = _MOST) -> Sections:
        """Choose the level.

        Raises
        ------
        BadRequest
            If there are fewer than two sections, or pixels are not square.
        """
        view = part(volume)
        if view.shape[0] < 2:
            raise BadRequest(f"a stack of {view.shape[0]} section(s)", "alignment is about two or more",
                             "give a view with several z, e.g. vol[10:40]")  # fmt: skip
        _, y, x = view.voxel_size
        if abs(y - x) > 1e-3 * max(y, x):
            raise BadRequest(
                f"pixels of {y:g} by {x:g} nm",
                "sections are turned, so their pixels have to be square",
                "resample the volume first, or correct its voxel size: ndlab.open(url, voxel_size=...)",
            )
        fits = [view]
        for number in range(view.level_index + 1, len(view.levels)):
            coarser = view.level(number)
            _, cy, cx = coarser.voxel_size
            if coarser.shape[0] != view.shape[0] or abs(cy - cx) > 1e-3 * cy:
                break
            fits.append(coarser)
        small = [one for one in fits if max(one.shape[1:]) <= most]
        chosen = small[0] if small else fits[-1]
        return Sections(chosen, max(1, -(-max(chosen.shape[1:]) // most)))

    def __len__(self) -> int:
        return int(self.volume.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels (y, x) of what `picture` returns."""
        return self.volume.shape[1] // self.factor, self.volume.shape[2] // self.factor

    @property
    def pixel(self) -> float:
        """Side of a pixel of what `picture` returns [nm]."""
        return self.volume.voxel_size[1] * self.factor

    @property
    def corner(self) -> tuple[float, float]:
        """Centre of its first pixel (y, x) [nm]."""
        _, y, x = self.volume.offset
        return y + self.pixel / 2, x + self.pixel / 2

    def picture(self, z: int) -> Picture:
        """Read section `z`, counted from the view's first."""
        box = self.volume.box
        start, stop = (box.start[0] + z, *box.start[1:]), (box.start[0] + z + 1, *box.stop[1:])
        pixels = self.volume.read(Box(start, stop, box.level))[0]
        if self.factor == 1:
            return Picture.of(pixels)
        whole = Picture.of(pixels)
        return whole.pooled(self.factor)

    def described(self) -> dict[str, object]:
        """Say what is looked at, for receipts."""
        return {"level": self.volume.level_index, "pooled": self.factor, "pixel": self.pixel, "shape": list(self.shape)}
