"""The JSON API below /v1: what there is, what it is like, and boxes of it as npy, raw bytes or PNG."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from ndlab import render
from ndlab.errors import BadRequest, OutOfBounds
from ndlab.geometry import Box
from ndlab.serve.guarded import Guarded
from ndlab.serve.handlers import query_of
from ndlab.serve.openapi import ROUTES, document
from ndlab.serve.site import Site
from ndlab.serve.voxels import read_quietly
from ndlab.volume import Volume

__all__ = ["ChannelHandler", "CutoutHandler", "IndexHandler", "OpenApiHandler", "VolumeHandler", "VolumesHandler"]

Format = Literal["npy", "raw", "png"]
_SLICE = re.compile(r"(\d{0,15})(:?)(\d{0,15})", re.ASCII)


class _Listed(Guarded):
    """Answers JSON about what may be listed to anybody who may ask at all."""

    def asked_names(self, *parts: str) -> Collection[str] | None:
        """Return None: what is listed is what the asker may see."""
        return None

    def answer(self, value: Any) -> None:
        """Answer a JSON value."""
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-cache")
        self.finish(json.dumps(value))


class IndexHandler(_Listed):
    """Says what this is."""

    async def get(self) -> None:
        """Answer."""
        routes = [{"path": one.path, "about": one.about} for one in ROUTES]
        self.answer({"service": "ndlab", "volumes": f"{self.base}/v1/volumes",
                     "openapi": f"{self.base}/v1/openapi.json", "routes": routes})  # fmt: skip


class OpenApiHandler(_Listed):
    """Answers the OpenAPI document."""

    async def get(self) -> None:
        """Answer."""
        access = self.site.access
        anybody = access.open or bool(access.public)
        self.answer(document(anybody=anybody) | {"servers": [{"url": self.base or "/"}]})


class VolumesHandler(_Listed):
    """Lists names and channels."""

    async def get(self) -> None:
        """Answer."""
        found = await self.threads.run(self.site.listed, self.full)
        self.answer({"volumes": [{"name": name, "channels": channels} for name, channels in found.items()]})


class _Named(_Listed):
    def asked_names(self, *parts: str) -> Collection[str] | None:
        """Return the name."""
        return parts[:1]


class VolumeHandler(_Named):
    """Describes one name."""

    async def get(self, name: str) -> None:
        """Answer."""
        channels = await self.threads.run(self.site.names.channels, name)
        links = {one: self.site.links(self.base, name, one) for one in channels}
        self.answer({"name": name, "channels": list(channels), "links": links})


class ChannelHandler(_Named):
    """Describes one channel."""

    async def get(self, name: str, channel: str) -> None:
        """Answer."""
        vol = f"{name}/{channel}"
        facts = await self.threads.run(_facts, self.site, vol)
        self.answer(facts | {"links": self.site.links(self.base, name, channel)})


def _facts(site: Site, vol: str) -> dict[str, Any]:
    site.show([vol])
    return site.tiles.info(vol)


@dataclass(frozen=True)
class Cutout:
    """What a query asks for; the box is in voxels of the level, without one all of it."""

    level: int
    box: tuple[tuple[int | None, int | None, bool], ...]
    t: int | None
    form: Format
    window: tuple[float, float] | None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Cutout:
        """Read a query.

        Examples
        --------
        >>> Cutout.parse({"box": "3,0:64,:", "level": "1"})
        Cutout(level=1, box=((3, 4, True), (0, 64, False), (None, None, False)), t=None, form='npy', window=None)
        """
        unknown = sorted(set(query) - {"box", "level", "t", "format", "win", "token"})
        if unknown:
            raise BadRequest(f"parameter {unknown[0][:50]!r}", "there are box, level, t, format, win", "use these")
        form = query.get("format", "npy")
        if form not in ("npy", "raw", "png"):
            raise BadRequest(f"format {form[:50]!r}", "there are npy, raw and png", "ask for one of them")
        window = _window(query["win"]) if "win" in query else None
        t = _number(query["t"], "t") if "t" in query else None
        return cls(_number(query.get("level", "0"), "level"), _box(query.get("box", ":,:,:")), t,
                   cast(Format, form), window)  # fmt: skip


def _number(text: str, name: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise BadRequest(f"{name}={text[:50]!r}", "it is a whole number", f"ask for {name}=0")
    return int(text)


def _box(text: str) -> tuple[tuple[int | None, int | None, bool], ...]:
    found = [_SLICE.fullmatch(part) for part in text.split(",")]
    if len(found) != 3 or not all(one and (one[1] or one[2]) and (one[2] or not one[3]) for one in found):
        raise BadRequest(f"box={text[:100]!r}", "it is three ranges or numbers", "ask for box=z0:z1,y0:y1,x0:x1")
    return tuple(_range(one) for one in found if one is not None)


def _range(found: re.Match[str]) -> tuple[int | None, int | None, bool]:
    first, colon, last = found.groups()
    if not colon:
        return int(first), int(first) + 1, True
    return int(first) if first else None, int(last) if last else None, False


def _window(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise BadRequest(f"win={text[:50]!r}", "a window is two numbers", "ask for win=0,255") from None
    return low, high


class CutoutHandler(_Named):
    """Answers a box of voxels."""

    async def get(self, name: str, channel: str) -> None:
        """Answer."""
        asked = Cutout.parse(query_of(self))
        content_type, headers, body = await self.threads.run(_cut, self.site, name, channel, asked)
        for header, value in headers.items():
            self.set_header(header, value)
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-cache")
        self.finish(body)


def _cut(site: Site, name: str, channel: str, asked: Cutout) -> tuple[str, dict[str, str], bytes]:
    volume = site.channel(name, channel).volume
    level = volume.level(asked.level)
    view = _picked(level, asked)
    site.limits.check_voxels(view.nbytes)
    if asked.form == "png":
        site.limits.check_pixels(view.size)
    values = read_quietly(view)
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    headers = {"X-Ndlab-Shape": ",".join(map(str, values.shape)), "X-Ndlab-Dtype": little.dtype.str}
    if level.level_index and view.stale:
        headers["X-Ndlab-Stale"] = "finer voxels were written after this level was made"
    if asked.form == "raw":
        return "application/octet-stream", headers, little.tobytes()
    if asked.form == "png":
        return "image/png", headers, _png(volume, values, asked)
    out = io.BytesIO()
    np.save(out, little, allow_pickle=False)
    return "application/octet-stream", headers, out.getvalue()


def _picked(level: Volume, asked: Cutout) -> Volume:
    """Cut the view; an axis with one number is dropped."""
    if asked.t is not None:
        level = level.isel(t=asked.t)
    shape = level.box.shape
    start = [a or 0 for a, _, _ in asked.box]
    stop = [n if b is None else b for (_, b, _), n in zip(asked.box, shape, strict=True)]
    if any(not 0 <= a < b <= n for a, b, n in zip(start, stop, shape, strict=True)):
        raise OutOfBounds(f"box {start} to {stop} (z, y, x) at level {asked.level}", f"it spans 0 to {list(shape)}",
                          "ask for a box inside it")  # fmt: skip
    view = level.boxed(Box(start, stop, level.level_index))
    return view[tuple(0 if one else slice(None) for _, _, one in asked.box)]


def _png(volume: Volume, values: np.ndarray[Any, Any], asked: Cutout) -> bytes:
    flat = values.squeeze() if values.ndim > 2 else values
    if flat.ndim != 2:
        raise BadRequest(f"a picture of {values.shape} voxels", "a PNG is one plane",
                         "give one number for one axis: box=5,:,:; and t, if there are several times")  # fmt: skip
    if volume.kind == "labels" and flat.dtype.kind in "bui":
        return render.png(render.label_colors(flat.astype(np.uint64, copy=False)))
    if flat.dtype == np.uint8 and asked.window is None:
        return render.png(flat)
    window = asked.window or render.window(volume, asked.t or 0)
    return render.png(render.to_bytes(flat, window))
