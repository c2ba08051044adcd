"""Query: which objects are meant, in what order; a description at no cost until something is asked of it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Select, case, func, select

from ndlab.annotations import columnar
from ndlab.annotations.database import Database
from ndlab.annotations.ids import unsigned_array
from ndlab.annotations.kinds import Annotation, kind_of
from ndlab.annotations.predicates import Term, among, condition, field_of, order_by, term, within
from ndlab.annotations.presence import present
from ndlab.annotations.reading import held, source
from ndlab.annotations.rows import from_row
from ndlab.annotations.schema import COLUMNS, pairs
from ndlab.errors import BadRequest
from ndlab.geometry import Box, NmBox

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from ndlab.annotations.space import Space

__all__ = ["Query"]

_BATCH = 10_000


@dataclass(frozen=True)
class Query:
    """Some of the objects of a set of annotations: filtered, sorted, limited. Made by ``ann.where(...)``.

    Iterating gives objects in bounded memory, in one state of the store whatever is written meanwhile.

    Examples
    --------
    >>> from ndlab.annotations import Annotations, Synapse
    >>> ann = Annotations.temporary(voxel_size=(40, 4, 4))
    >>> _ = ann.add([Synapse(confidence=c / 10, keys={"tracer": "AB"}) for c in range(10)])
    >>> sure = ann.where(kind="synapse", confidence__gt=0.6, tracer="AB").sort("-confidence")
    >>> [one.confidence for one in sure.limit(2)], sure.count()
    ([0.9, 0.8], 3)
    >>> sure.columns("id", "confidence", "tracer").to_pandas().shape
    (3, 3)
    """

    database: Database
    space: Space
    at: int | None = None
    home: Any = None
    terms: tuple[Term, ...] = ()
    boxes: tuple[tuple[NmBox, str], ...] = ()
    # Ids (stored form) of objects that were found in boxes by their voxels.
    present: tuple[tuple[int, ...], ...] = ()
    order: tuple[str, ...] = ()
    most: int | None = None
    names: tuple[str, ...] | None = None

    # --- which objects ----------------------------------------------------------------------------------------

    def where(self, *, kind: Any = None, keys: Mapping[str, Any] | None = None, **conditions: Any) -> Query:
        """Keep the objects that meet every condition.

        Parameters
        ----------
        kind : str, int, class or a list of them, optional
            E.g. ``"synapse"``.
        keys : mapping, optional
            Conditions on free keys whose names are those of fields, or no Python names.
        **conditions
            ``name=value`` or ``name__operator=value`` with the operators lt, le, gt, ge, ne, in, contains, startswith
            and isnull. A name that is no field is a free key; on a list of ids, equality means that the id is in it.
            ``ne`` keeps objects that have the key with another value; ``isnull=True`` those that have it not. Text
            equals text only: ``5`` and ``"5"`` differ, ``5`` and ``5.0`` do not.

        Raises
        ------
        BadRequest
            For an operator that does not fit, a value of another sort, or a key that no object has and that looks
            like a misspelt field.
        """
        terms = list(self.terms)
        if kind is not None:
            many = isinstance(kind, list | tuple | set)
            terms.append(term("kind__in" if many else "kind", kind))
        here = self._kind(terms)
        for name, value in conditions.items():
            found = term(name, value, here)
            if found.sort == "key":
                self._meant(found.name, here)
            terms.append(found)
        terms += [term(name, value, key=True) for name, value in (keys or {}).items()]
        return replace(self, terms=tuple(terms))

    @staticmethod
    def _kind(terms: Sequence[Term]) -> str | None:
        kinds = {one.value for one in terms if one.name == "kind" and one.operator == "eq"}
        return kind_of(kinds.pop()).kind if len(kinds) == 1 else None

    def _meant(self, key: str, kind: str | None) -> None:
        fields = [n for n in columnar.columns_of_kind(kind) if n != "keys"]
        near = difflib.get_close_matches(key, fields, 1, 0.8)
        if not near:
            return
        with self.database.reading() as connection:
            if connection.execute(select(pairs.c.key).where(pairs.c.key == key).limit(1)).first() is None:
                raise BadRequest(f"where({key}=...)", f"no field and no object's key is {key!r}",
                                 f"did you mean {near[0]}? Otherwise say keys={{{key!r}: ...}}")  # fmt: skip

    def within(self, box: Box | NmBox, by: str = "any") -> Query:
        """Keep the objects in a box, half-open, in voxels of the box's level or in nm.

        Parameters
        ----------
        box : Box or NmBox
        by : {"any", "position", "bounds", "paint"}
            Objects whose position (centroid, location) lies in the box, whose bounds share a point with it, or either;
            or that have voxels in it, now, in any of the label volumes: a box of level 0.

        Raises
        ------
        BadRequest
            If the box counts voxels and the annotations have no voxel size, or not at that level.
        """
        if by == "paint":
            return replace(self, present=(*self.present, present(self.home, box)))
        space = self.space.nm(box)
        within(space, by, source(None))
        return replace(self, boxes=(*self.boxes, (space, by)))

    def sort(self, *names: str) -> Query:
        """Sort by fields or free keys; ``"-name"`` descending. Objects without a value come last."""
        for name in names:
            order_by(name, source(None), None)
        return replace(self, order=names)

    def limit(self, count: int) -> Query:
        """Keep the first `count`."""
        if isinstance(count, bool) or int(count) != count or count < 0:
            raise BadRequest(f"limit({count!r})", "it is a whole number, 0 or more")
        return replace(self, most=int(count) if self.most is None else min(self.most, int(count)))

    def columns(self, *names: str) -> Query:
        """Choose the columns of tables made of this; a name that is no field is a free key."""
        known = (*COLUMNS[:-1], "keys")
        for name in names:
            if field_of(name) is not None and name not in known:
                raise BadRequest(f"column {name!r}", "positions are the columns z, y, x [nm], bounds z0 to x1 [nm]")
        return replace(self, names=names)

    # --- what of them -----------------------------------------------------------------------------------------

    def statement(self, *columns: str, ordered: bool = True) -> Select[Any]:
        """Write the query in SQL, for columns of the table."""
        table = source(self.at)
        made = select(*(table.c[name] for name in columns))
        made = made.where(*(condition(one, table, self.at) for one in self.terms))
        made = made.where(*(within(box, by, table) for box, by in self.boxes))
        made = made.where(*(among(ids, table, self.database.server) for ids in self.present))
        if ordered or self.most is not None:
            # Ties go by id, so that a limit means the same objects each time.
            order = [part for name in self.order for part in order_by(name, table, self.at)]
            made = made.order_by(*order, case((table.c.id < 0, 1), else_=0), table.c.id)
        return made if self.most is None else made.limit(self.most)

    def count(self) -> int:
        """Return the number of objects."""
        inner = self.statement("id", ordered=False).subquery("counted")
        with self.database.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(inner)).scalar_one())

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return self.limit(1).count() > 0

    def ids(self) -> np.ndarray[Any, Any]:
        """Return the ids, uint64."""
        with self.database.reading() as connection:
            return self.ids_in(connection)

    def ids_in(self, connection: Connection) -> np.ndarray[Any, Any]:
        """Return the ids in the state that a connection holds."""
        found = connection.execute(self.statement("id")).scalars()
        return unsigned_array(np.fromiter(found, np.int64))

    def first(self) -> Annotation | None:
        """Return the first object, None if there is none."""
        return next(iter(self.limit(1)), None)

    def __iter__(self) -> Iterator[Annotation]:
        for rows in self._rows(COLUMNS, _BATCH):
            for row in rows:
                yield from_row(row, self.home)

    def _rows(self, columns: Sequence[str], size: int) -> Iterator[Sequence[Any]]:
        with self.database.reading(stream=True) as connection:
            yield from connection.execute(self.statement(*columns)).partitions(size)

    # --- as tables --------------------------------------------------------------------------------------------

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns of tables made of this: those chosen, else all of its kind."""
        return columnar.columns_of_kind(self._kind(self.terms)) if self.names is None else self.names

    def batches(self, size: int = _BATCH) -> Iterator[pa.RecordBatch]:
        """Yield Arrow batches of at most `size` rows, in bounded memory and of one state."""
        names = self.column_names
        stored = columnar.stored_columns(names, columnar.is_field)
        for rows in self._rows(stored, size):
            yield columnar.batch(rows, stored, names)

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table: ids uint64, lengths [nm], times in UTC, words for codes, `keys` as JSON."""
        names = self.column_names
        stored = columnar.stored_columns(names, columnar.is_field)
        rows = [row for some in self._rows(stored, _BATCH) for row in some]
        import pyarrow as pa

        return pa.Table.from_batches([columnar.batch(rows, stored, names)])

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame: ids uint64, lengths [nm], times in UTC, words for codes, `keys` as dicts."""
        return columnar.to_pandas(self.to_arrow())

    def export(self, dest: str | os.PathLike[str], *, overwrite: bool = False, **options: Any) -> Path:
        """Write these objects to a file, in bounded memory, and return its path; it appears only once it is complete.

        Parameters
        ----------
        dest : path
            ``.csv``, ``.json``, ``.jsonl``, ``.parquet`` (in the order of a curve through space, each group of rows a
            compact region with its bounds), or ``.swc`` (one skeleton with its nodes). ``precomputed://folder`` is a
            layer of Neuroglancer's.
        overwrite : bool
            Replace what is there.
        **options
            `scale` for SWC: the file's unit in nm, one number or (z, y, x). `row_group` for Parquet: rows a group.
            For a layer `geometry` ("point", "line", "box", "ellipsoid"), `properties`, `relationships`, `limit`,
            `sharded` and more, as for `ndlab.annotations.exchange.precomputed.write`; or `segments=True` for the
            properties of segments, with `label`, `description`, `tags`, `numbers` and `strings`.

        Examples
        --------
        >>> import tempfile
        >>> from ndlab.annotations import Annotations, Segment
        >>> ann = Annotations.temporary()
        >>> _ = ann.add([Segment(neuron=7)])
        >>> path = ann.where(kind="segment").export(tempfile.mkdtemp() + "/segments.csv")
        >>> path.read_text().splitlines()[0]
        'id,kind,status,confidence,author,time,segmentclass,parentseed,neuron,z0,y0,x0,z1,y1,x1,keys'
        """
        from ndlab.annotations.exchange import export

        return export(self, dest, overwrite, **options)

    def keys(self) -> list[str]:
        """List the free keys that these objects have."""
        inner = self.statement("id", ordered=False)
        found = select(pairs.c.key).where(pairs.c.id.in_(inner), held(pairs, self.at)).distinct()
        with self.database.reading() as connection:
            return sorted(connection.execute(found).scalars())

    # --- display ----------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        said = [f"{one.name}__{one.operator}={one.value!r}" for one in self.terms]
        said += [f"within {box.start} to {box.stop} nm by {by}" for box, by in self.boxes]
        said += [f"among {len(ids)} with voxels in a box" for ids in self.present]
        said += [f"sorted by {', '.join(self.order)}"] if self.order else []
        return f"<Query of {self.count()} objects: {'; '.join(said) or 'all'}>"

    def _repr_html_(self) -> str:
        shown = self.limit(10).to_pandas()
        return f"<div>{escape(repr(self))}</div>{shown.to_html(max_cols=20)}"
