"""Neuroglancer's precomputed annotations: points, lines, boxes and ellipsoids with properties, by id, object, place."""

from ndlab.annotations.exchange.precomputed.reading import read
from ndlab.annotations.exchange.precomputed.writing import write

__all__ = ["read", "write"]
