"""Widgets that parameters are entered with, and how what is shown looks."""

from __future__ import annotations

import html
import io
from typing import Any

import ipywidgets as w  # noqa: TID253 - only forms import this module, when one is shown
import numpy as np

from ndlab.describe import pixels_of
from ndlab.explore.facts import short
from ndlab.explore.fields import Field

__all__ = ["LABEL", "entered", "folded", "input_of", "picture", "row", "said", "shown"]

LABEL = "150px"
FOUND = "found from the data"

_PREVIEW_SIDE = 420


def row(name: str, widget: Any, unit: str) -> Any:
    """Return a line of a form: name, what is entered, unit."""
    label = w.Label(name, layout=w.Layout(width=LABEL))
    return w.HBox([label, widget, w.HTML(f"<span style='opacity:.7'>{html.escape(unit)}</span>")])


def input_of(field: Field) -> Any:
    """Return the widget that a parameter is entered with."""
    wide, narrow = w.Layout(width="320px"), w.Layout(width="160px")
    if field.kind is object:
        return w.HTML(html.escape(short(field.value)))
    if field.kind is bool and not field.optional:
        return w.Checkbox(value=bool(field.value), indent=False, layout=narrow)
    if field.kind is bool or isinstance(field.kind, tuple):
        choices = (True, False) if field.kind is bool else field.kind
        options = [(_choice(one), one) for one in choices]
        options = [(FOUND, None), *options] if field.optional else options
        known = field.value in choices or (field.optional and field.value is None)
        return w.Dropdown(options=options, value=field.value if known else choices[0], layout=narrow)
    # Text for numbers too: a number field turns what it cannot read into 0 without a word.
    return w.Text(
        value=entered(field.value), continuous_update=False, placeholder=FOUND if field.optional else "",
        layout=wide if field.kind is str else narrow,
    )  # fmt: skip


def entered(value: Any) -> str:
    """Return what somebody would have typed for a value.

    Examples
    --------
    >>> entered((40.0, 8.0)), entered(None), entered(3)
    ('40.0, 8.0', '', '3')
    """
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _choice(value: Any) -> str:
    return str(getattr(value, "name", value))


def picture(plane: np.ndarray[Any, Any], kind: str, window: tuple[float, float] | None = None) -> Any:
    """Return a plane as a picture, at most fourfold enlarged."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels_of(plane, kind, window)).save(out, "PNG")
    scale = min(_PREVIEW_SIDE / max(plane.shape), 4.0)
    width = max(1, round(plane.shape[1] * scale))
    return w.Image(value=out.getvalue(), format="png", layout=w.Layout(width=f"{width}px", margin=f"0 0 0 {LABEL}"))


def shown(value: Any) -> Any:
    """Return any value as it would display itself at the end of a cell: a table, a summary, or its text."""
    table = value.to_pandas() if not hasattr(value, "_repr_html_") and hasattr(value, "to_pandas") else value
    made = table._repr_html_() if hasattr(table, "_repr_html_") else None
    text = made or f"<pre style='margin:0;line-height:1.4'>{html.escape(repr(value))}</pre>"
    return w.HTML(f"<div class='jp-RenderedHTMLCommon' style='overflow:auto;white-space:nowrap'>{text}</div>",
                  layout=w.Layout(margin=f"0 0 0 {LABEL}"))  # fmt: skip


def said(text: str, *, wrong: bool = False, more: str = "") -> str:
    """Return a message as HTML, red if something is wrong; `more` is folded away below it."""
    if not text:
        return ""
    color = "color:var(--jp-error-color1,#c4451c)" if wrong else "opacity:.7"
    fold = "<details><summary style='cursor:pointer'>traceback</summary>" + _pre(more) + "</details>" if more else ""
    space = f"margin-left:{LABEL};white-space:pre-wrap;line-height:1.4"
    return f"<div style='{space};{color}'>{html.escape(text)}{fold}</div>"


def folded(title: str, text: str) -> str:
    """Return text that a click unfolds, as HTML."""
    return f"<details><summary style='cursor:pointer;opacity:.7'>{title}</summary>{_pre(text)}</details>"


def _pre(text: str) -> str:
    style = "margin:0;padding:8px 12px;font-size:12px;line-height:1.5;overflow:auto"
    return f"<pre style='{style}'>{html.escape(text)}</pre>"
