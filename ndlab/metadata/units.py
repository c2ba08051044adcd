"""Unit names as stores spell them, turned into nanometres and seconds."""

from __future__ import annotations

import difflib

from ndlab.errors import BadRequest

__all__ = ["to_nm", "to_seconds"]

_PREFIXES = {
    "yocto": -24, "zepto": -21, "atto": -18, "femto": -15, "pico": -12, "nano": -9, "micro": -6, "milli": -3,
    "centi": -2, "deci": -1, "": 0, "hecto": 2, "kilo": 3, "mega": 6, "giga": 9, "tera": 12, "peta": 15,
    "exa": 18, "zetta": 21, "yotta": 24,
}  # fmt: skip
_SYMBOLS = {"f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "c": -2, "": 0, "k": 3}


def _powers(name: str, symbol: str, shift: int) -> dict[str, float]:
    # float("1e-15") is the nearest double; 10.0 ** -15 need not be.
    full = {f"{prefix}{name}": float(f"1e{power + shift}") for prefix, power in _PREFIXES.items()}
    return full | {f"{prefix}{symbol}": float(f"1e{power + shift}") for prefix, power in _SYMBOLS.items()}


_NM = _powers("meter", "m", 9) | {
    "angstrom": 0.1,
    "\u00c5": 0.1,  # Å as a letter
    "\u212b": 0.1,  # Å as the angstrom sign, which many instruments write
    "micron": 1e3,
    "inch": 25.4e6,
    "in": 25.4e6,
    "foot": 304.8e6,
    "yard": 914.4e6,
    "mile": 1609.344e9,
    "parsec": 3.0856775814913673e25,
}
_SECONDS = _powers("second", "s", 0) | {
    "sec": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "hour": 3600.0,
    "h": 3600.0,
    "day": 86400.0,
}


def to_nm(unit: str) -> float:
    """How many nanometres one `unit` is.

    Parameters
    ----------
    unit : str
        A UDUNITS length as OME-Zarr spells it (``"angstrom"`` to ``"yottameter"``, ``"inch"``), the British
        ``"-metre"``, a plural, or a symbol (``"nm"``, ``"um"``, ``"µm"``, ``"mm"``).

    Raises
    ------
    BadRequest
        If it is no known length.

    Examples
    --------
    >>> to_nm("micrometer"), to_nm("µm"), to_nm("angstrom")
    (1000.0, 1000.0, 0.1)
    """
    return _look_up(unit, _NM, "length", "nanometer, micrometer, millimeter, angstrom, nm, um, mm")


def to_seconds(unit: str) -> float:
    """How many seconds one `unit` is.

    Examples
    --------
    >>> to_seconds("millisecond"), to_seconds("minute")
    (0.001, 60.0)
    """
    return _look_up(unit, _SECONDS, "time", "second, millisecond, minute, hour, s, ms")


def _look_up(unit: str, table: dict[str, float], what: str, examples: str) -> float:
    text = str(unit).strip()
    # "Mm" and "mm", "Ps" and "ps" differ, so a symbol must match as it stands; full names may be in any case.
    for name in (text, text.lower() if len(text) > 3 else text):
        for spelling in (name, name.replace("metre", "meter"), name.removesuffix("s").replace("metre", "meter")):
            if spelling in table:
                return table[spelling]
    near = difflib.get_close_matches(text.lower(), list(table), n=1)
    raise BadRequest(
        f"unit {unit!r} is not a {what} that ndlab knows",
        f"known are for example {examples}" + (f"; the nearest is {near[0]!r}" if near else ""),
        f"pass one of those, or the size itself in {'nm' if what == 'length' else 's'}",
        unit=unit,
    )
