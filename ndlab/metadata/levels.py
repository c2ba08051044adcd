"""Levels of a pyramid: bare numbers with units turned into calibrations, and the checks that all formats share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ndlab.errors import BadMetadata, BadRequest
from ndlab.geometry import Calibration
from ndlab.metadata.model import Multiscale
from ndlab.metadata.units import to_nm

__all__ = [
    "UNKNOWN",
    "Float3",
    "Raw",
    "assemble",
    "check_coarser",
    "check_corners",
    "check_paths",
    "corner",
    "length",
    "numbers",
    "scaled",
    "stack",
]

Float3 = tuple[float, float, float]
Units = tuple[str | None, str | None, str | None]

UNKNOWN = "voxel size unknown"  # how the note begins that `with_unit` and `with_voxel_size` take away


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


def stack(
    axes: Sequence[str],
    sizes: Sequence[Sequence[float]],
    centres: Sequence[Sequence[float]],
    units: Mapping[str, str | None],
    notes: list[str],
) -> Raw | None:
    """Pick (z, y, x) out of numbers in the order of `axes`, one list per level.

    A 2-D image becomes one plane, as thick at every level as the coarsest in-plane voxel of level 0, its lower
    side at 0; `notes` then says so. None where levels differ but their unit-less numbers do not: such a store
    says nothing about size.
    """
    space = {a: i for i, a in enumerate(axes) if a in "zyx"}
    unit = {a: units.get(a) for a in "zyx"}
    thickness = 0.0
    if "z" not in space:
        notes.append("a 2-D image: its one plane is as thick as its coarsest in-plane voxel size")
        widest = max("yx", key=lambda a: sizes[0][space[a]] * (length(unit[a]) or 1))
        thickness, unit["z"] = sizes[0][space[widest]], unit[widest]

    def zyx(numbers: Sequence[float], z: float) -> Float3:
        return numbers[space["z"]] if "z" in space else z, numbers[space["y"]], numbers[space["x"]]

    raw = Raw(
        tuple(zyx(s, thickness) for s in sizes),
        tuple(zyx(c, thickness / 2) for c in centres),
        (unit["z"], unit["y"], unit["x"]),
    )
    silent = len(sizes) > 1 and len(set(raw.sizes)) == 1 and not any(length(u) for u in raw.units)
    return None if silent else raw


def numbers(values: Any) -> list[float] | None:
    """Return a JSON list of finite numbers as floats; None for anything else, text and booleans included."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return None
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in values):
        return None
    listed = [float(v) for v in values]
    return listed if all(map(math.isfinite, listed)) else None


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
