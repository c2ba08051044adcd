"""The tidy table behind each panel: kept by what draws it, or read back from what was drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["keep", "lettered", "picture", "table_of", "tables"]

_MOST_CELLS = 1_000_000


@dataclass
class _Panel:
    letter: str = ""
    tables: list[pd.DataFrame] = field(default_factory=list)
    picture: bool = False


_panels: WeakKeyDictionary[Any, _Panel] = WeakKeyDictionary()


def _panel(ax: Any) -> _Panel:
    return _panels.setdefault(ax, _Panel())


def keep(ax: Axes, table: pd.DataFrame) -> Axes:
    """Keep the table that a panel draws; what is drawn into it later is appended. Return the axes.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> ax = keep(Figure().subplots(), pd.DataFrame({"r": [1.0, 2.0], "g": [0.5, 0.9]}))
    >>> list(table_of(ax))
    ['r', 'g']
    """
    _panel(ax).tables.append(table.reset_index(drop=True))
    return ax


def lettered(ax: Axes, letter: str) -> None:
    """Note the letter of a panel."""
    _panel(ax).letter = letter


def picture(ax: Axes) -> None:
    """Note that a panel shows voxels, which are no table."""
    _panel(ax).picture = True


def tables(figure: Figure) -> dict[str, pd.DataFrame]:
    """Return the table of each panel of a figure by its letter; panels without one count A, B, C … in their order.

    Panels that show nothing but voxels have none.
    """
    found = {}
    data = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    for ax, name in zip(data, "ABCDEFGHIJKL", strict=False):
        table = table_of(ax)
        if table is not None and len(table):
            found[_panel(ax).letter or name] = table
    return dict(sorted(found.items()))


def table_of(ax: Axes) -> pd.DataFrame | None:
    """Return the tidy table of a panel; what was drawn without one is read back from the marks in it.

    What is read back has ``series``, ``mark`` (line, rule, bar, point, segment, area or cell), ``x`` and ``y`` in the
    units of the axes, and ``width``, ``low``, ``high``, ``size`` or ``value`` where the marks have any.
    """
    import pandas as pd

    panel = _panel(ax)
    if panel.tables:
        return pd.concat(panel.tables, ignore_index=True) if len(panel.tables) > 1 else panel.tables[0]
    parts = [*_lines(ax), *_bars(ax), *_collections(ax), *([] if panel.picture else _cells(ax))]
    return pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True) if parts else None


def _series(artist: Any, number: int) -> str:
    label = str(artist.get_label())
    return f"{number + 1}" if label.startswith("_") or not label else label


def _lines(ax: Axes) -> list[dict[str, Any]]:
    found = []
    for number, line in enumerate(one for one in ax.lines if one.get_gid() != "scale bar"):
        x, y = (np.asarray(one, float) for one in (line.get_xdata(orig=False), line.get_ydata(orig=False)))
        named = {"series": _series(line, number)}
        transform: Any = line.get_transform()
        across, up = transform.contains_branch_seperately(ax.transData)
        if across and up:
            found.append(named | {"mark": "line", "x": x, "y": y})
        elif across or up:  # A rule from side to side.
            found.append(named | {"mark": "rule"} | ({"x": x[:1]} if across else {"y": y[:1]}))
    return found


def _bars(ax: Axes) -> list[dict[str, Any]]:
    from matplotlib.container import BarContainer

    found = []
    for number, group in enumerate(one for one in ax.containers if isinstance(one, BarContainer)):
        corners = [(bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()) for bar in group]
        left, bottom, width, height = np.array(corners).reshape(-1, 4).T
        upright = {"x": left + width / 2, "y": height, "width": width}
        lying = {"x": width, "y": bottom + height / 2, "width": height}
        named = {"series": _series(group, number), "mark": "bar"}
        found.append(named | (lying if group.orientation == "horizontal" else upright))
    return found


def _collections(ax: Axes) -> list[dict[str, Any]]:
    from matplotlib.collections import LineCollection, PathCollection

    found: list[dict[str, Any]] = []
    for number, one in enumerate(ax.collections):
        named = {"series": _series(one, number)}
        if isinstance(one, PathCollection):
            at: np.ndarray[Any, Any] = np.ma.filled(np.ma.asarray(one.get_offsets(), float), np.nan)
            sizes = np.resize(one.get_sizes(), len(at)) if len(one.get_sizes()) else np.full(len(at), np.nan)
            found.append(named | {"mark": "point", "x": at[:, 0], "y": at[:, 1], "size": sizes})
        elif isinstance(one, LineCollection):
            ends = np.concatenate(list(one.get_segments())) if one.get_segments() else np.zeros((0, 2))
            piece = np.repeat(np.arange(len(one.get_segments())), [len(part) for part in one.get_segments()])
            found.append(named | {"mark": "segment", "x": ends[:, 0], "y": ends[:, 1], "piece": piece})
        else:
            around = [np.asarray(path.vertices) for path in one.get_paths()]
            found += [named | {"mark": "area", "x": corners[:, 0], "y": corners[:, 1]} for corners in around]
    return found


def _cells(ax: Axes) -> list[dict[str, Any]]:
    """Return the cells of images that have one value each; colours are pictures."""
    found = []
    for number, image in enumerate(ax.images):
        values: np.ndarray[Any, Any] = np.ma.filled(np.ma.asarray(image.get_array(), float), np.nan)
        if values.ndim != 2 or values.size > _MOST_CELLS:
            continue
        x0, x1, bottom, top = image.get_extent()
        rows, columns = values.shape
        first, last = (top, bottom) if image.origin == "upper" else (bottom, top)
        y, x = np.meshgrid(
            first + (np.arange(rows) + 0.5) * (last - first) / rows,
            x0 + (np.arange(columns) + 0.5) * (x1 - x0) / columns, indexing="ij",
        )  # fmt: skip
        there = np.isfinite(values)
        found.append({"series": _series(image, number), "mark": "cell", "x": x[there], "y": y[there],
                      "value": values[there]})  # fmt: skip
    return found
