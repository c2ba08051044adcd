"""All tabs as one page of HTML that needs nothing else: no network, no kernel."""

from __future__ import annotations

from html import escape
from typing import Any

from ndlab.errors import NdlabError
from ndlab.explore.table_data import column_facts
from ndlab.explore.table_job import Job
from ndlab.explore.table_options import TABS
from ndlab.explore.table_plots import DRAWN, drawn
from ndlab.explore.table_plots.drawing import Drawn, Listing, said
from ndlab.explore.table_plots.source import bokeh_source
from ndlab.explore.table_plots.theme import ink, theme

__all__ = ["report_html"]


def report_html(job: Job) -> str:
    """Return a page with every tab as it would be drawn now; what a tab could not be made of is said in its place."""
    from bokeh.embed import components

    found: dict[str, Drawn] = {}
    failed: dict[str, str] = {}
    for tab in DRAWN:
        try:
            found[tab] = drawn(job, tab)
        except (NdlabError, ValueError) as error:
            failed[tab] = str(error)
    plots = {tab: one.layout for tab, one in found.items() if one.layout is not None}
    script, divs = components(plots, theme=theme(job.dark)) if plots else ("", {})
    parts = [_columns(job)]
    for tab in DRAWN:
        inside = f"<p>{escape(failed[tab])}</p>" if tab in failed else str(divs.get(tab, "")) + _words(found[tab])
        parts.append(f"<section id={tab}><h2>{escape(TABS[tab][0])}</h2>{_asked(job, tab)}{inside}</section>")
    name, count = escape(job.table.name or "Table"), len(job.rows)
    shown = f"{said(count)}{f' of {said(len(job.table))}' if count < len(job.table) else ''} rows"
    classes = f", classes by {escape(job.state['classes'])}" if job.state["classes"] else ""
    source = bokeh_source().decode().replace("</script", "<\\/script")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title><style>{_style(job.dark)}'
        f"</style><script>{source}</script></head><body><h1>{name}</h1><p>{shown}{classes}.</p>"
        f"{''.join(parts)}{script}</body></html>\n"
    )


def _style(dark: bool) -> str:
    paper, main, soft, line = (ink(dark, name) for name in ("paper", "ink", "soft", "line"))
    return (
        f"body{{max-width:1100px;margin:24px auto;padding:0 16px;background:{paper};color:{main};"
        "font:14px/1.5 system-ui,sans-serif;font-variant-numeric:tabular-nums}h1{font-size:22px}"
        "h2{font-size:17px;margin:36px 0 6px}table{border-collapse:collapse;font-size:13px;margin:8px 0}"
        f"th,td{{padding:2px 14px 2px 0;text-align:left}}th{{color:{soft};border-bottom:1px solid {line}}}"
        f"figcaption{{font-weight:600}}figure{{margin:10px 0}}.asked,li{{color:{soft}}}"
    )


def _asked(job: Job, tab: str) -> str:
    labels = {option.name: option for option in TABS[tab][1]}
    said_of = []
    for name, value in job.options(tab).items():
        option = labels[name]
        if option.only is None or job.options(tab)[option.only[0]] in option.only[1]:
            said_of.append(f"{option.label}: {dict(option.choices).get(str(value), value)}")
    return f"<p class=asked>{escape('; '.join(said_of))}</p>"


def _words(one: Drawn) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in one.notes)
    return f"<ul>{notes}</ul>" + "".join(_table(listing) for listing in one.tables)


def _table(listing: Listing) -> str:
    def line(cells: Any, tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = line(listing.heads, "th") + "".join(line(cells, "td") for cells in listing.lines)
    return f"<figure><figcaption>{escape(listing.title)}</figcaption><table>{body}</table></figure>"


def _columns(job: Job) -> str:
    lines = []
    for name in job.own:
        facts = column_facts(job.table, name)
        kind = facts["kind"] if facts["kind"] != "category" else f"{facts['classes']} classes"
        numbers = ["" if facts.get(one) is None else f"{facts[one]:.4g}" for one in ("low", "mean", "sd", "high")]
        measured = "yes" if name in job.features else ""
        lines.append([name, facts["unit"], kind, str(facts["missing"] or ""), *numbers, measured])
    heads = ["column", "unit", "kind", "missing", "least", "mean", "sd", "largest", "in statistics"]
    return f"<section id=columns><h2>Columns</h2>{_table(Listing('', heads, lines))}</section>"
