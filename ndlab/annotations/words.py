"""Enumerations of RAMON: what a code means, and the word for it."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from ndlab.errors import BadRequest

__all__ = ["Flow", "OrganelleClass", "SegmentClass", "Status", "code", "word"]


class Status(IntEnum):
    """How far the work on an object is."""

    UNPROCESSED = 0
    LOCKED = 1
    PROCESSED = 2
    IGNORED = 3


class Flow(IntEnum):
    """Direction in which a synapse meets a segment."""

    UNKNOWN = 0
    PRE = 1
    POST = 2
    BIDIRECTIONAL = 3


class SegmentClass(IntEnum):
    """What a segment is a piece of; larger codes are the user's own."""

    UNKNOWN = 0
    AXON = 1
    DENDRITE = 2
    SOMA = 3


class OrganelleClass(IntEnum):
    """What an organelle is."""

    UNKNOWN = 0
    MITOCHONDRION = 1
    VESICLE = 2
    AXOPLASMIC_RETICULUM = 3
    MICROTUBULE = 4
    NUCLEUS = 5


# The original left the list of segment classes open.
_OPEN = (SegmentClass,)


def code(value: Any, words: type[IntEnum]) -> int:
    """Read a member, its number, or its word in any case, as the member; a number of an open list stays one.

    Examples
    --------
    >>> code("locked", Status), code(2, Status), code("axoplasmic reticulum", OrganelleClass)
    (<Status.LOCKED: 1>, <Status.PROCESSED: 2>, <OrganelleClass.AXOPLASMIC_RETICULUM: 3>)
    >>> code(17, SegmentClass)
    17
    """
    number = value
    if isinstance(value, str):
        name = value.strip().upper().replace(" ", "_").replace("-", "_")
        if name in words.__members__:
            return words[name]
        number = int(name) if name.isascii() and name.isdigit() else None
    if _whole(number):
        number = int(number)
        if number in words._value2member_map_:
            return words(number)
        if words in _OPEN and 0 <= number < 1 << 31:
            return number
    raise BadRequest(
        f"{words.__name__} {value!r}", "it is one of " + ", ".join(f"{m.value} {word(m, words)}" for m in words)
    )


def word(number: int, words: type[IntEnum]) -> str:
    """Say a code in words; a number that has none is said as a number.

    Examples
    --------
    >>> word(3, OrganelleClass), word(17, SegmentClass)
    ('axoplasmic reticulum', '17')
    """
    found = words._value2member_map_.get(number)
    return str(number) if found is None else str(found.name).lower().replace("_", " ")


def _whole(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return bool(int(value) == value)
    except (TypeError, ValueError, OverflowError):
        return False
