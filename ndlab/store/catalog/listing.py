"""The catalogue as a list: filtered, and shown as text, HTML or a data frame."""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, overload

from ndlab.errors import BadRequest, NotFound
from ndlab.store.catalog.rows import KINDS, TABLES, Dataset, catalogue

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Datasets", "dataset", "datasets"]


class Datasets(Sequence[Dataset]):
    """Rows of the catalogue as a sequence that shows itself as a table."""

    def __init__(self, rows: Iterable[Dataset]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> Dataset: ...
    @overload
    def __getitem__(self, index: slice) -> Datasets: ...
    def __getitem__(self, index: int | slice) -> Dataset | Datasets:
        return Datasets(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def names(self) -> list[str]:
        """Names in catalogue order."""
        return [row.name for row in self._rows]

    def filter(self, text: str) -> Datasets:
        """Rows in which every word of `text` occurs, in any field and any case."""
        return Datasets(row for row in self._rows if row.matches(text))

    def as_dict(self) -> list[dict[str, Any]]:
        """All rows, ready for JSON."""
        return [row.as_dict() for row in self._rows]

    def to_pandas(self) -> pd.DataFrame:
        """One row per dataset, indexed by name."""
        import pandas as pd

        frame = pd.DataFrame(self.as_dict(), columns=[*(f.name for f in fields(Dataset)), "extent", "unit"])
        return frame.set_index("name")

    def to_text(self, limit: int | None = None) -> str:
        """Lay the table out as plain text, at most `limit` rows of it."""
        lines = [_HEAD, *(_cells(row) for row in self._rows[:limit])]
        widths = [max(len(line[i]) for line in lines) for i in range(len(_HEAD))]
        text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        left = len(self) - (len(lines) - 1)
        return "\n".join([*text, f"... and {left} more"] if left else text)

    def __repr__(self) -> str:
        return f"{len(self)} datasets\n{self.to_text(limit=30)}"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(h)}</th>" for h in (*_HEAD, "citation"))
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in (*_cells(row), row.citation)) + "</tr>"
            for row in self._rows
        )
        return f"<table><caption>{len(self)} datasets</caption><tr>{head}</tr>{body}</table>"


_HEAD = ("name", "table", "kind", "species", "voxel nm (z, y, x)", "size (z, y, x)", "today")


def _cells(row: Dataset) -> tuple[str, ...]:
    size = f"{row.nodes} nodes, {row.edges} edges" if row.nodes else " × ".join(map(str, row.shape or ()))
    species = re.sub(r" \(.*", "", row.species)
    return row.name, row.table, row.kind, species, _by(row.voxel_size), size, "yes" if row.urls else ""


def _by(values: Sequence[float] | None) -> str:
    return " × ".join(f"{v:g}" for v in values) if values else ""


def datasets(
    kind: str | None = None,
    *,
    table: str | None = None,
    species: str | None = None,
    text: str | None = None,
    token: bool | None = None,
) -> Datasets:
    """List the catalogue, or the rows that fit all that is asked.

    Parameters
    ----------
    kind : {"image", "labels", "annotation", "graph"}, optional
        What is stored.
    table : {"1A", "1B", "1C", "public"}, optional
        The original paper's images, annotations or graphs, or today's public locations.
    species : str, optional
        Part of the common or the scientific name, in any case.
    text : str, optional
        Words that must all occur somewhere in the row.
    token : bool, optional
        Whether the original service listed it as a public token.

    Returns
    -------
    Datasets

    Raises
    ------
    BadRequest
        If `kind` or `table` does not exist.

    Examples
    --------
    >>> datasets("graph", table="1C", species="rat").names
    ['Rattus.norvegicus_brain_1', 'Rattus.norvegicus_brain_2', 'Rattus.norvegicus_brain_3']
    >>> [len(datasets(table=t)) for t in ("1A", "1C")]
    [30, 18]
    """
    _one_of("kind", kind, KINDS)
    _one_of("table", table, TABLES)
    return Datasets(
        row
        for row in catalogue().values()
        if (kind is None or row.kind == kind)
        and (table is None or row.table == table)
        and (species is None or _starts_a_word(species, row.species))
        and (token is None or row.token == token)
        and (text is None or row.matches(text))
    )


def dataset(name: str) -> Dataset:
    """One row of the catalogue by its name.

    Raises
    ------
    NotFound
        If there is none; the message proposes near names.

    Examples
    --------
    >>> dataset("kasthuri11").voxel_size
    (30.0, 3.0, 3.0)
    >>> dataset("kat11segments").voxel_size  # stored at level 3 of the image
    (30.0, 24.0, 24.0)
    """
    rows = catalogue()
    if name in rows:
        return rows[name]
    near = difflib.get_close_matches(name, rows, n=5, cutoff=0.5) or [n for n in rows if name.lower() in n.lower()][:5]
    raise NotFound(
        f"no dataset {name!r} in the catalogue",
        f"near names are {', '.join(near)}" if near else f"it has {len(rows)} rows",
        "list them with ndlab.datasets()",
        near=near,
    )


def _one_of(what: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise BadRequest(f"{what}={value!r}", f"{what} is one of {', '.join(allowed)}", "pass one of those")


def _starts_a_word(part: str, text: str) -> bool:
    """Whether a word of `text` starts with `part`, so that "rat" is not found in "brat" or "vertebrate"."""
    return re.search(rf"\b{re.escape(part)}", text, re.IGNORECASE) is not None
