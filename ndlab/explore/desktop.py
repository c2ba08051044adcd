"""Volumes, annotations and graphs in napari, and what is edited there back in the annotations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest, Unsupported
from ndlab.explore import desktop_layers as made_of

if TYPE_CHECKING:
    from ndlab.annotations import Annotations
    from ndlab.geometry import Box
    from ndlab.graph import Graph
    from ndlab.volume import Volume

__all__ = ["Desktop", "desktop"]

_NOTE = "edited in napari"


def desktop(
    *volumes: Volume,
    labels: Volume | Mapping[str, Volume] | None = None,
    annotations: Annotations | None = None,
    graph: Graph | None = None,
    places: Any = None,
    edit: bool | Box = False,
    kinds: Mapping[str, str] | None = None,
    viewer: Any = None,
    **named: Volume,
) -> Desktop:
    """Show volumes, annotations and a graph in napari, a program with windows of its own, and return a `Desktop`.

    Parameters
    ----------
    *volumes, **named : Volume
        Images and labels, bottom to top, with all their levels.
    labels : Volume or mapping of them by name, optional
        More labels.
    annotations : Annotations, optional
        Its objects with a place are points, its regions and skeletons shapes, its label volumes labels. A set that
        can be written takes back what is edited: see `Desktop.save`.
    graph : Graph, optional
        Nodes at their properties ``z``, ``y``, ``x`` [nm] or at `places`, edges as arrows.
    places : array, shape (n, 3), optional
        Of the nodes, (z, y, x) [nm].
    edit : bool or Box
        Whether the labels of the set may be painted: they are then held in memory, all of level 0 or a box of it.
    kinds : mapping, optional
        What new points and rectangles become: ``{"point": "synapse", "box": "roi"}``; seeds and regions unless given.
    viewer : napari.Viewer, optional
        One that is open.

    Raises
    ------
    Unsupported
        Where napari is not installed.
    BadRequest, ReadOnly
        If something is none of these, or labels of a set that cannot be written are to be painted.

    Examples
    --------
    ::

        desk = ndlab.explore.desktop(em=volume, annotations=ann, edit=Box((0, 0, 0), (20, 512, 512)))
        ...  # place points, draw rectangles and paths, paint
        desk.save("a second look")
        desk.undo()
    """
    if viewer is None:
        viewer = _napari().Viewer()
    found = Desktop(viewer, annotations, kinds)
    for number, volume in enumerate(volumes):
        found.add(made_of.volume_layers(volume, volume.name or f"volume {number}"))
    more = labels if isinstance(labels, Mapping) else {} if labels is None else {"labels": labels}
    for name, volume in (named | dict(more)).items():
        found.add(made_of.volume_layers(volume, name))
    if annotations is not None:
        found.add_annotations(edit)
    if graph is not None:
        found.add(made_of.graph_layers(graph, places))
    return found


def _napari() -> Any:
    try:
        import napari
    except ModuleNotFoundError as error:
        raise Unsupported("a view in napari", f"{error.name} is not installed", "pip install 'ndlab[napari]'",
                          feature="napari") from None  # fmt: skip
    return napari


class Desktop:
    """A napari viewer and the set of annotations that is edited in it.

    Attributes
    ----------
    viewer : napari.Viewer
    annotations : Annotations or None
    """

    def __init__(
        self, viewer: Any, annotations: Annotations | None = None, kinds: Mapping[str, str] | None = None
    ) -> None:
        from ndlab.explore.annotating import Annotating

        self.viewer, self.annotations = viewer, annotations
        self._pen = None if annotations is None or annotations.readonly else Annotating(annotations, kinds)
        self._edits: list[Any] = []
        self._saved: list[list[int]] = []
        self._layers: dict[str, Any] = {}
        self._edit: bool | Box = False

    def add(self, layers: list[made_of.Layer]) -> list[Any]:
        """Add layers to the viewer and return those of napari."""
        made = []
        for data, how, kind in layers:
            made.append(getattr(self.viewer, f"add_{kind}")(data, **how))
        points = [one for one, (_, _, kind) in zip(made, layers, strict=True) if kind == "points" and len(one.data)]
        if points:
            self._see_near(max(float(np.max(one.size)) * one.scale[-3] for one in points))
        return made

    def _see_near(self, reach: float) -> None:
        """Show points from so many nm above and below the plane, too; images are of the plane alone all the same."""
        dims = self.viewer.dims
        if dims.ndim >= 3 and reach / 2 > dims.margin_left[-3]:
            margin = [*dims.margin_left[:-3], reach / 2, 0.0, 0.0]
            dims.margin_left, dims.margin_right = margin, margin

    def add_annotations(self, edit: bool | Box = False) -> None:
        """Add the layers of the set, to be edited where it can be written."""
        from ndlab.explore.desktop_edits import LabelEdits, PointEdits, ShapeEdits

        ann = self._set()
        if edit and self._pen is None:
            ann_is = "it was opened to be read, or as it was earlier"
            raise BadRequest(f"edit= with {ann.url}", ann_is, "Annotations.open(url) can be written")
        self._edit = edit
        for name, paint in ann.paints.items():
            if not edit:
                self.add(made_of.volume_layers(paint.volume, _title(ann, name)))
                continue
            paint.flush(levels=False)
            volume = paint.volume.levels[0]
            box = volume.box if isinstance(edit, bool) else edit
            (layer,) = self.add([made_of.editable(volume, box, _title(ann, name))])
            self._edits.append(LabelEdits(layer, paint, box, self._pen))  # type: ignore[arg-type]  # refused above
        points, shapes = self.add(made_of.annotation_layers(ann, self._frame()))
        if self._pen is not None:
            blank = {"id": 0, "kind": "", "confidence": float("nan"), "author": ann.author}
            points.feature_defaults = shapes.feature_defaults = blank
            frame = self._frame()
            self._edits += [PointEdits(points, frame, self._pen), ShapeEdits(shapes, frame, self._pen)]
            self._dock()

    def _frame(self) -> made_of.Frame:
        levels = self._set().space.levels
        return made_of.Frame.of(levels[0] if levels else None)

    def _set(self) -> Annotations:
        if self.annotations is None:
            raise BadRequest("annotations in this viewer", "it shows none", "desktop(volume, annotations=ann)")
        return self.annotations

    def save(self, note: str = _NOTE) -> list[int]:
        """Write what was edited into the set, under its author, and return the numbers of the transactions.

        New points become seeds, or what `kinds` says; rectangles regions of interest, one voxel deep; lines and paths
        skeletons; moved things are updated, deleted ones deleted; painted voxels go to their ids. Where nothing was
        changed, nothing is written.

        Raises
        ------
        BadRequest
            If the set is only read, or a shape is none that it has; nothing of that layer is written then.
        """
        if self._pen is None:
            raise BadRequest(f"saving into {self._set().url}", "it was opened to be read, or as it was earlier",
                             "Annotations.open(url) can be written")  # fmt: skip
        made = [number for one in self._edits for number in one.save(note)]
        if made:
            self._saved.append(made)
            self.reload()
        return made

    def undo(self) -> list[int]:
        """Take back what the last `save` that still stands wrote, and return the numbers of what was taken back.

        Raises
        ------
        Conflict
            If later changes stand on it.
        """
        if not self._saved:
            return []
        made, undone = self._saved[-1], []
        while made:
            self._set().undo(made[-1], note=f"undone: {_NOTE}")
            undone.append(made.pop())
        self._saved.pop()
        for paint in self._set().paints.values():
            paint.flush(levels=False)
        self.reload()
        return undone

    def reload(self) -> None:
        """Show the set as it is now; what was edited and not saved is gone."""
        ann = self._set()
        for edit in self._edits:
            layer = edit.layer
            if hasattr(edit, "refresh"):
                edit.refresh()
                continue
            kind = "points" if type(edit).__name__ == "PointEdits" else "shapes"
            for data, how, what in made_of.annotation_layers(ann, self._frame()):
                if what == kind:
                    _replace(layer, data, how, kind)
            edit.seen()

    def _dock(self) -> None:
        """Put *Save* and *Undo* beside the layers, where there is a window."""
        window = getattr(self.viewer, "window", None)
        if window is None or not hasattr(window, "add_dock_widget"):
            return
        from ndlab.explore.desktop_dock import dock

        window.add_dock_widget(dock(self), name=f"ndlab: {self._set().name}", area="right")


def _title(ann: Annotations, name: str) -> str:
    return f"{ann.name}: {name}"


def _replace(layer: Any, data: Any, how: Mapping[str, Any], kind: str) -> None:
    """Put other points or shapes into a layer, with their features."""
    blank = dict(layer.feature_defaults.iloc[0])
    if kind == "shapes":
        layer.selected_data = set()
        layer.data = []
        for shape, word in zip(data, how.get("shape_type", ()), strict=False):
            layer.add(shape, shape_type=word)
    else:
        layer.selected_data = set()
        layer.data = data
    layer.features = how["features"]
    layer.feature_defaults = blank
