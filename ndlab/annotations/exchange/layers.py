"""Folders of Neuroglancer's: which of them an address means, and what is in one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ndlab.annotations.exchange import precomputed, segment_properties
from ndlab.errors import BadRequest, NotFound, ReadOnly, Unsupported

__all__ = ["is_layer", "is_own", "place", "read", "write"]

_SCHEME = "precomputed://"
_READERS = {
    "neuroglancer_annotations_v1": precomputed.read,
    "neuroglancer_segment_properties": segment_properties.read,
}


def is_layer(address: str | os.PathLike[str]) -> bool:
    """Tell whether an address is of such a folder."""
    return os.fspath(address).startswith(_SCHEME)


def place(address: str | os.PathLike[str]) -> Path:
    """Return the local folder of an address."""
    rest = os.fspath(address).removeprefix(_SCHEME).removeprefix("file://")
    if "://" in rest or not rest:
        raise Unsupported(f"annotations at {os.fspath(address)}", "precomputed annotations are written to and read "
                          "from local folders", "copy the folder", feature="remote annotations")  # fmt: skip
    return Path(rest).expanduser().absolute()


def is_own(path: Path) -> bool:
    """Tell whether a folder holds what may be replaced: annotations or segment properties."""
    try:
        return bool(json.loads((path / "info").read_text())["@type"] in _READERS)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write(source: Any, part: Path, *, segments: bool = False, **options: Any) -> None:
    """Write a query or a Parquet file as annotations, or as the properties of segments."""
    if not hasattr(source, "batches"):
        source = Path(source).expanduser()
        if not source.is_file():
            raise NotFound(f"no file at {source}", "", "check the path")
    if not part.parent.is_dir():
        raise ReadOnly(f"{part.parent} is no folder", "", "make it first")
    try:
        (segment_properties.write if segments else precomputed.write)(source, part, **options)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise BadRequest(f"options {', '.join(options)}", str(error), "see help(Query.export)") from None


def read(folder: Path, **options: Any) -> Iterator[dict[str, Any]]:
    """Yield the columns of pieces of a folder."""
    path = folder / "info"
    if not path.is_file():
        raise NotFound(f"no annotations at {folder}", "there is no file info", "name the folder that has it")
    try:
        kind = json.loads(path.read_text()).get("@type")
    except (ValueError, AttributeError):
        kind = None
    if kind not in _READERS:
        raise Unsupported(f"{folder} holds {kind!r}", f"annotations are {' or '.join(_READERS)}",
                          "a volume is opened with ndlab.open", feature=str(kind))  # fmt: skip
    yield from _READERS[kind](folder, **options)
