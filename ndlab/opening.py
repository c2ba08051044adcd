"""`ndlab.open`: what is at an address, as the noun that it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

if TYPE_CHECKING:
    from ndlab.annotations import Annotations
    from ndlab.graph import Graph

__all__ = ["open"]

# As `annotations.database.FILE`; named here so that opening a volume imports no database.
_DATABASE = "objects.sqlite"
# Endings that only graphs have, of those in `graph.files.FORMATS`.
_GRAPHS = (
    ".graphml", ".gml", ".gexf", ".net", ".pajek", ".edgelist", ".adjlist", ".attredge", ".geff", ".lgl", ".dimacs",
    ".dl", ".graphdb",
)  # fmt: skip


def open(  # noqa: A001 - as in zarr and xarray
    url: str | os.PathLike[str], **options: Any
) -> Volume | Annotations | Graph:
    """Open what is at an address as a `Volume`, or as `Annotations` or a `Graph` where there is one of those.

    Parameters
    ----------
    url : str or path
        See `ndlab.volume.open` for volumes and `Annotations.open` for annotations: a folder that holds
        ``objects.sqlite``, or a ``postgresql://`` address. A file that ends as graph files do (``.graphml``, ``.gml``,
        ``.gexf``, ``.edgelist`` …) is a graph; others, such as ``.csv`` or ``.parquet``, `ndlab.graph.read` reads.
    **options
        As those take them.

    Examples
    --------
    >>> import tempfile
    >>> from ndlab.annotations import Annotations
    >>> folder = tempfile.mkdtemp() + "/synapses"
    >>> _ = Annotations.create(folder, voxel_size=(40, 4, 4))
    >>> type(open(folder)).__name__
    'Annotations'
    """
    if _graph(url):
        from ndlab.graph import read

        return read(url, **options)
    if not _annotations(url):
        return open_volume(url, **options)
    from ndlab.annotations import Annotations

    strange = sorted(set(options) - {"author", "readonly"})
    if strange:
        raise BadRequest(f"annotations opened with {', '.join(strange)}", "they take author and readonly",
                         "ndlab.open(path) is enough")  # fmt: skip
    return Annotations.open(url, **options)


def _graph(url: Any) -> bool:
    return isinstance(url, str | os.PathLike) and os.fspath(url).lower().rstrip("/").endswith(_GRAPHS)


def _annotations(url: Any) -> bool:
    if not isinstance(url, str | os.PathLike):
        return False
    text = os.fspath(url)
    if text.startswith(("postgresql://", "postgresql+", "postgres://")):
        return True
    if "://" in text and not text.startswith("file://"):
        return False
    path = Path(text.removeprefix("file://")).expanduser()
    return path.name == _DATABASE or (path / _DATABASE).is_file()
