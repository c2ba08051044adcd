"""What a diagnosis found, as data and as text."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Finding", "Report", "Status"]

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    what : str
        The thing, in a word or two.
    status : {"ok", "note", "problem"}
        ``note``: worth knowing, nothing is broken.
    detail : str
        What was found, with numbers.
    remedy : str
        What to type next, where something helps.
    """

    what: str
    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Report:
    """All findings about one subject.

    Examples
    --------
    >>> report = Report("a store", (Finding("metadata", "ok", "it opens"), Finding("level 1", "problem", "it is stale",
    ...                 "ndlab pyramid URL")))
    >>> print(report)
    a store
      ok       metadata   it opens
      problem  level 1    it is stale
                          -> ndlab pyramid URL
    1 problem
    >>> report.ok
    False
    """

    subject: str
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that are problems."""
        return tuple(f for f in self.findings if f.status == "problem")

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """All findings, ready for JSON."""
        return {"subject": self.subject, "ok": self.ok, "findings": [asdict(f) for f in self.findings]}

    def __str__(self) -> str:
        width = max((len(f.what) for f in self.findings), default=0) + 2
        lines = [self.subject]
        for f in self.findings:
            head = f"  {f.status:7}  {f.what:{width}} "
            body = [*textwrap.wrap(f.detail, 96, break_long_words=False, break_on_hyphens=False)]
            body += [f"-> {f.remedy}"] if f.remedy else []
            lines += [(head if i == 0 else " " * len(head)) + text for i, text in enumerate(body)]
        count = len(self.problems)
        return "\n".join([*lines, "no problem" if not count else f"{count} problem{'s' if count > 1 else ''}"])
