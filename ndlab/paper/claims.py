"""Statements of a paper, what was published about each, what is found here, and the verdict."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ndlab.errors import BadRequest

__all__ = ["VERDICTS", "Claim", "Verdict", "claims_html"]

Verdict = Literal["reproduced", "differs", "not available"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Claim:
    """One statement, and whether it holds.

    Parameters
    ----------
    name : str
        Its number in the paper or its notebook, e.g. ``"1a"``.
    question, method : str
        What is asked, and how it is answered here.
    published : mapping of str to str
        What each source says, e.g. ``{"claims notebook": "1700", "paper": "1700"}``.
    ours : str
        What is found here.
    verdict : {"reproduced", "differs", "not available"}
        The last is for what the data at hand cannot tell; `ours` then says what stood in for them.
    why : str
        Why ours and the published differ, or what is lacking.

    Raises
    ------
    BadRequest
        If there is no such verdict, or one other than "reproduced" has no reason.

    Examples
    --------
    >>> Claim("3", "How many synapses?", "rows", {"paper": "1700"}, "1700", "reproduced").verdict
    'reproduced'
    """

    name: str
    question: str
    method: str
    published: Mapping[str, str]
    ours: str
    verdict: Verdict
    why: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise BadRequest(f"claim {self.name} with the verdict {self.verdict!r}", f"it is {', '.join(VERDICTS)}")
        if self.verdict != "reproduced" and not self.why:
            raise BadRequest(f"claim {self.name} is {self.verdict!r} without a reason", "", "say why with why=")


def claims_html(claims: Sequence[Claim]) -> str:
    """Make the table of claims that notebook and report show."""
    head = "".join(f"<th>{h}</th>" for h in ("claim", "published", "ours", "verdict"))
    rows = "".join(_row(one) for one in claims)
    return f"<table class='numbers claims'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row(one: Claim) -> str:
    said = "".join(
        f"<div><span class='note'>{html.escape(source)}:</span> {html.escape(words)}</div>"
        for source, words in one.published.items()
    )
    look = {"reproduced": "ok", "differs": "differs", "not available": "note"}[one.verdict]
    cells = (
        f"<b>{html.escape(one.name)}</b> {html.escape(one.question)}<div class='note'>{html.escape(one.method)}</div>",
        said or "—",
        html.escape(one.ours),
        f"<b class='{look}'>{one.verdict}</b><div class='note'>{html.escape(one.why)}</div>",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
