"""The Image Explorer in a notebook cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ndlab.errors import BadRequest, Unsupported

if TYPE_CHECKING:
    from ndlab.explore.annotating import Annotating
    from ndlab.explore.image_widget import ImageView
    from ndlab.explore.layers import Source
    from ndlab.volume import Volume

__all__ = ["image", "project"]


def image(
    *volumes: Any,
    labels: Any = None,
    points: Any = None,
    boxes: Any = None,
    unit: Literal["nm", "voxel"] = "nm",
    metadata: Any = None,
    annotations: Any = None,
    kinds: Mapping[str, str] | None = None,
    state: Mapping[str, Any] | None = None,
    height: int = 480,
    transport: Literal["auto", "comm", "zarr"] | None = None,
    **named: Any,
) -> ImageView:
    """Show volumes in a notebook: pan, zoom, scroll, pick and draw, over as many voxels as there are.

    Only what is on screen is read, at the level that the zoom needs. Press ``?`` in the picture for its keys.

    Parameters
    ----------
    *volumes : Volume or DataArray, or mapping of them by name
        Images, bottom to top. Of a volume with two to six channels each is a layer, in its colour.
    labels : Volume, DataArray or integer array of the first volume's shape, or a mapping, optional
        Ids, drawn over the images.
    points : array (n, 3) or DataFrame with columns z, y, x, or a mapping, optional
    boxes : array (n, 2, 3) or (n, 6), list of Box, or DataFrame with columns z0 … x1, or a mapping, optional
        Start and stop of each. Ids of points and boxes are a table's column ``id`` or index, else 1, 2, 3 …
    unit : {"nm", "voxel"}
        What points and boxes count in; voxels are those of the first volume.
    metadata : DataFrame with ids as index, Annotations, or a mapping by layer, optional
        What the page shows of an id that is picked; without it the set that is drawn into, if any.
    annotations : Annotations, optional
        Where what is drawn goes, each point, line, box and stroke as a transaction of its own: a point as a seed, a box
        as a region of interest, a line as a skeleton, strokes into the labels that belong to the set. Without `labels`
        these are shown. What any view drew there is shown; what this one did, it takes back.
    kinds : mapping, optional
        Other kinds of annotation: ``{"point": "synapse", "box": "organelle"}``.
    state : dict, optional
        A ``view.state`` from before.
    height : int
        CSS pixels.
    transport : {"auto", "comm", "zarr"}, optional
        How tiles reach the page. ``"auto"``, which is what it is unless ``NDLAB_TRANSPORT`` says otherwise: streams
        over HTTP, else messages of the kernel, else the page reads public stores itself. ``"zarr"`` has it do that at
        once, ``"comm"`` has it use messages only.
    **named
        More volumes, by name.

    Returns
    -------
    ImageView
        An ipywidget; display it, or let it be the last line of a cell.

    Raises
    ------
    BadRequest
        If something is no volume, array or table, or the state does not fit.
    ReadOnly
        If the annotations cannot be written.
    Unsupported
        Where anywidget is not installed.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> brain = toy()
    >>> view = image(em=brain.volume("image"), labels={"cells": brain.volume("labels")})
    >>> view
    ImageView of image 'em', labels 'cells', xy at z 550, y 600, x 750 nm
    >>> view.goto(5, 12, 15, unit="voxel")
    >>> view.layers["cells"].opacity = 1
    >>> view.render(60, 48).shape
    (48, 60, 4)
    >>> view.close()
    """
    widget = _widget()
    from ndlab.explore.layers import collect

    pen = _pen(annotations, kinds)
    if pen is not None and labels is None:
        labels = {name: paint.volume for name, paint in pen.ann.paints.items()}
    sources = collect(volumes, named, labels, points, boxes, unit)
    metadata = _known(metadata, pen, sources)
    return widget(sources, state, metadata=metadata, annotating=pen, height=height, transport=transport)


def _known(metadata: Any, pen: Annotating | None, sources: Sequence[Source]) -> Any:
    """Return what is known of ids: unless something is said, what the set says that is drawn into."""
    if metadata is None and pen is not None and any(one.kind != "image" for one in sources):
        return pen.ann
    return metadata


def _pen(annotations: Any, kinds: Mapping[str, str] | None) -> Annotating | None:
    from ndlab.explore.annotating import Annotating

    if annotations is not None:
        return Annotating(annotations, kinds)
    if kinds is not None:
        raise BadRequest(f"kinds={dict(kinds)}", "they are those of annotations", "pass annotations=ann, too")
    return None


def project(
    given: Any, *, metadata: Any = None, annotations: Any = None, kinds: Mapping[str, str] | None = None,
    height: int = 480, **volumes: Volume,
) -> ImageView:  # fmt: skip
    """Open what ``view.save(path)`` or ``view.project()`` kept: layers, state and named views.

    Parameters
    ----------
    given : path, JSON text or mapping
    metadata, annotations, kinds, height
        As for `image`.
    **volumes
        Volumes by layer, instead of what is at the address; those that were in memory have none.

    Raises
    ------
    NotFound
        If there is no such file, or a volume is gone.
    BadRequest
        If it is no project, or lacks a volume that was in memory.
    """
    widget = _widget()
    from ndlab.explore.named_views import loaded, sources_of

    found, pen = loaded(given), _pen(annotations, kinds)
    sources = sources_of(found, volumes)
    view = widget(sources, found["state"], metadata=_known(metadata, pen, sources), annotating=pen, height=height)
    view.views.update(found["views"])
    return view


def _widget() -> type[ImageView]:
    try:
        from ndlab.explore.image_widget import ImageView
    except ModuleNotFoundError as error:
        raise Unsupported(
            "volumes were to be shown in a notebook",
            f"{error.name} is not installed",
            "pip install 'ndlab[lab]', or make a picture with ndlab.figures",
            feature="widgets",
        ) from error
    return ImageView
