"""Arrays as pixels: windows, colours, blending and projections, in plain numpy.

What is drawn here is what the browser's shaders are held to, and what the server answers as pictures.
"""

from __future__ import annotations

from ndlab.render.blend import Layer, compose
from ndlab.render.channels import mcfc, overlay, project
from ndlab.render.colors import label_colors, parse, unpack
from ndlab.render.encode import jpeg, png
from ndlab.render.histogram import Histogram, histogram
from ndlab.render.outline import filter_ids, outline
from ndlab.render.planes import plane, stretch
from ndlab.render.synaptogram import around, brightest, synaptogram
from ndlab.render.window import to_bytes, window

__all__ = [
    "Histogram",
    "Layer",
    "around",
    "brightest",
    "compose",
    "filter_ids",
    "histogram",
    "jpeg",
    "label_colors",
    "mcfc",
    "outline",
    "overlay",
    "parse",
    "plane",
    "png",
    "project",
    "stretch",
    "synaptogram",
    "to_bytes",
    "unpack",
    "window",
]
