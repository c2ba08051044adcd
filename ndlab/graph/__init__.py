"""Graphs: connectomes, touch graphs, any nodes and edges with properties, in arrays."""

from ndlab.graph.columns import Column, Columns
from ndlab.graph.files import FORMATS
from ndlab.graph.graph import Graph
from ndlab.graph.reading import read, read_all
from ndlab.graph.writing import lost, write, write_all

__all__ = ["FORMATS", "Column", "Columns", "Graph", "lost", "read", "read_all", "write", "write_all"]
