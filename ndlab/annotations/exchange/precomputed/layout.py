"""What one annotation is in a precomputed layer: its geometry, its properties, the objects that it relates to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["GEOMETRIES", "TYPES", "Layout", "Property", "Relationship", "geometry_columns", "ids_for"]

GEOMETRIES = {"point": "POINT", "line": "LINE", "box": "AXIS_ALIGNED_BOUNDING_BOX", "ellipsoid": "ELLIPSOID"}
# Name of a type: how it is stored, and which numbers it holds exactly.
TYPES: dict[str, np.dtype[Any]] = {
    "uint32": np.dtype("<u4"), "int32": np.dtype("<i4"), "float32": np.dtype("<f4"), "uint16": np.dtype("<u2"),
    "int16": np.dtype("<i2"), "uint8": np.dtype("u1"), "int8": np.dtype("i1"), "rgb": np.dtype(("u1", 3)),
    "rgba": np.dtype(("u1", 4)),
}  # fmt: skip


@dataclass(frozen=True)
class Property:
    """A value that each annotation has.

    Parameters
    ----------
    id : str
        Its name in the layer: a small letter, then letters, digits and underscores.
    type : str
        One of `TYPES`.
    column : str
        The column or free key that it is read from.
    labels : tuple of str, optional
        Of an enumeration: the words that the values 0, 1, ... stand for.
    truth : bool
        Whether the words are those of bools.
    """

    id: str
    type: str
    column: str
    labels: tuple[str, ...] | None = None
    truth: bool = False

    def json(self) -> dict[str, Any]:
        """Return how it stands in ``info``."""
        said: dict[str, Any] = {"id": self.id, "type": self.type}
        if self.column != self.id:
            said["description"] = self.column
        if self.labels is not None:
            said |= {"enum_values": list(range(len(self.labels))), "enum_labels": list(self.labels)}
        return said


@dataclass(frozen=True)
class Relationship:
    """Ids of other objects, e.g. the segments before a synapse."""

    id: str
    column: str

    @property
    def key(self) -> str:
        """Folder of its index."""
        return "related_" + re.sub(r"[^A-Za-z0-9_-]", "_", self.id)


@dataclass(frozen=True)
class Layout:
    """The form of every annotation of a layer.

    Parameters
    ----------
    geometry : {"point", "line", "box", "ellipsoid"}
    columns : tuple of str
        Columns of the geometry, (x, y, z) of each of its points; of an ellipsoid the centre, then the radii.
    properties : tuple of Property
    relationships : tuple of Relationship
    scale : (x, y, z)
        What 1 is in the columns of the geometry [nm].
    """

    geometry: str
    columns: tuple[str, ...]
    properties: tuple[Property, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @cached_property
    def record(self) -> np.dtype[Any]:
        """The bytes of geometry and properties: those of 4 bytes first, then of 2, then of 1, up to a multiple of 4."""
        fields: list[Any] = [("geometry", "<f4", (len(self.columns),))]
        fields += [(one.id, TYPES[one.type]) for one in self.stored]
        size = np.dtype(fields).itemsize
        return np.dtype([*fields, ("padding", "u1", (-size % 4,))] if size % 4 else fields)

    @property
    def stored(self) -> list[Property]:
        """The properties in the order of their bytes, which is also the order in which ``info`` has them."""
        return sorted(self.properties, key=lambda one: -_alignment(one.type))

    def corners(self, geometry: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return the least and largest (x, y, z), float64 (n, 3), of geometries (n, 3 or 6)."""
        first = geometry[:, :3].astype(np.float64)
        if self.geometry == "point":
            return first, first
        second = geometry[:, 3:].astype(np.float64)
        if self.geometry == "ellipsoid":
            return first - second, first + second
        return np.minimum(first, second), np.maximum(first, second)


def _alignment(type_: str) -> int:
    return 1 if type_.startswith("rgb") else TYPES[type_].itemsize


def ids_for(names: Iterable[str]) -> list[str]:
    """Return an id that the format allows for each name, each once.

    Examples
    --------
    >>> ids_for(["confidence", "PSD size", "größe", "gr__e"])
    ['confidence', 'pSD_size', 'gr__e', 'gr__e_2']
    """
    made: list[str] = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
        plain = plain[:1].lower() + plain[1:] if plain[:1].isalpha() else "p" + plain
        found, number = plain, 2
        # A record of numpy has these names, too.
        while found in made or found in ("geometry", "padding"):
            found, number = f"{plain}_{number}", number + 1
        made.append(found)
    return made


def geometry_columns(
    geometry: str, ends: Sequence[Sequence[str]] | None = None, radius: str | Sequence[str] = "radius"
) -> tuple[str, ...]:
    """Name the columns of a geometry, (x, y, z) of each point, where callers name them (z, y, x)."""
    if geometry not in GEOMETRIES:
        raise BadRequest(f"geometry={geometry!r}", f"a layer holds {', '.join(map(repr, GEOMETRIES))}, one of them")
    if geometry == "point":
        groups: Sequence[Sequence[str]] = [("z", "y", "x")]
    elif geometry == "line":
        groups = ends or [("pre_z", "pre_y", "pre_x"), ("post_z", "post_y", "post_x")]
    elif geometry == "box":
        groups = [("z0", "y0", "x0"), ("z1", "y1", "x1")]
    else:
        groups = [("z", "y", "x"), (radius,) * 3 if isinstance(radius, str) else radius]
    if any(len(group) != 3 for group in groups) or len(groups) != 1 + (geometry != "point"):
        raise BadRequest(f"columns {groups} for a {geometry}", "each of its points has three, (z, y, x)")
    return tuple(name for group in groups for name in reversed(tuple(group)))
