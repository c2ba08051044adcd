"""The report: one HTML page that holds its pictures; beside it are files of figures and tables to take away."""

from __future__ import annotations

import html
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ndlab.describe import si_bytes
from ndlab.paper.catalogue import tables_html
from ndlab.paper.claims import claims_html
from ndlab.paper.results import Figure, Results, numbers_html
from ndlab.pipeline import Lineage

if TYPE_CHECKING:
    from ndlab.paper.runner import Outcome

__all__ = ["report_html"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5a6572; --line: #d9dee4; --ok: #1a7f4b; --off: #b3261e;
        --differs: #8a5a00; --bg: #fff; --link: #0b5cad; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --soft: #9aa5b1; --line: #38414c; --ok: #5fd39a; --off: #ff8a80; --bg: #14181d;
          --differs: #f0c060; --link: #7db8f0; --card: #1c2229; }
  figure img { background: #fff; border-radius: 6px; padding: 10px; box-sizing: border-box; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--bg); max-width: 68rem;
       margin: 2.5rem auto; padding: 0 1.2rem; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; }
h2 { margin-top: 3.2rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); font-size: 1.35rem; }
.soft, .note { color: var(--soft); font-size: .88rem; }
.ok { color: var(--ok); } .off { color: var(--off); }
.verdict { font-size: 1.15rem; font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
table.numbers, table.parts { margin: 1rem 0; }
th { text-align: left; font-size: .85rem; color: var(--soft); font-weight: 600; }
td, th { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.numbers td:nth-child(3), .numbers td:nth-child(4), .numbers td:nth-child(5) { white-space: nowrap; }
.numbers.claims td:nth-child(n) { white-space: normal; width: 22%; } .numbers.claims td:first-child { width: 32%; }
.differs { color: var(--differs); }
.parts td:nth-child(n+2), .parts th:nth-child(n+2) { text-align: right; white-space: nowrap; }
figure { margin: 1.8rem 0; } figure img { max-width: 100%; } figcaption { color: var(--soft); font-size: .92rem; }
.files { font-size: .85rem; color: var(--soft); margin: .4rem 0 0; } .files a { margin-right: .35rem; }
details { margin: .3rem 0; } summary { cursor: pointer; color: var(--soft); font-size: .85rem; }
details.table1 summary { color: var(--ink); font-size: 1rem; } details.table1 table { font-size: .85rem; }
pre { white-space: pre-wrap; color: var(--off); }
pre.lineage { color: var(--soft); background: var(--card); padding: .7rem 1rem; border-radius: 6px; font-size: .8rem;
              overflow-wrap: anywhere; margin: .4rem 0; }
"""


def report_html(outcomes: Sequence[Outcome]) -> str:
    """One self-contained page: verdict, then each notebook with its numbers and figures, then Tables 1A to 1C.

    Links lead to files that `ndlab paper` wrote beside it, and to nothing else.
    """
    body = "".join(_section(outcome) for outcome in outcomes)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>ndlab: the paper, run again</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<style>{_STYLE}</style></head><body>{_head(outcomes)}{body}"
        f"<h2 id='tables'>Tables 1A, 1B and 1C</h2>{tables_html()}</body></html>"
    )


def _head(outcomes: Sequence[Outcome]) -> str:
    numbers = [n for o in outcomes if o.results for n in o.results.numbers]
    right = sum(n.ok for n in numbers)
    failed = [o.notebook for o in outcomes if not o.ok]
    left = sum(len(o.results.not_run) for o in outcomes if o.results)
    words = f"{right} of {len(numbers)} numbers as expected"
    words += f"; {len(failed)} notebook(s) failed: {', '.join(failed)}" if failed else ""
    words += f"; {left} section(s) not run" if left else ""
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    packages = " · ".join(f"{name} {_version(name)}" for name in ("ndlab", "numpy", "zarr", "tensorstore", "networkx"))
    total = sum(o.seconds for o in outcomes)
    return (
        "<h1>The paper, run again</h1>"
        f"<p class='verdict {'off' if failed or right < len(numbers) else 'ok'}'>{html.escape(words)}</p>"
        f"<p class='soft'>{made} · {total:.0f} s · Python {platform.python_version()} on {platform.system()} "
        f"{platform.machine()} · {packages}</p>{_contents(outcomes)}"
    )


def _contents(outcomes: Sequence[Outcome]) -> str:
    """Return the table of notebooks: numbers that are right, sections left out, time and memory."""
    head = "".join(f"<th>{name}</th>" for name in ("notebook", "numbers", "figures", "left out", "time", "peak memory"))
    rows = []
    for one in outcomes:
        results = one.results
        cells = [f"<a href='#{html.escape(one.notebook, quote=True)}'>{html.escape(_title(one))}</a>"]
        if results is None or one.error:
            cells[0] += " <span class='off'>failed</span>"
        if results is None:
            cells += ["", "", ""]
        else:
            right, total = sum(n.ok for n in results.numbers), len(results.numbers)
            cells += [f"<span class='{'ok' if right == total else 'off'}'>{right} of {total}</span>",
                      str(len(results.figures)), str(len(results.not_run) or "")]  # fmt: skip
        peak = results.peak if results else None
        cells += [f"{one.seconds:.0f} s", si_bytes(peak) if peak else ""]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    more = "<p class='soft'><a href='#tables'>Tables 1A, 1B and 1C</a></p>"
    body = "".join(rows)
    table = f"<table class='parts'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='wide'>{table}</div>{more}"


def _title(outcome: Outcome) -> str:
    return outcome.results.title if outcome.results else outcome.notebook


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"


def _section(outcome: Outcome) -> str:
    results = outcome.results
    memory = f", {si_bytes(results.peak)} at most" if results and results.peak else ""
    name = html.escape(outcome.notebook, quote=True)
    parts = [f"<h2 id='{name}'>{html.escape(_title(outcome))}</h2>"]
    parts.append(f"<p class='soft'>{name}, {outcome.seconds:.0f} s{memory}</p>")
    if outcome.error:
        parts.append(f"<pre>{html.escape(outcome.error)}</pre>")
    return "".join(parts if results is None else [*parts, *_found(results)])


def _found(results: Results) -> list[str]:
    """Return claims, numbers, sections that were left out, and figures."""
    tables = [claims_html(results.claims)] if results.claims else []
    tables += [numbers_html(results.numbers)] if results.numbers else []
    parts = [f"<div class='wide'>{table}</div>" for table in tables]
    parts += [
        f"<p class='off'>{html.escape(n.name)}: not run: needs {html.escape(n.needs)}</p>" for n in results.not_run
    ]
    return parts + [figure_html(figure) for figure in results.figures]


def figure_html(figure: Figure) -> str:
    """Return a figure with its caption, the files that it was written to, and what it was made from."""
    alt = html.escape(figure.caption, quote=True)
    lineage = ""
    if figure.lineage:
        words = html.escape(str(Lineage.from_json(figure.lineage)))
        lineage = f"<details><summary>made from</summary><pre class='lineage'>{words}</pre></details>"
    return (
        f"<figure><img alt='{alt}' src='data:image/png;base64,{figure.png}'>"
        f"<figcaption><b>{html.escape(figure.name)}.</b> {html.escape(figure.caption)}</figcaption>"
        f"{_files(figure)}{lineage}</figure>"
    )


def _files(figure: Figure) -> str:
    """Return links to the pictures, and to the tables of the panels."""
    pictures = [one for one in figure.files if one.startswith("figures/")]
    tables = [PurePosixPath(one) for one in figure.files if one.startswith("tables/")]
    if not pictures:
        return ""
    links = [_link(one, PurePosixPath(one).suffix[1:].upper()) for one in pictures]
    panels: dict[str, list[str]] = {}
    for one in tables:
        panels.setdefault(one.stem.rpartition("-")[2], []).append(_link(str(one), one.suffix[1:]))
    data = " · ".join(f"{letter} {' '.join(some)}" for letter, some in panels.items())
    return f"<p class='files'>{' '.join(links)}{' · data of panel ' + data if data else ''}</p>"


def _link(address: str, words: str) -> str:
    return f"<a href='{html.escape(address, quote=True)}'>{html.escape(words)}</a>"
