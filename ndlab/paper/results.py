"""What a notebook found: numbers beside published ones, figures, and sections that lacked their data."""

from __future__ import annotations

import base64
import html
import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest
from ndlab.paper.claims import Claim, Verdict, claims_html
from ndlab.paper.figure import made, pictures, slug
from ndlab.paper.memory import peak_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = ["Figure", "NotRun", "Number", "Results", "difference", "numbers_html"]

# Where `ndlab paper` collects; a notebook opened by hand writes nothing.
OUT = "NDLAB_PAPER_OUT"
DATA = "NDLAB_PAPER_DATA"
BENCH = "NDLAB_PAPER_BENCH"


@dataclass(frozen=True)
class Number:
    """One number: ours, the published one, and what is asserted.

    `expected` is what ours must equal within `atol` or `rtol`; it is the published number unless a note says why
    they differ.
    """

    name: str
    ours: float
    published: float | None
    expected: float
    unit: str = ""
    atol: float = 0.0
    rtol: float = 0.0
    source: str = ""
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether ours is what it must be."""
        return math.isclose(self.ours, self.expected, rel_tol=self.rtol, abs_tol=self.atol)


@dataclass(frozen=True)
class Figure:
    """One picture as PNG, base64, with what it was made from, and the files that `ndlab paper` wrote of it."""

    name: str
    caption: str
    png: str
    lineage: dict[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotRun:
    """A section that was left out, and the data it needs."""

    name: str
    needs: str


class Results:
    """The numbers and figures of one notebook.

    Parameters
    ----------
    notebook : str
        Its file name without ending, e.g. ``"01_connectome"``.
    title : str
        What it shows, for the report.

    Examples
    --------
    >>> results = Results("example", "An example")
    >>> results.number("synapses", 1700, published=1700, source="Kasthuri 2015")
    1700
    >>> results.check()
    """

    def __init__(self, notebook: str, title: str) -> None:
        self.notebook, self.title = notebook, title
        self.peak: int | None = None
        self.numbers: list[Number] = []
        self.figures: list[Figure] = []
        self.not_run: list[NotRun] = []
        self.claims: list[Claim] = []
        self._save()

    @property
    def data(self) -> Path | None:
        """The folder given with ``ndlab paper --data DIR``, for sections that need more than what is shipped."""
        found = os.environ.get(DATA)
        return Path(found) if found else None

    @property
    def bench(self) -> bool:
        """Whether this machine is to be measured, as ``ndlab paper --bench`` asks."""
        return bool(os.environ.get(BENCH))

    def number(
        self,
        name: str,
        ours: float,
        *,
        published: float | None = None,
        expected: float | None = None,
        unit: str = "",
        atol: float = 0.0,
        rtol: float = 0.0,
        source: str = "",
        note: str = "",
    ) -> float:
        """Record a number and return it.

        Parameters
        ----------
        published : float, optional
            What the paper states.
        expected : float, optional
            What ours must be; without it, `published`.
        atol, rtol : float
            Allowed absolute and relative difference from `expected`.
        source : str
            Where the published number stands.
        note : str
            Why ours and the published one differ, where they do.

        Raises
        ------
        BadRequest
            If there is neither a published nor an expected number, or they differ without a note.
        """
        ours = ours.item() if hasattr(ours, "item") else ours
        target = published if expected is None else expected
        if target is None:
            raise BadRequest(f"number {name!r} has nothing to be held against", "", "pass published= or expected=")
        if published is not None and not math.isclose(published, target, rel_tol=rtol, abs_tol=atol) and not note:
            raise BadRequest(f"number {name!r} is expected at {target}, published at {published}", "",
                             "say why with note=")  # fmt: skip
        self.numbers.append(Number(name, ours, published, target, unit, atol, rtol, source, note))
        self._save()
        return ours

    def figure(
        self,
        figure: MatplotlibFigure,
        name: str,
        caption: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> None:
        """Keep a matplotlib figure for the report; `ndlab paper` also writes it as PNG, PDF and SVG, and its tables.

        Parameters
        ----------
        figure : matplotlib Figure
        name, caption : str
        inputs : mapping, optional
            Volumes, tables and so on that it was made from, besides the samples that were used so far.
        params : mapping, optional
            What else decides what it shows.
        seed : int, optional
            Of random numbers.
        """
        lineage = made(f"{self.notebook}: {name}", inputs or {}, params or {}, seed)
        png, files = pictures(figure, f"{self.notebook}-{slug(name)}", lineage, self._folder)
        self.figures.append(Figure(name, caption, base64.b64encode(png).decode(), lineage.to_json(), tuple(files)))
        self._save()

    def skip(self, name: str, needs: str) -> None:
        """Say that a section was not run and what data it needs; the report shows it, and not as a pass."""
        self.not_run.append(NotRun(name, needs))
        self._save()

    def claim(
        self,
        name: str,
        question: str,
        *,
        method: str,
        published: Mapping[str, str],
        ours: str,
        verdict: Verdict,
        why: str = "",
    ) -> None:
        """Record what became of one statement of the paper, a row of the report's table of claims (see `Claim`).

        What `ours` says in words, `number` has to assert.
        """
        self.claims.append(Claim(name, question, method, dict(published), ours, verdict, why))
        self._save()

    def check(self) -> None:
        """Fail if a number is off.

        Raises
        ------
        AssertionError
            Listing every number that is off.
        """
        self._save()
        off = [n for n in self.numbers if not n.ok]
        assert not off, "; ".join(f"{n.name}: {n.ours:g}, expected {n.expected:g}" for n in off)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` reads them back."""
        found: dict[str, Any] = {"notebook": self.notebook, "title": self.title, "peak": peak_bytes()}
        for kind in ("numbers", "figures", "not_run", "claims"):
            found[kind] = [asdict(one) for one in getattr(self, kind)]
        return found

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Results:
        """Read back what `to_dict` gave."""
        results = cls.__new__(cls)
        results.notebook, results.title, results.peak = found["notebook"], found["title"], found.get("peak")
        results.numbers = [Number(**one) for one in found["numbers"]]
        results.figures = [Figure(**one | {"files": tuple(one["files"])}) for one in found["figures"]]
        results.not_run = [NotRun(**one) for one in found["not_run"]]
        results.claims = [Claim(**one) for one in found["claims"]]
        return results

    @property
    def _folder(self) -> Path | None:
        """Where `ndlab paper` collects."""
        found = os.environ.get(OUT)
        return Path(found).parent if found else None

    def _save(self) -> None:
        if folder := os.environ.get(OUT):
            path = Path(folder) / f"{self.notebook}.json"
            part = path.with_suffix(".part")
            part.write_text(json.dumps(self.to_dict()))
            part.replace(path)

    def _repr_html_(self) -> str:
        return (claims_html(self.claims) if self.claims else "") + numbers_html(self.numbers)


def difference(number: Number) -> str:
    """Ours minus published in words: ``"0"``, ``"+3 (+0.2 %)"``, or an em dash without a published number."""
    if number.published is None:
        return "—"
    gap = number.ours - number.published
    if gap == 0:
        return "0"
    share = f" ({gap / abs(number.published):+.2%})" if number.published else ""
    return f"{gap:+.4g}{share}"


def numbers_html(numbers: list[Number]) -> str:
    """Make the table that notebook and report show."""
    head = "".join(f"<th>{h}</th>" for h in ("", "number", "ours", "published", "difference", "source"))
    rows = []
    for n in numbers:
        mark = "<span class='ok'>✓</span>" if n.ok else "<b class='off'>✗ off</b>"
        unit = f" {html.escape(n.unit)}" if n.unit else ""
        if n.published is None:
            published = f"<span class='note'>— (expected {_digits(n.expected)}{unit})</span>"
        else:
            published = f"{_digits(n.published)}{unit}"
        source = html.escape(n.source) + (f"<div class='note'>{html.escape(n.note)}</div>" if n.note else "")
        cells = (mark, html.escape(n.name), f"{_digits(n.ours)}{unit}", published, difference(n), source)
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table class='numbers'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _digits(value: float) -> str:
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.4g}"
