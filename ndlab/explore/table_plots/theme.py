"""How plots look: once for all of them, on light and on dark paper."""

from __future__ import annotations

from typing import Any

__all__ = ["CATEGORIES", "OTHER", "color_of", "colors_of", "diverging", "ink", "over", "sequential", "theme"]

# Okabe and Ito's colours in the order of widgets/src/graph/look.ts, and grey for the rest.
CATEGORIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
OTHER = "#969ca4"
_LIGHT = {"paper": "#ffffff", "ink": "#22272e", "soft": "#5d6671", "line": "#dfe3e8"}
_DARK = {"paper": "#14171b", "ink": "#e3e6ea", "soft": "#9aa4b0", "line": "#333a43"}
_FONT = "system-ui, sans-serif"


def ink(dark: bool, name: str = "ink") -> str:
    """Return a colour of the page: paper, ink, soft or line."""
    return (_DARK if dark else _LIGHT)[name]


def color_of(code: int, names: list[str]) -> str:
    """Return the colour of a class; "other" is grey."""
    return OTHER if code >= len(CATEGORIES) or names[code] == "other" else CATEGORIES[code]


def colors_of(names: list[str]) -> list[str]:
    """Return the colours of all classes."""
    return [color_of(code, names) for code in range(len(names))]


def over(values: Any, dark: bool) -> list[str]:
    """Return what can be read on `diverging` colours of values from -1 to 1."""
    return ["#ffffff" if abs(one) > 0.55 else ink(dark) for one in values]


def sequential() -> list[str]:
    """Return 256 colours by lightness, for any eyes."""
    from bokeh.palettes import Viridis256

    return list(Viridis256)


def diverging(dark: bool) -> list[str]:
    """Return 256 colours from blue by the paper to orange."""
    low, high = ((0, 114, 178), (213, 94, 0))
    middle = tuple(int(ink(dark, "paper")[i : i + 2], 16) for i in (1, 3, 5))

    def mix(share: float) -> str:
        end = low if share < 0 else high
        parts = [round(m + (e - m) * abs(share)) for m, e in zip(middle, end, strict=True)]
        return "#" + "".join(f"{one:02x}" for one in parts)

    return [mix((i - 127.5) / 127.5) for i in range(256)]


def theme(dark: bool) -> Any:
    """Return Bokeh's theme."""
    from bokeh.themes import Theme

    paper, main, soft, line = (ink(dark, name) for name in ("paper", "ink", "soft", "line"))
    text = {"text_font": _FONT, "text_color": main, "text_font_size": "12px"}
    return Theme(json={"attrs": {
        "Plot": {
            "background_fill_color": paper, "border_fill_color": paper, "outline_line_color": line,
            "min_border": 8, "toolbar_location": "above",
        },
        "Grid": {"grid_line_color": line, "grid_line_alpha": 0.6},
        "Axis": {
            "axis_line_color": line, "major_tick_line_color": soft, "minor_tick_line_color": None,
            "major_label_text_color": soft, "major_label_text_font": _FONT, "major_label_text_font_size": "11px",
            "axis_label_text_color": main, "axis_label_text_font": _FONT, "axis_label_text_font_size": "12px",
            "axis_label_text_font_style": "normal",
        },
        "Title": text | {"text_font_style": "bold"},
        "Legend": {
            "background_fill_color": paper, "background_fill_alpha": 0.8, "border_line_color": None,
            "label_text_color": main, "label_text_font": _FONT, "label_text_font_size": "11px", "spacing": 0,
            "title_text_color": soft, "title_text_font": _FONT, "title_text_font_size": "11px", "padding": 5,
            "title_text_font_style": "normal",
        },
        "BaseColorBar": {
            "background_fill_color": paper, "major_label_text_color": soft, "major_label_text_font": _FONT,
            "title_text_color": main, "title_text_font": _FONT, "bar_line_color": None, "major_tick_line_color": soft,
        },
        "Toolbar": {"logo": None, "autohide": True},
    }})  # fmt: skip
