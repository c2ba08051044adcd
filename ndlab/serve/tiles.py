"""The tile service: planes of volumes as frames, for a page that scrolls, pans and plays.

It knows nothing of HTTP or of comms: a query is a flat mapping of text, an answer an iterator of packed frames. The
server, the kernel's own and the comm of a widget all mount the same one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, NdlabError, NotFound, OutOfBounds
from ndlab.serve.frames import image_frame, label_frame, needs_window, sent_as, warm_up
from ndlab.serve.layers import Layer, Source
from ndlab.serve.motion import Look, Trend
from ndlab.serve.query import AXES, Encoding, Play, Tiles, parse_play, parse_tiles
from ndlab.serve.reading import Cut, Reader, cut_of
from ndlab.serve.recent import RecentFrames
from ndlab.serve.slabs import SlabCache, shared_cache
from ndlab.serve.wire import ABSENT, LAST, Codec, Frame
from ndlab.volume import Volume

__all__ = ["TileService"]

_PLAYED = 60.0  # requests to play are read ahead for this many planes a second
Cancelled = Callable[[], bool]


def _never() -> bool:
    return False


class TileService:
    """Volumes by id, answered tile by tile. Any thread may call anything at any time.

    Parameters
    ----------
    cache : SlabCache, optional
        Where decoded voxels are kept; without it the one of this process (`slabs.shared_cache`).
    ahead : bool
        Read ahead of scrolls, pans and zooms.
    words : callable, optional
        What is told of an error in its place, for pages that are not to learn where a store lies.

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

    def __init__(self, cache: SlabCache | None = None, ahead: bool = True, words: Callable[[str], str] = str) -> None:
        self._words = words
        self._layers: dict[str, Layer] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._recent = RecentFrames()
        self._reader = Reader(cache if cache is not None else shared_cache(), ahead)

    def __enter__(self) -> TileService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget every volume, free what was kept of them, and stop reading ahead."""
        self._reader.close()
        self._recent.clear()
        with self._lock:
            gone = list(self._layers.values())
            self._layers.clear()
        for layer in gone:
            self._forget(layer)

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
            old, self._layers[name] = self._layers.get(name), Layer(name, volume)
        if old is not None:
            self._forget(old)
        if self._layers[name].labels:
            warm_up(volume.dtype.itemsize)
        return name

    def remove(self, id: str) -> None:  # noqa: A002
        """Forget a volume; raises `NotFound` if there is none of that id."""
        layer = self._layer(id)
        with self._lock:
            self._layers.pop(id, None)
        self._forget(layer)

    def _forget(self, layer: Layer) -> None:
        with self._lock:
            others = {address for one in self._layers.values() for address in one.addresses}
        for address in set(layer.addresses) - others:
            self._reader.cache.forget(address)

    def volume(self, id: str) -> Volume:  # noqa: A002
        """Return the volume of an id."""
        return self._layer(id).volume

    def info(self, id: str, wait: bool = True) -> dict[str, Any]:  # noqa: A002
        """Return what a page has to know of a volume, as plain JSON values: `Layer.info`.

        Without `wait` the default window of a remote volume is a provisional one until it is found; `found` tells.
        """
        about = self._layer(id).info(wait)
        for level in about["levels"]:
            level["missing"] = level["missing"] and self._words(level["missing"])
        return about

    def window(self, id: str, c: int) -> tuple[float, float] | None:  # noqa: A002
        """Return the default window of a channel, of a remote volume a provisional one until it is found."""
        layer = self._layer(id)
        return layer.windows.soon(layer.version, c)

    def found(self, id: str) -> int:  # noqa: A002
        """Return how many default windows of a volume have been found since they were asked for."""
        return self._layer(id).windows.found

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
        return self._tiles(asked, layer, source, cancelled)

    def _tiles(self, asked: Tiles, layer: Layer, source: Source | NdlabError, cancelled: Cancelled) -> Iterator[bytes]:
        """Answer what is ready first, the rest as it is read."""
        left = len(asked.keys)
        waiting: list[Callable[[], tuple[int, Frame]]] = []
        for index, (d, r, c) in enumerate(asked.keys):
            box = (r * asked.side, (r + 1) * asked.side, c * asked.side, (c + 1) * asked.side)
            cut = self._cut(source, asked.axis, d, box)
            if isinstance(cut, Cut) and not self._reader.ready(cut):
                waiting.append(partial(self._numbered, index, cut, asked.encoding))
                continue
            if cancelled():
                return
            left -= 1
            yield self._frame(cut, asked.encoding).pack(index, 0 if left else LAST)
        if not isinstance(source, NdlabError):
            self._reader.follow(layer, _look(asked), asked.axis, asked.t, asked.c)
        for index, frame in self._reader.each(waiting, cancelled):
            left -= 1
            yield frame.pack(index, 0 if left else LAST)

    def _numbered(self, index: int, cut: Cut, encoding: Encoding) -> tuple[int, Frame]:
        return index, self._frame(cut, encoding)

    def play(self, query: Mapping[str, str], cancelled: Cancelled = _never) -> Iterator[bytes]:
        """Answer a request to play planes: one packed frame for each plane and layer, in order; as `tiles` otherwise.

        Planes beyond the deepest of the volumes are left out; if all are, one frame says so.
        """
        asked = parse_play(query)
        layers = [self._layer(name) for name in asked.vols]
        for layer in layers:
            self._source(layer, asked.level, asked.t, asked.c, asked.encoding)
        return self._play(asked, layers, cancelled)

    def _play(self, asked: Play, layers: list[Layer], cancelled: Cancelled) -> Iterator[bytes]:
        axis = AXES[asked.axis][0]
        shapes = [layer.shapes[asked.level] for layer in layers]
        numbers = asked.inside(max((shape[axis] for shape in shapes if shape is not None), default=1))
        if not numbers:
            yield Frame.outside().pack(0, LAST)
        trend = Trend(1 if asked.step > 0 else -1, abs(asked.step), _PLAYED * abs(asked.step))
        for number in numbers:
            d = asked.planes[number]
            for which, layer in enumerate(layers):
                # Asked for anew at each plane: what was written meanwhile is shown.
                source = self._source(layer, asked.level, asked.t, asked.c, asked.encoding)
                if not isinstance(source, NdlabError):
                    look = Look(asked.level, d, asked.box[:2], asked.box[2:])
                    self._reader.follow(layer, look, asked.axis, asked.t, asked.c, trend)
                cut = self._cut(source, asked.axis, d, asked.box)
                if isinstance(cut, Cut):
                    self._reader.fill(cut, cancelled)
                if cancelled():
                    return
                frame = self._frame(cut, asked.encoding)
                last = number == numbers[-1] and which == len(layers) - 1
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
        cut = cut_of(source, "xy", z, (y, y + 1, x, x + 1))
        value: int | float | bool = source.read(cut.start, cut.stop).reshape(()).item()
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

    def _cut(self, source: Source | NdlabError, axis: str, d: int, box: tuple[int, int, int, int]) -> Cut | Frame:
        """Place a rectangle, clipped to the level; or the frame of one that lies outside or cannot be read."""
        if isinstance(source, NdlabError):
            return Frame.error(self._words(str(source)))
        depth, rows, columns = AXES[axis]
        r0, r1, c0, c1 = box
        r1, c1 = min(r1, source.shape[rows]), min(c1, source.shape[columns])
        if not (0 <= d < source.shape[depth] and 0 <= r0 < r1 and 0 <= c0 < c1):
            return Frame.outside()
        return cut_of(source, axis, d, (r0, r1, c0, c1))

    def _frame(self, cut: Cut | Frame, encoding: Encoding) -> Frame:
        """Read and pack a rectangle of a plane; what cannot be read becomes a frame that says why."""
        if isinstance(cut, Frame):
            return cut
        try:
            return self._labels(cut) if cut.source.labels else self._image(cut, encoding)
        except NdlabError as error:
            return Frame.error(self._words(str(error)))
        except Exception as error:  # whatever a codec raises: the other tiles can still be read
            return Frame.error(self._words(f"{type(error).__name__}: {error}"[:800]))

    def _image(self, cut: Cut, encoding: Encoding) -> Frame:
        piece = self._reader.plane(cut)
        frame = image_frame(piece.values, encoding)
        return replace(frame, flags=ABSENT) if piece.absent else replace(frame, holes=piece.holes)

    def _labels(self, cut: Cut) -> Frame:
        """Pack labels; packed they take a tenth of a byte a pixel, and are kept for whoever comes back."""
        key = cut.source.key(cut.start, cut.stop), cut.axis
        kept = self._recent.get(key)
        if kept is not None:
            return kept
        piece = self._reader.plane(cut)
        frame = label_frame(piece.values, piece.ids, piece.same)
        if piece.absent:
            frame = replace(frame, flags=ABSENT)
        if cut.source.kept and frame.codec is Codec.ROWS:
            self._recent.put(key, frame)
        return frame

    def stats(self) -> dict[str, int]:
        """Return counts of the cache (hits, misses, evicted ...), its bytes, and reads in flight and planned ahead."""
        ahead = self._reader.ahead
        return self._reader.cache.stats() | {"ahead": ahead.waiting if ahead is not None else 0}


def _look(asked: Tiles) -> Look:
    """Say what a request shows: the plane of its first key, and the hull of the tiles in it."""
    d = asked.keys[0][0]
    rows, columns = zip(*((r, c) for at, r, c in asked.keys if at == d), strict=True)
    (r0, r1), (c0, c1) = ((min(i) * asked.side, (max(i) + 1) * asked.side) for i in (rows, columns))
    return Look(asked.level, d, (r0, r1), (c0, c1))
