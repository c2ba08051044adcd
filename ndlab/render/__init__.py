"""Arrays as pixels: windows, colours, blending and projections, in plain numpy.

What is drawn here is what the browser's shaders are held to, and what the server answers as pictures.
"""

from __future__ import annotations

from ndlab.render.blend import Layer, compose
from ndlab.render.channels import mcfc, overlay, project
from ndlab.render.colors import label_colors, parse, unpack
from ndlab.render.encode import jpeg, png
from ndlab.render.outline import filter_ids, outline
from ndlab.render.window import to_bytes, window

__all__ = [
    "Layer",
    "compose",
    "filter_ids",
    "jpeg",
    "label_colors",
    "mcfc",
    "outline",
    "overlay",
    "parse",
    "png",
    "project",
    "to_bytes",
    "unpack",
    "window",
]
