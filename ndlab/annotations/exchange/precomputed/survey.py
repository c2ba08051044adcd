"""What the columns hold, in one pass over them: from that follow the types of a layer's properties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.annotations.exchange.precomputed.source import Source
from ndlab.annotations.predicates import field_of
from ndlab.annotations.words import word

__all__ = ["Column", "survey"]

_WORDS = 1 << 16
_SORTS = {bool: "bool", int: "whole", float: "number", str: "text"}
_PLACES = ("z", "y", "x", "z0", "y0", "x0", "z1", "y1", "x1")
_EXACT = 1 << 24  # whole numbers up to here are floats of 32 bits


@dataclass
class Column:
    """What is known of a column after all of its values were seen; it is filled if one is not the `default`."""

    name: str
    sorts: set[str] = field(default_factory=set)
    gaps: int = 0
    filled: bool = False
    low: int = 0
    high: int = 0
    huge: bool = False
    words: set[str] = field(default_factory=set)
    default: Any = None

    def see(self, values: Any) -> None:
        """Take in an Arrow array."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self.gaps += int(values.null_count)
        kind, there = values.type, values.drop_null()
        if not len(there):
            return
        if pa.types.is_dictionary(kind):
            there, kind = there.cast(kind.value_type), kind.value_type
        if pa.types.is_boolean(kind):
            self._sort("bool", True)
        elif pa.types.is_integer(kind):
            found = pc.min_max(there).as_py()
            self._sort("whole", self.default is None or bool(found["min"] or found["max"]))
            self.low, self.high = min(self.low, found["min"]), max(self.high, found["max"])
        elif pa.types.is_floating(kind):
            numbers = np.asarray(there, np.float64)
            self._sort("number", self.default is None or bool(numbers.any()))
            with np.errstate(over="ignore"):
                self.huge |= bool(np.isinf(numbers.astype(np.float32)).any())
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            if len(self.words) <= _WORDS:
                self.words.update(there.unique().to_pylist())
            self._sort("text", bool(self.words - {self.default}))
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._sort("list", self.default is None or bool(pc.sum(pc.list_value_length(there)).as_py()))
        else:
            self._sort(str(kind), True)

    def _sort(self, name: str, filled: bool) -> None:
        self.sorts.add(name)
        self.filled |= filled

    def type(self) -> tuple[str, tuple[str, ...] | None] | str:
        """Return the type of the property that holds it and the words of an enumeration; or why there is none."""
        if self.sorts == {"bool"}:
            return "uint8", (*([""] if self.gaps else []), "false", "true")
        if self.sorts == {"text"}:
            words = sorted({*self.words, *([""] if self.gaps else [])})
            if len(words) > _WORDS:
                return f"it holds more than {_WORDS} different texts"
            return "uint8" if len(words) <= 256 else "uint16", tuple(words)
        if self.sorts and self.sorts <= {"whole", "number"}:
            return self._number()
        return f"it holds {' and '.join(sorted(self.sorts)) or 'nothing'}"

    def _number(self) -> tuple[str, None] | str:
        if self.huge:
            return "it holds numbers beyond those of 32 bits"
        if self.gaps or "number" in self.sorts:
            exact = "number" in self.sorts or max(-self.low, self.high) <= _EXACT
            return ("float32", None) if exact else "it holds whole numbers of more than 24 bits, and gaps"
        for bits in (8, 16, 32):
            if self.low >= 0 and self.high < 1 << bits:
                return f"uint{bits}", None
            if self.low >= -(1 << bits - 1) and self.high < 1 << bits - 1:
                return f"int{bits}", None
        return f"it holds {self.low} to {self.high}, more than 32 bits"


def survey(source: Source, names: Sequence[str]) -> dict[str, Column]:
    """Look at all values of columns and free keys."""
    found = {name: Column(name, default=_default(source, name)) for name in names}
    for batch in source.batches(names) if names else _nothing():
        for name, column in found.items():
            column.see(batch.column(name))
            if name not in source.types:  # Arrow would make one type of those that a key has
                column.sorts.update(_SORTS[type(one)] for one in batch.values(name) if one is not None)
    return found


def _default(source: Source, name: str) -> Any:
    """Return what a field has unless it was given something; None for columns and keys that are no fields."""
    what = field_of(name) if source.is_ndlab and name in source.types else None
    if what is None or name in _PLACES:
        return None
    return word(0, what.words) if what.sort == "code" else "" if what.sort in ("text", "kind") else 0


def _nothing() -> Iterable[Any]:
    return ()
