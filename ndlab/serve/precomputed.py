"""Any volume as a Neuroglancer precomputed one, made on the fly.

A channel is a volume of its own, of one channel. Time is part of the address (``t=3/``) and 0 without it. Booleans
are served as uint8, float16 and float64 as float32, int64 labels as uint64. Levels whose corner is no whole number of
their voxels are left out, as the format cannot say where they are.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ndlab.errors import BadRequest, NotFound, OutOfBounds
from ndlab.geometry import Box
from ndlab.metadata import Kind, Multiscale, Scale
from ndlab.metadata.precomputed import write_precomputed
from ndlab.serve.guarded import Guarded
from ndlab.serve.site import Site
from ndlab.serve.voxels import read_quietly
from ndlab.volume import Volume

__all__ = ["Asked", "PrecomputedHandler", "chunk", "info", "parse"]

_CHUNK_BYTES = 1 << 21
_CHUNK_SIDE = 512
_BOX = re.compile(r"(-?\d{1,12})-(-?\d{1,12})_(-?\d{1,12})-(-?\d{1,12})_(-?\d{1,12})-(-?\d{1,12})", re.ASCII)
_TIME = re.compile(r"t=(\d{1,9})", re.ASCII)
_AS = {"bool": "uint8", "float16": "float32", "float64": "float32"}


@dataclass(frozen=True)
class Asked:
    """What an address below a name asks for: the info, or a chunk [start, stop) (z, y, x) of a level."""

    channel: str
    t: int
    level: int | None = None
    start: tuple[int, int, int] = (0, 0, 0)
    stop: tuple[int, int, int] = (0, 0, 0)


def parse(path: str) -> Asked:
    """Read what follows the name.

    Examples
    --------
    >>> parse("em/info")
    Asked(channel='em', t=0, level=None, start=(0, 0, 0), stop=(0, 0, 0))
    >>> parse("em/t=3/1/0-64_64-128_2-4")
    Asked(channel='em', t=3, level=1, start=(2, 64, 0), stop=(4, 128, 64))
    """
    parts = path.split("/")
    level: int | None = None
    start = stop = (0, 0, 0)
    if parts[-1] == "info":
        rest = parts[:-1]
    elif (found := _BOX.fullmatch(parts[-1])) and len(parts) > 1 and re.fullmatch(r"[0-9]{1,3}", parts[-2], re.ASCII):
        x0, x1, y0, y1, z0, z1 = map(int, found.groups())
        start, stop, level, rest = (z0, y0, x0), (z1, y1, x1), int(parts[-2]), parts[:-2]
    else:
        raise NotFound(f"{path[:200]!r} of a precomputed volume was asked for", "there are info and chunks, as the "
                       "format names them", "ask for info first")  # fmt: skip
    t = 0
    if rest and (time := _TIME.fullmatch(rest[-1])):
        t, rest = int(time[1]), rest[:-1]
    if len(rest) > 1:
        raise NotFound(f"{path[:200]!r} of a precomputed volume was asked for", "an address is NAME/CHANNEL/t=N/...",
                       "leave out what is not one of these")  # fmt: skip
    return Asked(rest[0] if rest else "", t, level, start, stop)


def info(volume: Volume) -> dict[str, Any]:
    """Return the info document of a volume, (z, y, x) or with t in front.

    Examples
    --------
    >>> vol = Volume.from_array(np.zeros((4, 70, 90), "u1"), (40, 4, 4), offset=(80, 0, 0))
    >>> found = info(vol)["scales"][0]
    >>> found["key"], found["size"], found["voxel_offset"], found["chunk_sizes"], found["encoding"]
    ('0', [90, 70, 4], [0, 0, 2], [[90, 70, 4]], 'raw')
    """
    levels = [level for level in volume.levels if not level.level_index or _whole(level)]
    scales = tuple(Scale(str(level.level_index), level.calibration) for level in levels)
    about = Multiscale(("z", "y", "x"), scales, name=volume.name, kind=cast(Kind, volume.kind))
    shapes = [level.box.shape for level in levels]
    return write_precomputed(about, shapes, _served_as(volume), [_chunk(level) for level in levels])


def _whole(level: Volume) -> bool:
    ratios = [o / v for o, v in zip(level.offset, level.voxel_size, strict=True)]
    return all(abs(r - round(r)) <= 1e-6 * max(1, abs(r)) for r in ratios)


def _served_as(volume: Volume) -> np.dtype[Any]:
    name = volume.dtype.newbyteorder("=").name
    if volume.kind == "labels" and name == "int64":
        name = "uint64"
    return np.dtype(_AS.get(name, name))


def _chunk(level: Volume) -> tuple[int, int, int]:
    """Return the piece that is served at once: the stored one, unless that is large, or a plane that is tiny."""
    shape = level.box.shape
    z, y, x = (min(n, max(1, c)) for n, c in zip(shape, level.chunks[-3:], strict=True))
    y, x = (min(n, max(c, 64), _CHUNK_SIDE) for n, c in zip(shape[1:], (y, x), strict=True))
    size = [min(z, _CHUNK_SIDE), y, x]
    while size[0] * size[1] * size[2] * level.dtype.itemsize > _CHUNK_BYTES:
        largest = size.index(max(size))
        size[largest] = (size[largest] + 1) // 2
    return size[0], size[1], size[2]


def chunk(volume: Volume, asked: Asked) -> bytes:
    """Return the voxels of a chunk as the format has them: x fastest.

    Raises
    ------
    OutOfBounds
        If the level does not exist, or the box leaves it.
    """
    assert asked.level is not None
    level = volume.level(asked.level)
    offset = [round(o / v) for o, v in zip(level.calibration.offset, level.voxel_size, strict=True)]
    start = [a - o for a, o in zip(asked.start, offset, strict=True)]
    stop = [b - o for b, o in zip(asked.stop, offset, strict=True)]
    if any(not 0 <= a < b <= n for a, b, n in zip(start, stop, level.box.shape, strict=True)):
        ends = [o + n for o, n in zip(offset, level.box.shape, strict=True)]
        raise OutOfBounds(f"a chunk of x, y, z {asked.start[::-1]} to {asked.stop[::-1]} at level {asked.level}",
                          f"it spans {tuple(offset[::-1])} to {tuple(ends[::-1])}", "ask for info")  # fmt: skip
    values = _read(level, start, stop, asked.t)
    wanted = _served_as(volume)
    if values.dtype.kind == "i" and wanted.kind == "u" and values.size and values.min() < 0:
        raise BadRequest("a chunk with ids below 0", "Neuroglancer's ids are at least 0", "ask for the store itself")
    return values.astype(wanted.newbyteorder("<"), copy=False).tobytes()


def _read(level: Volume, start: Sequence[int], stop: Sequence[int], t: int) -> np.ndarray[Any, Any]:
    view = level.isel(t=t) if "t" in level.axes else level
    if "t" not in level.axes and t:
        raise OutOfBounds(f"time point {t} was asked for", "the volume has none", "leave t=N out of the address")
    return read_quietly(view.boxed(Box(start, stop, level.level_index)))


class PrecomputedHandler(Guarded):
    """Answers info and chunks."""

    def asked_names(self, *parts: str) -> Collection[str]:
        """Return the name."""
        return parts[:1]

    async def get(self, name: str, path: str) -> None:
        """Answer one address."""
        asked = parse(path)
        content_type, body, packed = await self.threads.run(_answer, self.site, name, asked, self._gzip)
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", "Accept-Encoding, Origin")
        if packed:
            self.set_header("Content-Encoding", "gzip")
        self.finish(body)

    @property
    def _gzip(self) -> bool:
        return "gzip" in self.request.headers.get("Accept-Encoding", "")


def _answer(site: Site, name: str, asked: Asked, gzip: bool) -> tuple[str, bytes, bool]:
    """Return the content type, the body, and whether it is packed."""
    volume = site.channel(name, asked.channel).volume
    if asked.level is None:
        _check_time(volume, asked.t)
        return "application/json", json.dumps(info(volume)).encode(), False
    count = 1
    for a, b in zip(asked.start, asked.stop, strict=True):
        count *= max(0, b - a)
    site.limits.check_voxels(count * volume.dtype.itemsize)
    body = chunk(volume, asked)
    # Ids are few and in runs: a fiftieth of the bytes. EM hardly compresses, and is sent as it is.
    packed = gzip and volume.kind == "labels"
    return "application/octet-stream", _gzipped(body) if packed else body, packed


def _check_time(volume: Volume, t: int) -> None:
    count = dict(zip(volume.axes, volume.shape, strict=True)).get("t", 1)
    if t >= count:
        raise OutOfBounds(f"time point {t} was asked for", f"there are 0 to {count - 1}", "ask for one of them")


def _gzipped(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
