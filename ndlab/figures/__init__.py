"""Results as matplotlib figures at paper size: each draws a tidy table into the axes it is given, and keeps it there.

`save` writes a figure as PNG, PDF and SVG with its lineage inside, and beside it the table of each panel as CSV and
Parquet, enough to draw it again with anything.
"""

from ndlab.figures.counts import bars, degrees, histogram, null
from ndlab.figures.curves import correlogram, curves, envelope_curve, points, profile, touch_curve
from ndlab.figures.networks import adjacency, laid_out
from ndlab.figures.panels import keep, table_of, tables
from ndlab.figures.planes import checkerboard, label_colors, plane, plot, scale_bar
from ndlab.figures.preprocessing import correction, energy_curve, pair_likeness, volume_change
from ndlab.figures.saving import lineage_of, save
from ndlab.figures.style import COLORS, letter, style

__all__ = [
    "COLORS",
    "adjacency",
    "bars",
    "checkerboard",
    "correction",
    "correlogram",
    "curves",
    "degrees",
    "energy_curve",
    "envelope_curve",
    "histogram",
    "keep",
    "label_colors",
    "laid_out",
    "letter",
    "lineage_of",
    "null",
    "pair_likeness",
    "plane",
    "plot",
    "points",
    "profile",
    "save",
    "scale_bar",
    "style",
    "table_of",
    "tables",
    "touch_curve",
    "volume_change",
]
