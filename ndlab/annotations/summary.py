"""What a set of annotations says of itself: text, and HTML with its first rows."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ndlab.annotations.asked import Asked

__all__ = ["html", "lines", "text"]

_SHOWN = 5


def lines(ann: Asked) -> dict[str, str]:
    """List what a summary says: what, and the value in words."""
    counts = ann.counts()
    found = {"objects": ", ".join(f"{n:,} {kind}" for kind, n in counts.items()) or "none"}
    if ann.space.levels:
        found["voxel (z, y, x)"] = " × ".join(f"{v:g}" for v in ann.calibration.voxel_size) + " nm"
    if ann.paints:
        found["labels"] = ", ".join(ann.paints)
    keys = ann.top_keys(8)
    if keys:
        found["keys"] = ", ".join(f"{key} ({n:,})" for key, n in keys)
    last = ann.history(limit=1)
    if last:
        one = last[0]
        found["last write"] = (
            f"{one.number}: {one.operation} of {one.objects:,}, {one.author} {one.time:%Y-%m-%d %H:%M} UTC"
        )
    if ann.readonly:
        found["note"] = "read-only"
    return found


def text(ann: Asked) -> str:
    """Return the plain summary."""
    body = [f"  {name:16} {value}" for name, value in lines(ann).items()]
    return "\n".join([f"<ndlab.Annotations {ann.name!r}>", *body, f"  {ann.url}"])


def html(ann: Asked) -> str:
    """Return the notebook summary, with the first objects."""
    rows = "".join(
        f"<tr><th style='text-align:left;font-weight:600;padding:0 12px 0 0'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(value)}</td></tr>"
        for name, value in lines(ann).items()
    )
    counts = ann.counts()
    shown = ann.where(kind=next(iter(counts)) if len(counts) == 1 else None).limit(_SHOWN)
    table = shown.to_pandas().dropna(axis=1, how="all").to_html(index=False, max_cols=16) if counts else ""
    return (
        f"<div><div style='font-weight:600'>{escape(ann.name)} <span style='opacity:.6'>annotations</span></div>"
        f"<table>{rows}</table>{table}<div style='opacity:.6;font-size:90%'>{escape(ann.url)}</div></div>"
    )
