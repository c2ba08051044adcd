"""Fill in what a store does not say: a unit for its numbers, or the voxel size itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ndlab.errors import BadRequest
from ndlab.geometry import Calibration
from ndlab.metadata.levels import UNKNOWN, Float3, Raw, assemble, corner, length, scaled
from ndlab.metadata.model import Multiscale
from ndlab.metadata.units import to_nm

__all__ = ["with_unit", "with_voxel_size"]


def with_unit(m: Multiscale, unit: str) -> Multiscale:
    """Return `m` with its bare scale numbers read as `unit`.

    Only the axes without a length unit take it: an axis that the store calibrates stays as it is.

    Parameters
    ----------
    m : Multiscale
        As read from a store that gives scales without a unit.
    unit : str
        A length, such as ``"micrometer"`` or ``"nm"``.

    Raises
    ------
    BadRequest
        If the unit is unknown, the store has no scale numbers, or it already has units.

    Examples
    --------
    >>> attrs = {"multiscales": [{"version": "0.4", "axes": [{"name": n, "type": "space"} for n in "zyx"],
    ...     "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.04, 0.004, 0.004]}]}]
    ...     }]}
    >>> from ndlab.metadata import read_ome
    >>> (m,) = read_ome(attrs, where="em.zarr")
    >>> with_unit(m, "micrometer").scales[0].calibration.voxel_size
    (40.0, 4.0, 4.0)
    """
    to_nm(unit)
    if m.scales and m.scales[0].calibration is not None:
        raise BadRequest(
            f"unit={unit!r} was given for a volume that has units",
            f"its voxel size is {m.scales[0].calibration.voxel_size} nm",
            "leave unit out, or override the size with voxel_size=(z, y, x) in nm",
        )
    if "scale" not in m.extra:
        raise BadRequest(
            f"unit={unit!r} was given for a volume that has no scale numbers",
            "there is nothing to multiply",
            "pass voxel_size=(z, y, x) in nm instead",
        )
    a, b, c = (u if length(u) is not None else unit for u in m.extra["units"])
    raw = Raw(m.extra["scale"], m.extra["translation"], (a, b, c))
    return assemble(_forget(m), raw, where="the store")


def with_voxel_size(
    m: Multiscale, voxel_size: Sequence[float], *, shapes: Sequence[Sequence[int]] | None = None
) -> Multiscale:
    """Return `m` with `voxel_size` [nm] at level 0; coarser levels and offsets keep their ratio to it.

    What the store says in numbers (with or without a unit) gives the ratios. Where it says nothing, `shapes`
    does: a level's factor is the power of two that explains its shape, else the plain ratio, and the offset is 0.

    Parameters
    ----------
    m : Multiscale
        As read from a store.
    voxel_size : sequence of 3 float
        Level 0, (z, y, x) [nm].
    shapes : sequence of shapes, optional
        One per level, (z, y, x); needed where there are several levels without any scale.

    Raises
    ------
    BadRequest
        If `voxel_size` is not three positive numbers, or `shapes` is needed and missing.
    """
    target = Calibration(voxel_size).voxel_size
    first = m.scales[0].calibration
    if first is not None:
        known = [s.calibration for s in m.scales if s.calibration is not None]
        sizes: tuple[Float3, ...] = tuple(c.voxel_size for c in known)
        corners: tuple[Float3, ...] = tuple(c.offset for c in known)
    elif "scale" in m.extra:
        sizes = m.extra["scale"]
        corners = tuple(
            _three(corner(c, s) for c, s in zip(*pair, strict=True))
            for pair in zip(m.extra["translation"], sizes, strict=True)
        )
    else:
        sizes = _factors(m, shapes)
        corners = ((0.0, 0.0, 0.0),) * len(sizes)
    calibrations = [_rescale(size, at, sizes[0], target) for size, at in zip(sizes, corners, strict=True)]
    scales = tuple(replace(s, calibration=c) for s, c in zip(m.scales, calibrations, strict=True))
    if first is not None and first.voxel_size != target:
        m = replace(m, notes=(*m.notes, f"voxel size {target} nm was given; the store says {first.voxel_size} nm"))
    return replace(_forget(m), scales=scales)


def _rescale(size: Float3, at: Float3, finest: Float3, target: Float3) -> Calibration:
    def ratio(value: float, unit: float, nm: float) -> float:
        return scaled(value / unit, nm) if value != unit else nm

    return Calibration(
        tuple(map(ratio, size, finest, target)),
        tuple(scaled(o / f, t) if o else 0.0 for o, f, t in zip(at, finest, target, strict=True)),
    )


def _factors(m: Multiscale, shapes: Sequence[Sequence[int]] | None) -> tuple[Float3, ...]:
    if len(m.scales) == 1:
        return ((1.0, 1.0, 1.0),)
    if shapes is None or len(shapes) != len(m.scales):
        raise BadRequest(
            f"voxel_size was given for {len(m.scales)} levels without any scale",
            "their ratios are unknown",
            "pass shapes=, one (z, y, x) for each level",
        )
    return tuple(_three(_level_factors(shapes[0], shape)) for shape in shapes)


def _level_factors(fine: Sequence[int], coarse: Sequence[int]) -> list[float]:
    """One factor per axis; that of the longest axis, the least ambiguous, is tried first on the others."""
    n, _, m = max((n, -axis, m) for axis, (n, m) in enumerate(zip(fine, coarse, strict=True)))
    longest = _factor(n, m)
    return [
        longest if a != b and _explains(longest, a, b) else _factor(a, b) for a, b in zip(fine, coarse, strict=True)
    ]


def _explains(factor: float, fine: int, coarse: int) -> bool:
    """Whether `factor` turns `fine` voxels into `coarse`, the last partial one kept or not."""
    return factor == int(factor) and coarse in (fine // int(factor), -(-fine // int(factor)))


def _factor(fine: int, coarse: int) -> float:
    """Power of two that turns `fine` voxels into `coarse`, else their ratio."""
    factor = 1
    while factor <= fine:
        if _explains(factor, fine, coarse):
            return float(factor)
        factor *= 2
    return fine / coarse


def _three(values: Iterable[float]) -> Float3:
    a, b, c = values
    return a, b, c


def _forget(m: Multiscale) -> Multiscale:
    """Without the bare numbers and the note that asks for a unit."""
    extra = {k: v for k, v in m.extra.items() if k not in ("scale", "translation", "units")}
    return replace(m, extra=extra, notes=tuple(n for n in m.notes if not n.startswith(UNKNOWN)))
