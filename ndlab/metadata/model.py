"""What a store says about a volume, whatever its format, and how to fill in what it does not say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ndlab.errors import BadMetadata, BadRequest
from ndlab.geometry import Calibration
from ndlab.metadata.units import to_nm

__all__ = ["Channel", "Kind", "LabelInfo", "Multiscale", "Scale", "with_unit", "with_voxel_size"]

Kind = Literal["image", "labels"]
Float3 = tuple[float, float, float]
Units = tuple[str | None, str | None, str | None]

UNKNOWN = "voxel size unknown"  # how the note begins that `with_unit` and `with_voxel_size` take away


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


@dataclass(frozen=True, slots=True)
class Raw:
    """Numbers as a store gives them, (z, y, x), one per level, before any unit is applied.

    `centres` are positions of the centre of voxel 0, in the units of `sizes`.
    """

    sizes: tuple[Float3, ...]
    centres: tuple[Float3, ...]
    units: Units = (None, None, None)

    @property
    def extra(self) -> dict[str, Any]:
        """The numbers as `Multiscale.extra` keeps them."""
        return {"scale": self.sizes, "translation": self.centres, "units": self.units}

    def calibrations(self) -> list[Calibration] | None:
        """Calibrations in nm, or None where an axis has no length unit."""
        factors = [length(unit) for unit in self.units]
        if any(f is None for f in factors):
            return None
        known = [f for f in factors if f is not None]
        return [
            Calibration(size, tuple(map(corner, centre, size)))
            for size, centre in (
                (tuple(map(scaled, s, known)), tuple(map(scaled, c, known)))
                for s, c in zip(self.sizes, self.centres, strict=True)
            )
        ]


def length(unit: str | None) -> float | None:
    """Nanometres in `unit`, or None where it is no length ("pixel", "unit", "s", nothing)."""
    try:
        return None if unit is None else to_nm(unit)
    except BadRequest:
        return None


def scaled(value: float, factor: float) -> float:
    """`value` times `factor`, at 13 significant digits unless the factor is 1.

    1.1 micrometer is then 1100.0 nm and not 1100.0000000000002.
    """
    return value if factor == 1 else _digits(value * factor, abs(value * factor))


def corner(centre: float, size: float) -> float:
    """Outer corner of a voxel, at 13 significant digits of the larger number.

    Halves are not exact in decimal files: without the rounding 0.05 - 0.1 / 2 style noise would move corners.
    A corner of at most 12 digits survives writing (as a centre) and reading unchanged.
    """
    return _digits(centre - size / 2, max(abs(centre), size))


def _digits(value: float, magnitude: float) -> float:
    if not magnitude or not math.isfinite(magnitude):
        return value
    return round(value, 12 - math.floor(math.log10(magnitude))) + 0.0  # + 0.0 turns -0.0 into 0.0


def assemble(m: Multiscale, raw: Raw | None, *, where: str) -> Multiscale:
    """`m` with the calibration that `raw` gives, or with a note that says what is missing and what to type."""
    if raw is not None:
        check_coarser(raw.sizes, [s.path for s in m.scales], where)
    calibrations = None if raw is None else raw.calibrations()
    if calibrations is not None:
        scales = tuple(replace(s, calibration=c) for s, c in zip(m.scales, calibrations, strict=True))
        return replace(m, scales=scales, notes=(*m.notes, *check_corners(calibrations)))
    if raw is None:
        note = f"{UNKNOWN}: {where} gives no scale. Type ndlab.open({where!r}, voxel_size=(z, y, x)) with nanometres"
        return replace(m, notes=(*m.notes, note))
    named = ", ".join(f"{axis}: {unit or 'none'}" for axis, unit in zip("zyx", raw.units, strict=True))
    note = (
        f"{UNKNOWN}: {where} gives the scale {raw.sizes[0]} in (z, y, x) without a length unit ({named}). Type "
        f'ndlab.open({where!r}, voxel_size=(z, y, x)) with nanometres, or unit="micrometer" (or another) to scale it'
    )
    return replace(m, extra={**m.extra, **raw.extra}, notes=(*m.notes, note))


def check_coarser(sizes: Sequence[Float3], paths: Sequence[str], where: str) -> None:
    """Raise `BadMetadata` unless voxels grow from each level to the next and shrink on no axis."""
    for i in range(1, len(sizes)):
        fine, coarse = sizes[i - 1], sizes[i]
        shrinks = any(b < a * (1 - 1e-6) for a, b in zip(fine, coarse, strict=True))
        grows = any(b > a * (1 + 1e-6) for a, b in zip(fine, coarse, strict=True))
        if shrinks or not grows:
            raise BadMetadata(
                f"level {i} ({paths[i]!r}) of {where} is not coarser than level {i - 1} ({paths[i - 1]!r})",
                f"voxel sizes in (z, y, x) are {coarse} after {fine}",
                "list the levels finest first with their true scales in that file, or open one array by its path",
                level=i,
                sizes=tuple(sizes),
            )


def check_corners(calibrations: Sequence[Calibration]) -> tuple[str, ...]:
    """Note where levels do not begin at one point (stores that scale each level about a voxel centre)."""
    first = calibrations[0]
    for i, c in enumerate(calibrations[1:], 1):
        apart = tuple(round(b - a, 6) + 0.0 for a, b in zip(first.offset, c.offset, strict=True))
        if any(abs(d) > 0.01 * v for d, v in zip(apart, first.voxel_size, strict=True)):
            return (f"level {i} begins {apart} nm in (z, y, x) from level 0, says the store",)
    return ()


def check_paths(paths: Sequence[str], where: str) -> None:
    """Raise `BadMetadata` where there is no level, or two share one path."""
    if not paths:
        raise BadMetadata(
            f"{where} lists no level", "a multiscale has at least one", "add its datasets, or open an array by its path"
        )
    twice = sorted({p for p in paths if paths.count(p) > 1})
    if twice:
        raise BadMetadata(
            f"{where} lists the level {twice[0]!r} twice",
            f"its levels are {', '.join(map(repr, paths))}",
            "each level needs a path of its own",
        )


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
    does: the down-sampling factor of a level is the power of two that explains its shape, else the plain ratio,
    and the offset is 0.

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
    return tuple(_three(map(_factor, shapes[0], shape)) for shape in shapes)


def _factor(fine: int, coarse: int) -> float:
    """Down-sampling factor that turns `fine` voxels into `coarse`, whether the last partial one is kept or not."""
    factor = 1
    while factor <= fine:
        if coarse in (fine // factor, -(-fine // factor)):
            return float(factor)
        factor *= 2
    return fine / coarse


def _three(values: Any) -> Float3:
    a, b, c = values
    return a, b, c


def _forget(m: Multiscale) -> Multiscale:
    """Without the bare numbers and the note that asks for a unit."""
    extra = {k: v for k, v in m.extra.items() if k not in ("scale", "translation", "units")}
    return replace(m, extra=extra, notes=tuple(n for n in m.notes if not n.startswith(UNKNOWN)))
