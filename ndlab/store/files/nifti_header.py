"""Headers of NIfTI files, kept with a volume that came from one, so that it goes out with the same.

A header says what ndlab's own metadata have no place for: directions of the axes in a scanner's space, the meaning of
that space, intent, description. It is kept as its bytes; what a new file needs otherwise (shape, type, and the affine
of a box or a coarser level) is changed in a copy.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.geometry import Calibration
from ndlab.store.files.units import nm_per

__all__ = ["KEY", "Kept", "keep"]

KEY = "nifti"
_UNITS = {1e6: "mm", 1e3: "micron", 1e9: "meter"}


def keep(header: Any, offset: Sequence[float]) -> dict[str, Any]:
    """Return a nibabel header, and the corner (z, y, x) [nm] of the volume that it is of, as plain values for JSON."""
    block = base64.b64encode(header.binaryblock).decode()
    return {"header": block, "endianness": str(header.endianness), "offset": list(offset)}


@dataclass(frozen=True)
class Kept:
    """A header, and the calibration of the whole volume that it came with.

    Parameters
    ----------
    values : mapping
        What `keep` gave.
    calibration : Calibration
    """

    values: Mapping[str, Any]
    calibration: Calibration

    @staticmethod
    def of(attrs: Mapping[str, Any], calibration: Calibration | None) -> Kept | None:
        """Return what the attributes of a file, or of a store that it was ingested into, keep; None if nothing."""
        values = attrs.get(KEY) or attrs.get("ndlab", {}).get(KEY)
        return Kept(values, calibration) if values and calibration is not None else None

    def moved(self, cut: Calibration, shape: Sequence[int]) -> dict[str, Any] | None:
        """Return what a store keeps that covers a cut of the volume, of `shape` (z, y, x)."""
        header = self.header(cut, list(shape)[::-1])
        if header is None:
            return None
        # What the values mean is another matter than where they are.
        header.set_intent("none", name="")
        header["cal_min"] = header["cal_max"] = 0
        return keep(header, cut.offset)

    def header(self, cut: Calibration, shape: Sequence[int]) -> Any:
        """Return a little-endian header for a cut of the volume; None where the header is not of its calibration.

        Parameters
        ----------
        cut : Calibration
            Its voxel size, that of the volume or of a coarser level, and the corner of its first voxel.
        shape : sequence of int
            Of what is written, x first.
        """
        header = self._parsed()
        unit = self._unit(header)
        if unit is None:
            return None
        # Index (x, y, z) of the whole volume at the centre of the first voxel of the cut, and the step in it.
        base = self.calibration
        step = np.array([b / a for a, b in zip(base.voxel_size, cut.voxel_size, strict=True)][::-1])
        first = [(b - a) / s for a, b, s in zip(base.offset, cut.offset, base.voxel_size, strict=True)][::-1]
        moved = np.eye(4)
        moved[:3, :3], moved[:3, 3] = np.diag(step), np.array(first) + step / 2 - 0.5
        header = _long(header, shape)
        zooms = list(header.get_zooms())
        header.set_data_shape(shape)
        if not np.allclose(moved, np.eye(4), atol=1e-9):
            _move(header, moved)
        sizes = [*(np.array(zooms[:3]) * step), *zooms[3:], *[1.0] * len(shape)]
        header.set_zooms(sizes[: len(shape)])
        if nm_per(header.get_xyzt_units()[0]) is None and unit in _UNITS:
            header.set_xyzt_units(_UNITS[unit], header.get_xyzt_units()[1])
        header.set_slope_inter(1, 0)
        return header

    def _parsed(self) -> Any:
        import nibabel

        block = base64.b64decode(self.values["header"])
        kind = nibabel.Nifti1Header if len(block) == 348 else nibabel.Nifti2Header
        return kind(block, endianness=self.values["endianness"], check=False).as_byteswapped("<")

    def _unit(self, header: Any) -> float | None:
        """Return how many nm the header's unit is, by the volume's voxel size; None if that was changed since."""
        sizes = np.array(header.get_zooms()[:3], float)
        if len(sizes) < 3 or not (sizes > 0).all():
            return None
        ratios = np.array(self.calibration.voxel_size[::-1]) / sizes
        unit = float(f"{ratios[0]:.6g}")
        named = nm_per(header.get_xyzt_units()[0])
        fits = np.allclose(ratios, unit, rtol=1e-5) and (named is None or np.isclose(named, unit, rtol=1e-5))
        near = 1e-3 * min(self.calibration.voxel_size)
        there = np.allclose(self.calibration.offset, self.values["offset"], atol=near)
        return unit if fits and there else None


def _long(header: Any, shape: Sequence[int]) -> Any:
    """Return the header in the version of the format that counts far enough."""
    import nibabel

    if max(shape) > 32767 and type(header) is nibabel.Nifti1Header:
        return nibabel.Nifti2Header.from_header(header, check=False)
    return header


def _move(header: Any, moved: np.ndarray[Any, Any]) -> None:
    if header["sform_code"]:
        header.set_sform(header.get_sform() @ moved, code=int(header["sform_code"]))
    if header["qform_code"]:
        header.set_qform(header.get_qform() @ moved, code=int(header["qform_code"]))
