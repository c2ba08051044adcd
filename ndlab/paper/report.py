"""The report: one HTML page with nothing outside it."""

from __future__ import annotations

import html
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ndlab.paper.claims import claims_html
from ndlab.paper.results import numbers_html

if TYPE_CHECKING:
    from ndlab.paper.runner import Outcome

__all__ = ["report_html"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5a6572; --line: #d9dee4; --ok: #1a7f4b; --off: #b3261e;
        --differs: #8a5a00; --bg: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --soft: #9aa5b1; --line: #38414c; --ok: #5fd39a; --off: #ff8a80; --bg: #14181d;
          --differs: #f0c060; }
  figure img { background: #fff; border-radius: 4px; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--bg); max-width: 68rem;
       margin: 2.5rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
.soft, .note { color: var(--soft); font-size: .88rem; }
.ok { color: var(--ok); } .off { color: var(--off); }
.verdict { font-size: 1.15rem; font-weight: 600; }
table.numbers { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums; }
.numbers th { text-align: left; font-size: .85rem; color: var(--soft); }
.numbers td, .numbers th { padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.numbers td:nth-child(3), .numbers td:nth-child(4), .numbers td:nth-child(5) { white-space: nowrap; }
.numbers.claims td:nth-child(n) { white-space: normal; width: 22%; } .numbers.claims td:first-child { width: 32%; }
.differs { color: var(--differs); }
figure { margin: 1.6rem 0; } figure img { max-width: 100%; } figcaption { color: var(--soft); font-size: .92rem; }
pre { white-space: pre-wrap; color: var(--off); }
"""


def report_html(outcomes: Sequence[Outcome]) -> str:
    """One self-contained page: verdict, then each notebook with its numbers and figures."""
    body = "".join(_section(outcome) for outcome in outcomes)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>ndlab: the paper, run again</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<style>{_STYLE}</style></head><body>{_head(outcomes)}{body}</body></html>"
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
        f"{platform.machine()} · {packages}</p>"
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"


def _section(outcome: Outcome) -> str:
    results = outcome.results
    title = results.title if results else outcome.notebook
    parts = [
        f"<h2>{html.escape(title)}</h2><p class='soft'>{html.escape(outcome.notebook)}, {outcome.seconds:.0f} s</p>"
    ]
    if outcome.error:
        parts.append(f"<pre>{html.escape(outcome.error)}</pre>")
    if results is None:
        return "".join(parts)
    if results.claims:
        parts.append(claims_html(results.claims))
    if results.numbers:
        parts.append(numbers_html(results.numbers))
    parts += [
        f"<p class='off'>{html.escape(n.name)}: not run: needs {html.escape(n.needs)}</p>" for n in results.not_run
    ]
    for figure in results.figures:
        alt = html.escape(figure.caption, quote=True)
        parts.append(
            f"<figure><img alt='{alt}' src='data:image/png;base64,{figure.png}'>"
            f"<figcaption><b>{html.escape(figure.name)}.</b> {html.escape(figure.caption)}</figcaption></figure>"
        )
    return "".join(parts)
