"""Tiles of one or several sections, read when they are needed, and where the stage says that they are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, NotFound
from ndlab.preprocess.alignment.bands import Array
from ndlab.volume import Volume

__all__ = ["Tile", "tiles_of"]


@dataclass(frozen=True)
class Tile:
    """One picture.

    Attributes
    ----------
    name : str
    source : array, Volume or path
        Two-dimensional.
    section : int
    at : (float, float) or None
        Where the stage has its first pixel (y, x) [pixels].
    """

    name: str
    source: Any
    section: int
    at: tuple[float, float] | None

    def pixels(self) -> Array:
        """Read it, float32."""
        if isinstance(self.source, Volume):
            values: Any = self.source.read()
        elif isinstance(self.source, str | os.PathLike):
            values = _file(Path(self.source))
        else:
            values = np.asarray(self.source)
        return np.ascontiguousarray(values.reshape(self._plane(values.shape)), np.float32)

    @cached_property
    def _facts(self) -> tuple[tuple[int, int], np.dtype[Any]]:
        shape, dtype = _header(self.source)
        return self._plane(shape), dtype

    @property
    def shape(self) -> tuple[int, int]:
        """Extent (y, x) [pixels]; of a file its header is read."""
        return self._facts[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its pixels."""
        return self._facts[1]

    def _plane(self, shape: tuple[int, ...]) -> tuple[int, int]:
        found = tuple(int(n) for n in shape if n != 1)
        if len(found) != 2:
            raise BadRequest(f"tile {self.name!r} of shape {tuple(shape)}", "a tile is one plane (y, x)",
                             "pick one channel and section, e.g. vol[0]")  # fmt: skip
        return found[0], found[1]


def _header(source: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if not isinstance(source, str | os.PathLike):
        return tuple(np.shape(source)) if not isinstance(source, Volume) else source.shape, np.dtype(source.dtype)
    path = Path(source)
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile

        with tifffile.TiffFile(path) as file:
            return tuple(file.series[0].shape), np.dtype(file.series[0].dtype)
    from PIL import Image

    with Image.open(path) as picture:
        one = np.asarray(picture.crop((0, 0, 1, 1)))
        return (picture.height, picture.width, *one.shape[2:]), one.dtype


def _file(path: Path) -> Array:
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile

        return np.asarray(tifffile.imread(path))
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture)


def tiles_of(tiles: Any, layout: Any) -> list[Tile]:
    """Return tiles by name, with their sections and stage positions.

    Parameters
    ----------
    tiles : mapping of name to picture, or sequence of pictures
        Arrays, Volumes of one plane, or paths.
    layout : mapping or sequence, optional
        For each tile its section alone, or (section, y, x) [pixels].

    Raises
    ------
    BadRequest
        If there are fewer than two tiles, or the layout has other names.
    NotFound
        If a file is not there.
    """
    named = dict(tiles) if isinstance(tiles, Mapping) else {_name(one, i): one for i, one in enumerate(tiles)}
    if len(named) < 2 or (not isinstance(tiles, Mapping) and len(named) < len(tiles)):
        raise BadRequest(f"{len(named)} tile(s) by different names", "a montage is made of two or more",
                         "pass a mapping of names to pictures")  # fmt: skip
    if layout is None:
        said: Mapping[str, Any] = dict.fromkeys(named, 0)
    elif isinstance(layout, Mapping):
        said = layout
    else:
        said = dict(zip(named, layout, strict=False))
    missing = sorted(set(named) - set(said))
    if missing:
        raise BadRequest(f"a layout without {', '.join(missing)}", f"it has {', '.join(map(str, said))}"[:200],
                         "give (section, y, x), or only the section, for each tile")  # fmt: skip
    for source in named.values():
        if isinstance(source, str | os.PathLike) and not Path(source).exists():
            raise NotFound(f"no tile is at {source}", "", "check the folder and the names")
    return [Tile(name, source, *_place(said[name], name)) for name, source in named.items()]


def _name(tile: Any, number: int) -> str:
    return Path(tile).stem if isinstance(tile, str | os.PathLike) else str(number)


def _place(said: Any, name: str) -> tuple[int, tuple[float, float] | None]:
    values: Sequence[Any] = said if isinstance(said, Sequence) else [said]
    if len(values) == 1:
        return int(values[0]), None
    if len(values) != 3:
        raise BadRequest(f"layout {said!r} of tile {name!r}", "it is (section, y, x), or only the section")
    return int(values[0]), (float(values[1]), float(values[2]))
