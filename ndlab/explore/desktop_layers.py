"""Volumes, annotations and graphs as layers of napari: plain tuples of data, options and kind, made without napari.

napari places the centre of voxel 0 and scales by the voxel size, so that its world is in nm. Points and shapes are kept
in voxels of the same frame, for what napari draws in a plane it rounds to a voxel of its layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest, TooLarge
from ndlab.geometry import Float3
from ndlab.volume import Volume

if TYPE_CHECKING:
    from ndlab.annotations import Annotations
    from ndlab.geometry import Box, Calibration
    from ndlab.graph import Graph

__all__ = ["Frame", "Layer", "annotation_layers", "editable", "graph_layers", "volume_layers"]

Layer = tuple[Any, dict[str, Any], str]
Array = np.ndarray[Any, Any]
# Voxels of labels that are held in memory to be painted, and rows that are drawn.
MOST_PAINTED, MOST_ROWS = 1 << 27, 200_000


@dataclass(frozen=True)
class Frame:
    """Where voxels are: their size and the centre of voxel 0, (z, y, x) [nm].

    Examples
    --------
    >>> from ndlab.geometry import Calibration
    >>> frame = Frame.of(Calibration((40, 4, 4), (0, 100, 0)))
    >>> frame.translate, frame.voxels([[20.0, 102.0, 6.0]]).tolist(), frame.nm([[0, 0, 1]]).tolist()
    ((20.0, 102.0, 2.0), [[0.0, 0.0, 1.0]], [[20.0, 102.0, 6.0]])
    """

    scale: Float3 = (1.0, 1.0, 1.0)
    translate: Float3 = (0.0, 0.0, 0.0)

    @staticmethod
    def of(where: Calibration | Volume | None) -> Frame:
        """Return the frame of a level or a view; without a voxel size voxels are 1 nm wide."""
        if where is None or (isinstance(where, Volume) and where._stored.levels[where.level_index].calibration is None):
            return Frame()
        size, corner = where.voxel_size, where.offset
        z, y, x = (o + s / 2 for o, s in zip(corner, size, strict=True))
        return Frame(size, (z, y, x))

    def options(self) -> dict[str, Any]:
        """Return how napari is told."""
        return {"scale": self.scale, "translate": self.translate, "units": ("nm",) * 3}

    def voxels(self, nm: Any) -> Array:
        """Return places in nm as places in voxels, counted from the centre of voxel 0."""
        return (np.asarray(nm, np.float64) - self.translate) / self.scale

    def nm(self, voxels: Any) -> Array:
        """Return places in voxels as places in nm."""
        return np.asarray(voxels, np.float64) * self.scale + self.translate


def volume_layers(volume: Volume, name: str | None = None) -> list[Layer]:
    """Return a multiscale layer for each channel of a volume, or one of labels; no voxel is read but for the window.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> ((data, how, kind),) = volume_layers(toy().volume("labels"), "cells")
    >>> kind, how["name"], how["scale"], data.shape
    ('labels', 'cells', (100.0, 50.0, 50.0), (10, 24, 30))
    """
    title = name or volume.name or volume.kind
    levels = volume.levels if volume.box.shape == volume.levels[volume.level_index].shape[-3:] else (volume,)
    finest = levels[0]
    channels: list[int | None] = list(range(finest.shape[finest.axes.index("c")])) if "c" in finest.axes else [None]
    return [_channel(finest, levels, c, title, len(channels)) for c in channels]


def _channel(finest: Volume, levels: tuple[Volume, ...], c: int | None, title: str, channels: int) -> Layer:
    from ndlab.render import window

    parts = [one if c is None else one.isel(c=c) for one in levels]
    arrays = [part.dask for part in parts]
    frame = Frame.of(finest)
    lead = (1.0,) * (arrays[0].ndim - 3)
    how: dict[str, Any] = {
        "name": title if channels == 1 or c is None else f"{title} {_channel_name(finest, c)}",
        "scale": (*lead, *frame.scale),
        "translate": (*(0.0 for _ in lead), *frame.translate),
        "units": (*("pixel" for _ in lead), "nm", "nm", "nm"),
        "metadata": {"ndlab": {"url": finest.url}},
    }
    # One level in a list is no pyramid to napari: it would take its first section for the volume.
    data: Any = arrays if len(arrays) > 1 else arrays[0]
    if len(arrays) > 1:
        how["multiscale"] = True
    if finest.kind == "labels":
        return data, how, "labels"
    how["contrast_limits"] = window(finest, c=c or 0)
    if channels > 1 and c is not None:
        how |= {"blending": "additive", "colormap": ("cyan", "magenta", "yellow", "red", "green", "blue")[c % 6]}
    return data, how, "image"


def _channel_name(volume: Volume, c: int) -> str:
    return volume.channels[c].name or str(c) if c < len(volume.channels) else str(c)


def editable(volume: Volume, box: Box | None = None, name: str | None = None) -> Layer:
    """Return labels that can be painted: the voxels of a box at level 0, held in memory.

    Raises
    ------
    TooLarge
        If they are more than a desktop should hold.
    """
    view = volume.levels[0] if box is None else volume.levels[0].boxed(box)
    if view.size > MOST_PAINTED:
        raise TooLarge(f"{view.size:,} voxels to be painted", f"{MOST_PAINTED:,} are held at once",
                       "pass edit=Box(start, stop), the part that you mean to paint", nbytes=view.nbytes)  # fmt: skip
    frame = Frame.of(view)
    how = {"name": name or volume.name or "labels", **frame.options(), "metadata": {"ndlab": {"url": volume.url}}}
    return view.read(), how, "labels"


def annotation_layers(annotations: Annotations, frame: Frame | None = None) -> list[Layer]:
    """Return the objects that have a place as points, and regions and skeletons as shapes.

    Features of both are ``id``, ``kind``, ``confidence`` and ``author``; what has no confidence has nan.

    Raises
    ------
    TooLarge
        If there are more than napari draws well.

    Examples
    --------
    >>> from ndlab.annotations import Annotations, Synapse
    >>> ann = Annotations.temporary(voxel_size=(40, 4, 4))
    >>> _ = ann.add([Synapse(centroid=(100, 10, 14), confidence=0.5)])
    >>> (points, how, kind), (shapes, _, _) = annotation_layers(ann)
    >>> kind, points.tolist(), how["features"]["id"].tolist(), len(shapes)
    ('points', [[2.0, 2.0, 3.0]], [1], 0)
    """
    count = annotations.count()
    if count > MOST_ROWS:
        raise TooLarge(f"{count:,} objects in napari", f"{MOST_ROWS:,} are drawn", "show part of them, as points=",
                       nbytes=count)  # fmt: skip
    levels = annotations.space.levels
    frame = frame or Frame.of(levels[0] if levels else None)
    rows: list[Any] = list(annotations)
    placed = [row for row in rows if row.kind not in ("node", "roi") and row.position is not None]
    regions = [row for row in rows if row.kind == "roi" and row.bounds is not None]
    places = frame.voxels([row.position for row in placed]) if placed else np.empty((0, 3))
    title = annotations.name or "annotations"
    points = {
        "name": f"{title}: points",
        "features": _features(placed),
        "size": 6,
        "projection_mode": "rescale_spherical",
        "face_color": "#ff9f1c",
        "border_color": "#202020",
        **frame.options(),
    }
    lines, roots = _skeletons(rows)
    outlines = [_outline(frame, row) for row in regions] + [frame.voxels(line) for line in lines]
    shapes = {"name": f"{title}: shapes", "features": _features([*regions, *roots]), "edge_color": "#2ec4b6",
              "face_color": "#00000000", "edge_width": 0.8,
              "shape_type": ["polygon"] * len(regions) + ["path"] * len(lines), **frame.options()}  # fmt: skip
    if not outlines:
        # Without a shape napari cannot tell how many axes there are.
        shapes |= {"ndim": 3}
        del shapes["shape_type"]
    return [(places, points, "points"), (outlines, shapes, "shapes")]


def graph_layers(graph: Graph, places: Any = None, name: str = "graph") -> list[Layer]:
    """Return the nodes of a graph as points and its edges as arrows between them.

    Parameters
    ----------
    graph : Graph
    places : array, shape (n, 3), optional
        Of the nodes, (z, y, x) [nm]; their properties ``z``, ``y`` and ``x`` unless given.

    Raises
    ------
    BadRequest
        If the nodes have no place.

    Examples
    --------
    >>> from ndlab.graph import Graph
    >>> (nodes, _, _), (edges, _, _) = graph_layers(Graph.from_edges([1], [2]), [(0, 0, 0), (0, 30, 40)])
    >>> nodes.shape, edges.tolist()
    ((2, 3), [[[0.0, 0.0, 0.0], [0.0, 30.0, 40.0]]])
    """
    if places is None:
        if missing := [axis for axis in "zyx" if axis not in graph.nodes]:
            raise BadRequest(f"a graph whose nodes have no {', '.join(missing)}", "napari draws nodes where they are",
                             "pass places=, (z, y, x) in nm, one for each node")  # fmt: skip
        places = np.stack([graph.nodes[axis] for axis in "zyx"], axis=1)
    found = np.asarray(places, np.float64)
    if found.shape != (graph.n_nodes, 3) or not np.isfinite(found).all():
        raise BadRequest(
            f"places of shape {found.shape} for {graph.n_nodes} nodes", "each has a finite z, y and x [nm]"
        )
    start, stop = found[graph.source], found[graph.target]
    reach = float(np.ptp(found, axis=0).max()) if len(found) else 1.0
    nodes = {"name": f"{name}: nodes", "size": max(reach / 40, 1e-6), "features": {"id": graph.ids},
             "face_color": "white", "units": ("nm",) * 3, "projection_mode": "rescale_spherical"}  # fmt: skip
    edges = {"name": f"{name}: edges", "edge_width": max(reach / 300, 1e-6), "edge_color": "#ffbf69",
             "vector_style": "arrow" if graph.directed else "line", "units": ("nm",) * 3}  # fmt: skip
    return [(found, nodes, "points"), (np.stack([start, stop - start], axis=1), edges, "vectors")]


def _features(rows: list[Any]) -> dict[str, Any]:
    confidence = [getattr(row, "confidence", None) for row in rows]
    return {
        "id": np.array([row.id for row in rows], np.uint64),
        "kind": np.array([row.kind for row in rows], object),
        "confidence": np.array([np.nan if one is None else one for one in confidence], np.float64),
        "author": np.array([row.author or "" for row in rows], object),
    }


def _outline(frame: Frame, row: Any) -> Array:
    """Return the rectangle of a box in the plane of its middle: napari draws no boxes."""
    (z0, y0, x0), (z1, y1, x1) = row.bounds.start, row.bounds.stop
    middle = round(float(frame.voxels([[(z0 + z1) / 2, 0, 0]])[0, 0]))
    corners = frame.voxels([[z0, y0, x0], [z0, y0, x1], [z0, y1, x1], [z0, y1, x0]])
    corners[:, 0] = middle
    return corners


def _skeletons(rows: list[Any]) -> tuple[list[Array], list[Any]]:
    """Return the first branch of each skeleton from its root on [nm], and the skeletons."""
    nodes = {row.id: row for row in rows if row.kind == "node"}
    after = {row.parent: row.id for row in nodes.values()}
    lines, roots = [], []
    for root in (row for row in rows if row.kind == "skeleton"):
        at, line, seen = root.rootnode, [], set()
        while at in nodes and at not in seen and nodes[at].location is not None:
            seen.add(at)
            line.append(nodes[at].location)
            at = after.get(at, 0)
        if len(line) > 1:
            lines.append(np.array(line, np.float64))
            roots.append(root)
    return lines, roots
