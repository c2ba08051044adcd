"""Unit names against hand-written factors, and the message for an unknown one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest
from ndlab.metadata import to_nm, to_seconds

# The lengths and times that OME-Zarr 0.4 and 0.5 list, with their SI values written out.
METRES = {
    "angstrom": "1e-10", "attometer": "1e-18", "centimeter": "1e-2", "decimeter": "1e-1", "exameter": "1e18",
    "femtometer": "1e-15", "foot": "0.3048", "gigameter": "1e9", "hectometer": "1e2", "inch": "0.0254",
    "kilometer": "1e3", "megameter": "1e6", "meter": "1", "micrometer": "1e-6", "mile": "1609.344",
    "millimeter": "1e-3", "nanometer": "1e-9", "parsec": "3.0856775814913673e16", "petameter": "1e15",
    "picometer": "1e-12", "terameter": "1e12", "yard": "0.9144", "yoctometer": "1e-24", "yottameter": "1e24",
    "zeptometer": "1e-21", "zettameter": "1e21",
}  # fmt: skip
SECONDS = {
    "attosecond": "1e-18", "centisecond": "1e-2", "day": "86400", "decisecond": "1e-1", "exasecond": "1e18",
    "femtosecond": "1e-15", "gigasecond": "1e9", "hectosecond": "1e2", "hour": "3600", "kilosecond": "1e3",
    "megasecond": "1e6", "microsecond": "1e-6", "millisecond": "1e-3", "minute": "60", "nanosecond": "1e-9",
    "petasecond": "1e15", "picosecond": "1e-12", "second": "1", "terasecond": "1e12", "yoctosecond": "1e-24",
    "yottasecond": "1e24", "zeptosecond": "1e-21", "zettasecond": "1e21",
}  # fmt: skip


@pytest.mark.parametrize("unit", METRES)
def test_every_length_of_the_specification(unit: str) -> None:
    assert to_nm(unit) == float(Decimal(METRES[unit]) * Decimal("1e9"))


@pytest.mark.parametrize("unit", SECONDS)
def test_every_time_of_the_specification(unit: str) -> None:
    assert to_seconds(unit) == float(SECONDS[unit])


@pytest.mark.parametrize(
    ("unit", "nm"),
    [("nm", 1), ("um", 1e3), ("\u00b5m", 1e3), ("\u03bcm", 1e3), ("micron", 1e3), ("microns", 1e3), ("mm", 1e6),
     ("cm", 1e7), ("m", 1e9), ("pm", 1e-3), ("\u00c5", 0.1), ("\u212b", 0.1), ("Nanometer", 1), ("NANOMETERS", 1),
     ("nanometre", 1), ("micrometres", 1e3), (" nm ", 1), ("inches", None)],
)  # fmt: skip
def test_spellings(unit: str, nm: float | None) -> None:
    if nm is None:
        with pytest.raises(BadRequest, match="the nearest is 'inch'"):
            to_nm(unit)
    else:
        assert to_nm(unit) == nm


@pytest.mark.parametrize(("unit", "seconds"), [("s", 1), ("ms", 1e-3), ("us", 1e-6), ("seconds", 1), ("min", 60)])
def test_time_spellings(unit: str, seconds: float) -> None:
    assert to_seconds(unit) == seconds


def test_symbols_keep_their_case() -> None:
    # A megametre is not a millimetre; guessing would be off by 10^9.
    with pytest.raises(BadRequest):
        to_nm("Mm")


@pytest.mark.parametrize("unit", ["pixel", "unit", "", "second", "kg", "None"])
def test_what_is_no_length_is_refused_with_examples(unit: str) -> None:
    with pytest.raises(
        BadRequest, match=r"is not a length that ndlab knows.*nanometer, micrometer.*pass one"
    ) as caught:
        to_nm(unit)
    assert caught.value.unit == unit


def test_a_near_miss_is_named() -> None:
    with pytest.raises(BadRequest, match="the nearest is 'nanometer'"):
        to_nm("nanometr")


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(BadRequest, match="'nanometer' is not a time"):
        to_seconds("nanometer")


@given(st.text(max_size=8))
def test_any_text_is_a_positive_factor_or_a_named_error(text: str) -> None:
    try:
        factor = to_nm(text)
    except BadRequest as error:
        factor = 1.0 if error.unit == text else 0.0
    assert factor > 0
