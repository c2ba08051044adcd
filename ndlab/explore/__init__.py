"""Volumes, graphs and Runs in a notebook: each widget is one small ES module that ships with the package.

Needs the extra ``lab`` (anywidget, ipywidgets). What stands on the floors below knows nothing of widgets: `register`
tells IPython, from above, how a `Volume` and a `Run` display themselves.
"""

from ndlab.explore.cell import cell
from ndlab.explore.desktop import desktop
from ndlab.explore.display import register
from ndlab.explore.flicker import flicker
from ndlab.explore.graph import graph
from ndlab.explore.image import image, project
from ndlab.explore.link import link
from ndlab.explore.run import run
from ndlab.explore.table import table

__all__ = ["cell", "desktop", "flicker", "graph", "image", "link", "project", "register", "run", "table"]
