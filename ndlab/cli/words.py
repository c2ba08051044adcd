"""Words on the command line turned into boxes, lengths and shapes; what cannot be read is said with an example."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from ndlab.errors import BadRequest

__all__ = ["box", "channel", "codec", "lengths", "positions", "ranges", "shape", "time_point"]

Number = TypeVar("Number", int, float)

_LENGTH = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\W\d_]*)")


def lengths(text: str, option: str, unit: str | None = None) -> tuple[float, float, float]:
    """Read three lengths (z, y, x), or one for all, as nm.

    Examples
    --------
    >>> lengths("40,4,4", "--voxel-size"), lengths("0.04 x 0.004 x 0.004 um", "--voxel-size")
    ((40.0, 4.0, 4.0), (40.0, 4.0, 4.0))
    >>> lengths("8", "--voxel-size"), lengths("1,2,3", "--voxel-size", unit="micrometer")
    ((8.0, 8.0, 8.0), (1000.0, 2000.0, 3000.0))
    """
    found = [_LENGTH.fullmatch(part.strip()) for part in re.split(r"[,×x]", text)]
    pairs = [(one[1], one[2]) for one in found if one is not None]
    units = [name for _, name in pairs]
    if len(pairs) != len(found) or len(pairs) not in (1, 3):
        raise BadRequest(f"{option} {text}", "it takes three numbers in (z, y, x) order, or one for all three",
                         f"type e.g. {option} 40,4,4 (nm) or {option} 0.04x0.004x0.004um")  # fmt: skip
    if any(units) and unit is not None:
        raise BadRequest(f"{option} {text} --unit {unit}", "the unit is given twice", "leave one of them out")
    if not all(units) and any(units[:-1]):
        raise BadRequest(f"{option} {text}", "some numbers have a unit and others have none",
                         "put one unit behind the last number, or one behind each")  # fmt: skip
    names = units if all(units) else [units[-1] or unit or "nm"] * len(pairs)
    sizes = [_nm(float(number), name) for (number, _), name in zip(pairs, names, strict=True)]
    z, y, x = sizes * 3 if len(sizes) == 1 else sizes
    return z, y, x


def _nm(value: float, unit: str) -> float:
    from ndlab.metadata.units import to_nm

    # 0.004 um is 4 nm and not 4.000000000000001.
    return float(f"{value * to_nm(unit):.13g}")


def shape(text: str | None, option: str) -> tuple[int, int, int] | None:
    """Read three whole numbers (z, y, x), or one for all.

    Examples
    --------
    >>> shape("16,128,128", "--chunks"), shape("64", "--chunks")
    ((16, 128, 128), (64, 64, 64))
    """
    if text is None:
        return None
    parts = re.split(r"[,×x]", text)
    if len(parts) not in (1, 3) or not all(part.strip().isdecimal() for part in parts):
        raise BadRequest(f"{option} {text}", "it takes three whole numbers in (z, y, x) order, or one for all three",
                         f"type e.g. {option} 16,128,128")  # fmt: skip
    numbers = [int(part) for part in parts]
    z, y, x = numbers * 3 if len(numbers) == 1 else numbers
    return z, y, x


def box(text: str, extent: tuple[int, ...], level: int) -> tuple[slice, slice, slice]:
    """Read a box of voxels inside `extent`; a side left out reaches to the end, one number is one plane.

    Examples
    --------
    >>> box("5,0:64,:", (10, 64, 80), 0)
    (slice(5, 6, None), slice(0, 64, None), slice(0, 80, None))
    """
    spans = []
    for one, n in zip(_ranges(text, "--box", int, "0:16,0:512,0:512"), extent, strict=True):
        low, high = one if isinstance(one, tuple) else (one, one + 1)
        low, high = 0 if low is None else low, n if high is None else high
        if high < low:
            raise BadRequest(f"--box {text}: {low}:{high} ends before it starts", "ranges are start:stop, (z, y, x)",
                             "swap them, or check that the order is not (x, y, z)")  # fmt: skip
        spans.append((low, high))
    if any(low < 0 or high > n for (low, high), n in zip(spans, extent, strict=True)):
        whole = ",".join(f"0:{n}" for n in extent)
        raise BadRequest(f"--box {text} leaves the volume", f"level {level} spans {whole} in (z, y, x)",
                         "stay within that; boxes count from 0 in the voxels of --level")  # fmt: skip
    z, y, x = (slice(low, high) for low, high in spans)
    return z, y, x


def ranges(text: str) -> list[tuple[int | None, int | None]]:
    """Read a box of voxels whose sides may be open; one number is one plane.

    Examples
    --------
    >>> ranges("5,0:64,:")
    [(5, 6), (0, 64), (None, None)]
    """
    found = _ranges(text, "--box", int, "0:16,0:512,0:512")
    spans = [one if isinstance(one, tuple) else (one, one + 1) for one in found]
    if any(low is not None and high is not None and high < low for low, high in spans):
        raise BadRequest(f"--box {text} ends before it starts", "ranges are start:stop, (z, y, x)",
                         "swap them, or check that the order is not (x, y, z)")  # fmt: skip
    return spans


def positions(text: str) -> tuple[slice | float, slice | float, slice | float]:
    """Read a box in nm, for `Volume.nm`; one number is the voxel there.

    Examples
    --------
    >>> positions("0:4000,1e3:2e3,120.5")
    (slice(0.0, 4000.0, None), slice(1000.0, 2000.0, None), 120.5)
    """
    found = _ranges(text, "--nm", float, "0:4000,1000:3000,1000:3000")
    z, y, x = (slice(*one) if isinstance(one, tuple) else one for one in found)
    return z, y, x


def _ranges(
    text: str, option: str, number: Callable[[str], Number], example: str
) -> list[tuple[Number | None, Number | None] | Number]:
    parts = text.split(",")
    try:
        if len(parts) != 3:
            raise ValueError(len(parts))
        return [_range(part.strip(), number) for part in parts]
    except ValueError:
        raise BadRequest(f"{option} {text}", "it takes three ranges start:stop in (z, y, x) order",
                         f"type e.g. {option} {example}; : alone is all of an axis") from None  # fmt: skip


def _range(part: str, number: Callable[[str], Number]) -> tuple[Number | None, Number | None] | Number:
    low, colon, high = part.partition(":")
    if not colon:
        return number(part)
    return number(low) if low.strip() else None, number(high) if high.strip() else None


def time_point(text: str | None) -> int | None:
    """Read a number of a time point."""
    if text is not None and not text.isdecimal():
        raise BadRequest(f"-t {text}", "time points are counted from 0", "type e.g. -t 0")
    return None if text is None else int(text)


def channel(text: str | None) -> int | str | None:
    """Read a channel's number, else its name."""
    return int(text) if text is not None and text.isdecimal() else text


def codec(text: str) -> Any:
    """Read a codec: a name with its level, ``none``, or JSON of a Zarr v3 codec, a list of them, or a numcodecs one.

    Examples
    --------
    >>> codec("zstd 3"), codec("none"), codec('{"id": "blosc", "cname": "lz4"}')
    ('zstd 3', None, {'id': 'blosc', 'cname': 'lz4'})
    """
    if text.strip().startswith(("{", "[")):
        try:
            return json.loads(text)
        except ValueError as error:
            raise BadRequest(f"--codec {text}", f"it is no JSON: {error}",
                             """type e.g. --codec '{"id": "blosc", "cname": "lz4"}'""") from None  # fmt: skip
    return None if text.lower() == "none" else text
