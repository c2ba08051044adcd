"""The tile service: planes of volumes as frames, for a page that scrolls, pans and plays.

It knows nothing of HTTP or of comms: a query is a flat mapping of text, an answer an iterator of packed frames. The
server, the kernel's own and the comm of a widget all mount the same one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, NdlabError, NotFound, OutOfBounds
from ndlab.geometry import Int3
from ndlab.serve.frames import image_frame, label_frame, needs_window, sent_as
from ndlab.serve.layers import Layer, Source
from ndlab.serve.query import AXES, Encoding, Play, Tiles, parse_play, parse_tiles
from ndlab.serve.wire import LAST, VERSION, Frame
from ndlab.volume import Volume

__all__ = ["TileService", "hello"]

Cancelled = Callable[[], bool]


def hello() -> dict[str, Any]:
    """Return what a page asks first: whether somebody here speaks its language."""
    return {"v": VERSION, "stream": True, "codecs": ["raw", "jpeg", "palette"]}


def _never() -> bool:
    return False


class TileService:
    """Volumes by id, answered tile by tile. Any thread may call anything at any time.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> service = TileService()
    >>> vol = service.add(toy().volume("labels"))
    >>> service.info(vol)["levels"][0]["shape"]
    [10, 24, 30]
    >>> len(list(service.tiles({"vol": vol, "s": "16", "k": "5,0,0;5,0,1"})))
    2
    >>> service.close()
    """

    def __init__(self) -> None:
        self._layers: dict[str, Layer] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()

    def __enter__(self) -> TileService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget every volume and free what was kept of them."""
        self._layers.clear()

    # --- volumes ----------------------------------------------------------------------------------------------

    def add(self, volume: Volume, id: str | None = None) -> str:  # noqa: A002 - the name of the contract
        """Register a volume and return its id; an id that is in use is given to the new volume.

        Raises
        ------
        BadRequest
            If the id is empty, or has a comma, which parts ids in a request to play.
        """
        with self._lock:
            name = id if id is not None else next(n for i in self._numbers if (n := f"v{i}") not in self._layers)
            if not name or "," in name:
                raise BadRequest(f"the id {name!r}", "an id is a text without commas", "pass another, or none")
            self._layers[name] = Layer(name, volume)
        return name

    def remove(self, id: str) -> None:  # noqa: A002
        """Forget a volume; raises `NotFound` if there is none of that id."""
        self._layer(id)
        self._layers.pop(id, None)

    def volume(self, id: str) -> Volume:  # noqa: A002
        """Return the volume of an id."""
        return self._layer(id).volume

    def info(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return what a page has to know of a volume, as plain JSON values: `Layer.info`."""
        return self._layer(id).info()

    def touch(self, id: str) -> int:  # noqa: A002
        """Say that a volume changed in a way that it cannot know of, in memory for instance; return its version."""
        layer = self._layer(id)
        with self._lock:
            layer.touches += 1
        return layer.version

    def _layer(self, name: str) -> Layer:
        found = self._layers.get(name)
        if found is None:
            known = ", ".join(sorted(self._layers)[:12]) or "none"
            raise NotFound(
                f"no volume {name[:80]!r} here", f"there are: {known}", "add it with TileService.add(volume)"
            )
        return found

    # --- planes -----------------------------------------------------------------------------------------------

    def tiles(self, query: Mapping[str, str], cancelled: Cancelled = _never) -> Iterator[bytes]:
        """Answer a request for tiles: one packed frame for each key, as they become ready.

        Parameters
        ----------
        query : mapping of str
            As `query.parse_tiles` reads it.
        cancelled : callable
            Asked before each frame; once it is true, nothing more is read and the iterator ends.

        Raises
        ------
        BadRequest, NotFound, OutOfBounds
            At once, not when the first frame is taken. What cannot be read later is a frame that says why.
        """
        asked = parse_tiles(query)
        layer = self._layer(asked.vol)
        source = self._source(layer, asked.level, asked.t, asked.c, asked.encoding)
        return self._tiles(asked, source, cancelled)

    def _tiles(self, asked: Tiles, source: Source | NdlabError, cancelled: Cancelled) -> Iterator[bytes]:
        for index, (d, r, c) in enumerate(asked.keys):
            if cancelled():
                return
            rows, columns = ((i * asked.side, (i + 1) * asked.side) for i in (r, c))
            frame = self._frame(source, asked.axis, d, (*rows, *columns), asked.encoding)
            yield frame.pack(index, LAST if index == len(asked.keys) - 1 else 0)

    def play(self, query: Mapping[str, str], cancelled: Cancelled = _never) -> Iterator[bytes]:
        """Answer a request to play planes: one packed frame for each plane and layer, in order; as `tiles` otherwise.

        Planes beyond the volume are left out.
        """
        asked = parse_play(query)
        layers = [self._layer(name) for name in asked.vols]
        for layer in layers:
            self._source(layer, asked.level, asked.t, asked.c, asked.encoding)
        return self._play(asked, layers, cancelled)

    def _play(self, asked: Play, layers: list[Layer], cancelled: Cancelled) -> Iterator[bytes]:
        total = len(asked.planes)
        for number, d in enumerate(asked.planes):
            for which, layer in enumerate(layers):
                if cancelled():
                    return
                # Asked for anew at each plane: what was written meanwhile is shown.
                source = self._source(layer, asked.level, asked.t, asked.c, asked.encoding)
                frame = self._frame(source, asked.axis, d, asked.box, asked.encoding)
                last = number == total - 1 and which == len(layers) - 1
                yield frame.pack(number & 0xFFFF, LAST if last else 0, which)

    def pixel(self, id: str, z: int, y: int, x: int, level: int = 0, t: int = 0, c: int = 0) -> int | float | bool:  # noqa: A002
        """Return the value of one voxel of a level, exactly.

        Raises
        ------
        OutOfBounds
            If it lies outside.
        """
        source = self._layer(id).source(level, t, c)
        if not all(0 <= i < n for i, n in zip((z, y, x), source.shape, strict=True)):
            raise OutOfBounds(f"voxel {(z, y, x)} of {id!r} was asked for", f"level {level} spans {source.shape}")
        at = _shifted((z, y, x), source.start)
        value: int | float | bool = source.read(at, _shifted(at, (1, 1, 1))).reshape(()).item()
        return value

    def _source(self, layer: Layer, level: int, t: int, c: int, encoding: Encoding) -> Source | NdlabError:
        """Return where to read, or why a level that the store names cannot be."""
        try:
            source = layer.source(level, t, c)
        except OutOfBounds:
            raise
        except NdlabError as error:
            return error
        plain = encoding.quality is None or encoding.window is not None or source.labels
        if not plain and (sent := sent_as(source.array.dtype)) != np.uint8:
            raise needs_window(sent)
        return source

    def _frame(
        self, source: Source | NdlabError, axis: str, d: int, box: tuple[int, int, int, int], encoding: Encoding
    ) -> Frame:
        if isinstance(source, NdlabError):
            return Frame.error(str(source))
        depth, rows, columns = AXES[axis]
        r0, r1, c0, c1 = box
        r1, c1 = min(r1, source.shape[rows]), min(c1, source.shape[columns])
        if not (0 <= d < source.shape[depth] and 0 <= r0 < r1 and 0 <= c0 < c1):
            return Frame.outside()
        start, stop = [0, 0, 0], [0, 0, 0]
        start[depth], start[rows], start[columns] = d, r0, c0
        stop[depth], stop[rows], stop[columns] = d + 1, r1, c1
        try:
            block = source.read(_shifted(start, source.start), _shifted(stop, source.start))
        except (NdlabError, OSError, MemoryError) as error:
            return Frame.error(str(error))
        plane = np.moveaxis(block, (depth, rows, columns), (0, 1, 2))[0]
        return (label_frame if source.labels else image_frame)(plane, encoding)

    def stats(self) -> dict[str, int]:
        """Return counts since the service began: hits, misses, reads in flight, and bytes kept now."""
        return {"hits": 0, "misses": 0, "in_flight": 0, "bytes": 0}


def _shifted(at: Any, by: Int3) -> Int3:
    z, y, x = (int(a) + b for a, b in zip(at, by, strict=True))
    return z, y, x
