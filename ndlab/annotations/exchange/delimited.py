"""CSV: one row an object. Lists are words apart from each other, with their flow after a colon; keys are JSON.

Columns of other programs' tables that are no fields become free keys; a column whose every value is a number becomes
one of numbers, everything else stays text.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ndlab.annotations.predicates import field_of
from ndlab.errors import BadMetadata, BadRequest

if TYPE_CHECKING:
    from ndlab.annotations.query import Query

__all__ = ["read", "said", "write"]

_PIECE = 20_000
_WHOLE = re.compile(r"[+-]?\d{1,19}")
_GAPS = {"", "NA", "N/A", "NaN", "nan", "null", "None"}


def write(query: Query, path: Path) -> None:
    """Write the columns of a query, with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(query.column_names)
        for batch in query.batches():
            out.writerows(zip(*(map(said, column.to_pylist()) for column in batch.columns), strict=True))


def said(value: Any) -> Any:
    """Return a value of a column as it stands in a text."""
    if isinstance(value, list):
        return " ".join(f"{one['id']}:{one['flow']}" if isinstance(one, dict) else str(one) for one in value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def read(path: Path, delimiter: str = ",") -> Iterator[dict[str, Any]]:
    """Yield the columns of pieces of the file."""
    names, sorts = _survey(path, delimiter)
    readers = [_reader(name, sort) for name, sort in zip(names, sorts, strict=True)]
    with _opened(path) as file:
        rows = csv.reader(file, delimiter=delimiter)
        next(rows, None)
        line = 2
        while piece := list(islice(rows, _PIECE)):
            columns = list(zip(*piece, strict=True))
            yield {n: _column(n, read_, c, line) for n, read_, c in zip(names, readers, columns, strict=True)}
            line += len(piece)


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Open a text, gzipped or not; one that was cut off says so."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rt", newline="", encoding="utf-8-sig") as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadMetadata(
            f"{path} is no whole gzip file", str(error), "it was cut off or damaged: get it again"
        ) from None
    except UnicodeDecodeError as error:
        raise BadMetadata(f"{path} is no text", str(error), "convert it to UTF-8") from None


def _survey(path: Path, delimiter: str) -> tuple[list[str], list[str]]:
    """Read the header, and through the file once, for what each column holds is known only at its end."""
    with _opened(path) as file:
        rows = csv.reader(file, delimiter=delimiter)
        names = next(rows, [])
        if not names or len(set(names)) < len(names) or not all(names):
            raise BadMetadata(f"{path} has the header {names}"[:300], "it takes a name for each column, each once")
        narrowest = [0] * len(names)
        for row in rows:
            if len(row) != len(names):
                raise BadMetadata(f"{path} line {rows.line_num} has {len(row)} columns", f"its header has {len(names)}",
                                  "was it cut off, or is the delimiter another? pass delimiter=")  # fmt: skip
            for i, text in enumerate(row):
                if narrowest[i] < 2 and text not in _GAPS:
                    narrowest[i] = max(narrowest[i], _sort(text))
    return names, [("whole", "number", "text")[one] for one in narrowest]


def _sort(text: str) -> int:
    if _WHOLE.fullmatch(text) and int(text) < 1 << 64:
        return 0
    try:
        return 1 if math.isfinite(float(text)) and "_" not in text else 2
    except ValueError:
        return 2


def _reader(name: str, sort: str) -> Callable[[str], Any]:
    what = field_of(name)
    if name == "keys":
        return lambda text: json.loads(text) if text else {}
    if what is not None and what.sort in _FIELDS:
        return _FIELDS[what.sort]
    kinds: dict[str, Callable[[str], Any]] = {"whole": int, "number": float, "text": str}
    made = kinds[sort]
    return lambda text: None if text in _GAPS else made(text)


def _ids(text: str) -> list[int]:
    return [int(one) for one in text.split()]


def _flows(text: str) -> list[tuple[int, str]]:
    return [(int(one), flow or "unknown") for one, _, flow in (part.partition(":") for part in text.split())]


def _time(text: str) -> datetime | None:
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_FIELDS: dict[str, Callable[[str], Any]] = {
    "id": lambda text: None if text in _GAPS else int(text),
    "whole": lambda text: None if text in _GAPS else int(text),
    "number": lambda text: None if text in _GAPS else float(text),
    "fraction": lambda text: None if text in _GAPS else float(text),
    "length": lambda text: None if text in _GAPS else float(text),
    "code": lambda text: text or None,
    "kind": str,
    "text": str,
    "time": _time,
    "ids": _ids,
    "flows": _flows,
}


def _column(name: str, made: Callable[[str], Any], texts: tuple[str, ...], line: int) -> list[Any]:
    try:
        return [made(text) for text in texts]
    except ValueError:
        for i, text in enumerate(texts):
            try:
                made(text)
            except ValueError:
                raise BadRequest(f"line {line + i}, column {name}: {text!r}"[:200], "it is no such value",
                                 "rename the column if it means something else: rename={...}") from None  # fmt: skip
        raise
