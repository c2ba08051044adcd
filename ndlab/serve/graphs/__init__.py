"""Graph files of a served folder: found, described, taken, converted, packed, and what rooms above compute of them."""

from ndlab.serve.graphs.folder import Facts, GraphFile, GraphFolder
from ndlab.serve.graphs.services import Services

__all__ = ["Facts", "GraphFile", "GraphFolder", "Services"]
