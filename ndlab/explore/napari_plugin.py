"""What napari asks ndlab for: readers of stores, files, annotations and graphs. ``ndlab/napari.yaml`` names it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.errors import NdlabError
from ndlab.explore import desktop_layers as made_of

if TYPE_CHECKING:
    from ndlab.explore.desktop_layers import Layer

__all__ = ["reader"]

# What says that a folder is a store, and what that a folder is a set of annotations.
_STORES = ("zarr.json", ".zattrs", ".zarray", ".zgroup", "info", "attributes.json")
_DATABASE = "objects.sqlite"
_GRAPHS = (".graphml", ".gml", ".gexf", ".geff")
_FILES = (".h5", ".hdf5", ".nii", ".nii.gz", ".nrrd", ".nhdr", ".npy", ".zip")


def reader(path: str | list[str]) -> Callable[[Any], list[Layer]] | None:
    """Return what reads a path, or None if ndlab does not open what is there.

    Parameters
    ----------
    path : str or list of str
        What was dropped on napari.

    Examples
    --------
    >>> import tempfile
    >>> from ndlab.samples import toy
    >>> store = toy().volume("image").like(tempfile.mkdtemp() + "/em.zarr")
    >>> ((_, how, kind),) = reader(store.url)(store.url)
    >>> kind, how["scale"]
    ('image', (100.0, 50.0, 50.0))
    >>> reader("notes.docx") is None
    True
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    return _read if paths and all(map(_ours, map(str, paths))) else None


def _ours(path: str) -> bool:
    lower = path.lower().rstrip("/")
    if "://" in path:
        return True
    here = Path(path)
    if here.is_dir():
        return any((here / name).exists() for name in (*_STORES, _DATABASE))
    return here.is_file() and (lower.endswith(_FILES + _GRAPHS) or here.name == _DATABASE)


def _read(path: Any) -> list[Layer]:
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    return [layer for one in paths for layer in _layers(str(one))]


def _layers(path: str) -> list[Layer]:
    """Return the layers of one address: of a store also those of its labels and annotations."""
    from ndlab.opening import open as open_any
    from ndlab.volume import Volume

    found = open_any(path)
    name = Path(path.rstrip("/")).name.partition(".")[0]
    if not isinstance(found, Volume):
        from ndlab.graph import Graph

        return made_of.graph_layers(found, name=name) if isinstance(found, Graph) else made_of.annotation_layers(found)
    layers = made_of.volume_layers(found, name)
    inside = Path(path)
    if inside.is_dir():
        for one in sorted((inside / "labels").glob("*/")):
            layers += _inside(lambda one=one: _labels(one))  # type: ignore[misc]
        for one in sorted((inside / "annotations").glob(f"*/{_DATABASE}")):
            layers += _inside(lambda one=one: _annotations(one.parent))  # type: ignore[misc]
    return layers


def _labels(folder: Path) -> list[Layer]:
    from ndlab.volume import open as open_volume

    return made_of.volume_layers(open_volume(folder), folder.name)


def _annotations(folder: Path) -> list[Layer]:
    from ndlab.annotations import Annotations

    with Annotations.open(folder, readonly=True) as ann:
        return made_of.annotation_layers(ann)


def _inside(layers: Callable[[], list[Layer]]) -> list[Layer]:
    """Return what stands beside an image; what cannot be opened there keeps nobody from the image."""
    import warnings

    try:
        return layers()
    except (NdlabError, OSError) as error:
        warnings.warn(f"left out: {error}", stacklevel=2)
        return []
