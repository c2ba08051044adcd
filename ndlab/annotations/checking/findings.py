"""What a check found: as data, and as text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ndlab.annotations.writing import Write

__all__ = ["Finding", "Report", "some"]

Status = Literal["problem", "note"]
Mend = Callable[[Write], int]


@dataclass(frozen=True)
class Finding:
    """One thing that does not agree, or is worth knowing.

    Parameters
    ----------
    what : str
        ``"sqlite"``, ``"rows"``, ``"index tables"``, ``"extents"``, ``"counters"``, ``"references"``, ``"volume"``,
        ``"journal"``, ``"torn"``, ``"index"``, ``"levels"``, ``"stale"``; ``"bounds"``, ``"centroid"``, ``"voxels"``,
        ``"unpainted"``, ``"paint"``.
    where : str
        The table, the field, or the volume.
    status : {"problem", "note"}
        ``note``: a fact, nothing is broken.
    detail : str
        What was found, with numbers.
    remedy : str
        What to type next, where something helps.
    ids : tuple of int
        Objects that it is about, the first of them where there are many.
    repairable : bool
        Whether ``check(repair=True)`` mends it.
    repaired : bool
        Whether it was mended just now.
    """

    what: str
    where: str
    status: Status
    detail: str
    remedy: str = ""
    ids: tuple[int, ...] = ()
    repairable: bool = False
    repaired: bool = False
    # In a transaction of the database, which returns how many objects it concerned; or of files, before that.
    mend_rows: Mend | None = field(default=None, repr=False, compare=False)
    mend_files: Callable[[], Any] | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        names = ("what", "where", "status", "detail", "remedy", "ids", "repairable", "repaired")
        return {name: getattr(self, name) for name in names} | {"ids": list(self.ids)}


@dataclass(frozen=True)
class Report:
    """All that was found.

    Examples
    --------
    >>> report = Report("synapses", (Finding("extents", "objects", "problem", "1 row has another", "", (7,), True),), 4)
    >>> print(report)
    synapses: 4 objects
      problem  extents  objects  1 row has another
                                 -> ann.check(repair=True) mends it
    1 problem
    >>> report.ok
    False
    """

    subject: str
    findings: tuple[Finding, ...]
    objects: int

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that are problems and were not mended."""
        return tuple(one for one in self.findings if one.status == "problem" and not one.repaired)

    @property
    def ok(self) -> bool:
        """Whether there is no problem left."""
        return not self.problems

    def of(self, what: str) -> tuple[Finding, ...]:
        """Return the findings of one sort."""
        return tuple(one for one in self.findings if one.what == what)

    def as_dict(self) -> dict[str, Any]:
        """Return all findings as plain values for JSON."""
        told = [one.as_dict() for one in self.findings]
        return {"subject": self.subject, "objects": self.objects, "ok": self.ok, "findings": told}

    def __str__(self) -> str:
        wide = [max((len(word) for word in words), default=0) for words in zip(*map(_head, self.findings), strict=True)]
        lines = [f"{self.subject}: {self.objects:,} object{'s' if self.objects != 1 else ''}"]
        for one in self.findings:
            head = "  " + "  ".join(word.ljust(n) for word, n in zip(_head(one), wide, strict=True)) + "  "
            body = textwrap.wrap(one.detail, 96, break_long_words=False, break_on_hyphens=False)
            remedy = "ann.check(repair=True) mends it" if one.repairable and not one.repaired else one.remedy
            body += [f"-> {remedy}"] if remedy and not one.repaired else []
            lines += [(head if i == 0 else " " * len(head)) + text for i, text in enumerate(body)]
        count = len(self.problems)
        return "\n".join([*lines, "no problem" if not count else f"{count} problem{'s' if count > 1 else ''}"])

    __repr__ = __str__


def _head(one: Finding) -> tuple[str, str, str]:
    return ("repaired" if one.repaired else one.status, one.what, one.where)


def some(ids: Sequence[int], most: int = 10) -> str:
    """Name the first of some ids.

    Examples
    --------
    >>> some([3, 4]), some(range(20), 2)
    ('3, 4', '0, 1 and 18 more')
    """
    named = ", ".join(map(str, ids[:most]))
    return named if len(ids) <= most else f"{named} and {len(ids) - most} more"
