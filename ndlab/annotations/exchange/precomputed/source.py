"""Where annotations come from: a query, or a Parquet file; batch by batch, whichever columns are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.annotations import columnar
from ndlab.annotations.exchange import parquet
from ndlab.annotations.predicates import field_of
from ndlab.errors import BadMetadata, BadRequest

if TYPE_CHECKING:
    import pyarrow as pa

    from ndlab.annotations.query import Query

__all__ = ["Batch", "FileSource", "QuerySource", "Source"]

_BATCH = 65_536


@dataclass
class Batch:
    """Rows with their columns; what is no column is looked for among the free keys of each row."""

    rows: pa.RecordBatch
    _keys: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def column(self, name: str) -> pa.Array:
        """Return a column, or the values of a free key, as Arrow."""
        at = self.rows.schema.get_field_index(name)
        if at >= 0:
            return self.rows.column(at)
        return columnar.key_array(self.values(name))

    def values(self, key: str) -> list[Any]:
        """Return the values of a free key as they are, None where a row has none."""
        if self._keys is None:
            texts = self.rows.column("keys").to_pylist()
            self._keys = [json.loads(text) if text else {} for text in texts]
        return [one.get(key) for one in self._keys]

    def numbers(self, name: str) -> np.ndarray[Any, Any]:
        """Return a column as float64, NaN where it has no value.

        Raises
        ------
        BadRequest
            If it holds anything but numbers.
        """
        column = self.column(name)
        try:
            return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
        except (TypeError, ValueError):
            raise BadRequest(f"{name} as numbers", f"it holds {column.type}", "name another column") from None


class Source:
    """Rows that can be read from the beginning as often as needed."""

    names: tuple[str, ...]
    types: dict[str, Any]
    keys: tuple[str, ...]
    kind: str | None
    where: str

    def batches(self, names: Sequence[str]) -> Iterator[Batch]:
        """Yield rows with the columns of `names`."""
        columns = [name for name in dict.fromkeys(names) if name in self.types]
        if len(columns) < len(set(names)):
            strange = sorted(set(names) - set(columns))
            if "keys" not in self.types:
                raise BadRequest(
                    f"column {', '.join(strange)} of {self.where}", f"it has {', '.join(self.names)}"[:500]
                )
            columns = list(dict.fromkeys([*columns, "keys"]))
        for rows in self._read(columns):
            yield Batch(rows)

    def _read(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def known(self, name: str) -> bool:
        """Tell whether a name is a column or a free key here."""
        return name in self.types or name in self.keys

    @property
    def is_ndlab(self) -> bool:
        """Whether the columns are fields of objects, as ndlab names them."""
        return "kind" in self.types and "keys" in self.types


class QuerySource(Source):
    """The objects of a query."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self.names = query.column_names
        self.types = {one.name: one.type for one in columnar.schema([n for n in self.names if columnar.is_field(n)])}
        free = [name for name in self.names if not columnar.is_field(name)]
        self.keys = tuple(dict.fromkeys([*free, *(query.keys() if "keys" in self.names else ())]))
        if free:
            self.types["keys"] = columnar.schema(["keys"])[0].type
        kinds = {one.value for one in query.terms if one.name == "kind" and one.operator == "eq"}
        self.kind = query._kind(query.terms) if len(kinds) == 1 else None
        self.where = "the query"

    def _read(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        return self._query.columns(*columns).batches(_BATCH)


class FileSource(Source):
    """The rows of a Parquet file."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                schema = file.schema_arrow
                self.count = int(file.metadata.num_rows)
        except pa.ArrowInvalid as error:
            raise BadMetadata(f"{path} is no Parquet file", str(error), "was its writing cut off?") from None
        self.types = {one.name: one.type for one in schema}
        self.names = tuple(self.types)
        self.where = str(path)
        self.kind, self.keys = self._kind_and_keys() if self.is_ndlab else (None, ())

    def _kind_and_keys(self) -> tuple[str | None, tuple[str, ...]]:
        """Return the kind of all objects, where they have one, and their free keys."""
        kinds: set[str] = set()
        keys: set[str] = set()
        for batch in self.batches(["kind", "keys"]):
            kinds.update(batch.column("kind").unique().to_pylist())
            for text in batch.column("keys").unique().to_pylist():
                keys.update(json.loads(text) if text else ())
        return kinds.pop() if len(kinds) == 1 else None, tuple(sorted(keys))

    def _read(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        read = 0
        for rows in parquet.read(self._path, columns, _BATCH):
            read += rows.num_rows
            yield rows
        if read != self.count:
            raise BadMetadata(f"{self._path} announces {self.count} rows", f"{read} are there", "copy it again")


def is_id(source: Source, name: str) -> bool:
    """Tell whether a column names other objects."""
    what = field_of(name)
    return source.is_ndlab and what is not None and name != "id" and what.sort in ("id", "ids", "flows")
