"""The voxels of a view as the files of small Zarr stores, which the page's own reader takes from the page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.errors import TooLarge
from ndlab.explore.live import STATIC
from ndlab.explore.stored import stored
from ndlab.ingesting import ingest
from ndlab.volume import Volume

if TYPE_CHECKING:
    from ndlab.explore.image_widget import ImageView

__all__ = ["exported"]

_INLINE = "inline:"


@contextmanager
def exported(view: ImageView, level: int, limit_mb: float) -> Iterator[tuple[ImageView, dict[str, Any]]]:
    """Yield a view of the same state over copies of the volumes, and the traits that let a page read these by itself.

    Raises
    ------
    TooLarge
        If the voxels are more than `limit_mb` before they are packed.
    """
    from ndlab.explore.image_widget import ImageView

    finest = {name: _from(volume, level) for name, volume in view.volumes.items()}
    size = sum(volume.nbytes for volume in finest.values()) / 1e6
    if size > limit_mb:
        raise TooLarge(
            f"{size:,.0f} MB of voxels in one HTML file", f"at most {limit_mb:,.0f} MB would be packed",
            f"pass level={level + 1}, which leaves finer voxels out, link a view of a smaller box, or pass limit_mb=",
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        copies = {
            name: ingest(
                one, Path(folder, f"{number}.ome.zarr"), kind=one.kind, name=name, workers=1, progress=False, say=_quiet
            )
            for number, (name, one) in enumerate(finest.items())
        }
        sources = [replace(one, volume=copies.get(name)) for name, one in view.sources.items()]
        copy = ImageView(sources, view.state, height=view.height, transport="comm")
        try:
            copy.linked, copy.channel = view.linked, view.channel
            infos = {name: info | _where(copies.get(name), folder) for name, info in copy.infos.items()}
            yield copy, {"infos": infos, "files": _files(folder), "reader": _reader(), "transport": "zarr"}
        finally:
            copy.close()


def _quiet(line: str) -> None:
    """Say nothing: nobody asked for a store."""


def _from(volume: Volume, level: int) -> Volume:
    return volume.levels[min(level, len(volume.levels) - 1)] if level else volume


def _where(copy: Volume | None, folder: str) -> dict[str, Any]:
    if copy is None:
        return {}
    found = stored(copy, copy.kind == "labels", lambda url: _INLINE + str(Path(url).relative_to(folder).as_posix()))
    return {"stored": found}


def _files(folder: str) -> dict[str, bytes]:
    """Return what arrays are made of, by the address that the reader asks."""
    return {
        _INLINE + path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def _reader() -> str:
    return (STATIC / "zarr.js").read_text(encoding="utf-8")
