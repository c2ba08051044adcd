"""Answer a request of the founding services' grammar: a function of the request and of what the names stand for."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab import render
from ndlab.errors import BadRequest, NdlabError, NotFound
from ndlab.serve import formats, grammar, planes, squares, synaptograms
from ndlab.serve.cutouts import Limits, Slab, read, read_channels, title
from ndlab.serve.grammar import Cut, Cutout, Overlay, Picture, Request, Synaptogram, SynaptogramAt, Tile, VoxelId
from ndlab.serve.grammar.calls import Call
from ndlab.serve.source import Channel, Names
from ndlab.serve.statuses import status_of, told

__all__ = ["Answer", "Limits", "answer", "failure", "respond"]

_LOG = logging.getLogger(__name__)
_BYTES = "application/octet-stream"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """What is sent back: a status, a content type, the body whole or in pieces, and further headers.

    Everything that can fail has been done before an answer exists: pieces of a body are only packed.
    """

    status: int
    content_type: str
    body: bytes | Iterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> bytes:
        """Return the body as one piece of bytes."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


def respond(path: str, names: Names, limits: Limits | None = None, hidden: Mapping[str, str] | None = None) -> Answer:
    """Answer a path; a mistake is answered too, as JSON that says what was asked, what exists and what to ask instead.

    Parameters
    ----------
    path : str
    names, limits
        As for `answer`.
    hidden : mapping, optional
        Addresses that only the server knows, and the name that each is served under.

    Examples
    --------
    >>> class Nothing:
    ...     def channel(self, token, name):
    ...         from ndlab.errors import NotFound
    ...         raise NotFound(f"token {token!r} was asked for", "there are none")
    >>> respond("/sd/brain/em/xy/0/0,5/0,5/0/", Nothing()).status
    404
    """
    try:
        return answer(grammar.parse(path), names, limits)
    except Exception as error:
        return failure(error, hidden)


def failure(error: Exception, hidden: Mapping[str, str] | None = None) -> Answer:
    """Return the answer to a mistake; one that ndlab cannot name goes to the log and is not described."""
    if not isinstance(error, NdlabError):
        _LOG.error("a request failed", exc_info=error)
    body = {"error": type(error).__name__ if isinstance(error, NdlabError) else "ServerError", **told(error, hidden)}
    return Answer(status_of(error), "application/json", json.dumps(body).encode())


def answer(request: Request | Call, names: Names, limits: Limits | None = None) -> Answer:
    """Answer a request for voxels.

    Parameters
    ----------
    request : Request
        What `ndlab.serve.grammar.parse` returns.
    names : Names
        What tokens and channels stand for.
    limits : Limits, optional
        Most that a request may take.

    Raises
    ------
    NotFound
        If a token or channel does not exist.
    OutOfBounds
        If a level, range or time does not; the message states the legal extent.
    TooLarge
        If more is asked for than `limits` allow.
    BadRequest
        If the parts of the request do not fit each other.
    """
    most = limits or Limits()
    match request:
        case Cutout():
            return _cutout(request, _channels(names, request.token, request.channels), most)
        case Picture():
            return _png(planes.picture(_channels(names, request.token, request.channels), request, most))
        case Tile():
            return _png(squares.tile(_channels(names, request.token, request.channels), request, most))
        case Overlay():
            below, above = (names.channel(token, name) for _, token, name in (request.below, request.above))
            return _png(planes.overlaid(below, above, request, most))
        case VoxelId():
            return _voxel(request, _channels(names, request.token, request.channels), most)
        case SynaptogramAt():
            drawn = _channels(names, request.token, request.channels)
            return _png(synaptograms.around(drawn, request, most))
        case Synaptogram():
            found = planes.synaptogram_json(_channels(names, request.token, request.channels), request, most)
            return Answer(200, "application/json", json.dumps(found).encode())
        case _:
            raise NotFound(f"objects of {request.token!r}", "voxels are answered here",
                           "ask a server: ndlab serve FOLDER")  # fmt: skip


def _channels(names: Names, token: str, asked: Sequence[str]) -> list[Channel | None]:
    """Find the channels; ``0`` stands for an empty place, none for the default channel."""
    if not asked:
        return [names.default_channel(token)]
    return [None if name == "0" else names.channel(token, name) for name in asked]


def _png(pixels: np.ndarray[Any, Any]) -> Answer:
    return Answer(200, "image/png", render.png(pixels), _sizes(pixels))


def _sizes(values: np.ndarray[Any, Any]) -> dict[str, str]:
    """Say what raw bytes do not: shape, slowest axis first, and type."""
    return {"X-Ndlab-Shape": ",".join(map(str, values.shape)), "X-Ndlab-Dtype": values.dtype.name}


def _voxel(asked: VoxelId, channels: Sequence[Channel | None], limits: Limits) -> Answer:
    channel = planes.only(channels, "the value of a voxel")
    time = None if asked.t is None else (asked.t, asked.t + 1)
    x, y, z = ((at, at + 1) for at in (asked.x, asked.y, asked.z))
    cut = Cut(asked.level, x, y, z, time)
    return Answer(200, _TEXT, str(read(channel, cut, grammar.Options(), limits)[0, 0, 0, 0]).encode())


# --- boxes in a file format -------------------------------------------------------------------------------------------


def _cutout(asked: Cutout, channels: Sequence[Channel | None], limits: Limits) -> Answer:
    if asked.service == "hdf5":
        return Answer(200, "application/x-hdf5", _hdf5(asked, channels, limits))
    if asked.service == "ids":
        return Answer(200, _TEXT, _ids(asked, channels, limits).encode())
    if asked.service == "jpeg":
        return Answer(200, "image/jpeg", _jpeg(asked, planes.only(channels, "a JPEG"), limits))
    slab = read_channels(channels, asked.cut, asked.options, limits)
    values = _difference(asked, slab) if asked.service == "diff" else _windowed(asked, slab)
    content_type = "image/tiff" if asked.service == "tiff" else _BYTES
    return Answer(200, content_type, _PACKERS[asked.service](values), _sizes(values))


_PACKERS: dict[str, Callable[[np.ndarray[Any, Any]], bytes | Iterator[bytes]]] = {
    "npz": formats.npz_of,
    "blosc": formats.blosc_of,
    "blaze": formats.blosc_of,
    "diff": formats.blosc_of,
    "zip": formats.zip_of,
    "raw": formats.raw_of,
    "tiff": formats.tiff_of,
}


def _windowed(asked: Cutout, slab: Slab) -> np.ndarray[Any, Any]:
    """Return the values as they are, or as bytes between the ends of the window that is asked for."""
    window = asked.options.window
    if window is None:
        return slab.values
    for channel in slab.channels:
        if channel is not None:
            _images_only(channel, "a window over")
    return render.to_bytes(slab.values, window)


def _images_only(channel: Channel, what: str) -> None:
    if channel.kind == "annotation":
        raise BadRequest(f"{what} ids of {title(channel)}", "an id that is changed is another thing",
                         "ask for npz, hdf5, or a picture")  # fmt: skip


def _difference(asked: Cutout, slab: Slab) -> np.ndarray[Any, Any]:
    """Return how much each time point is above the one before, float32, for every channel alike."""
    for channel in slab.channels:
        if channel is not None:
            _images_only(channel, "differences of")
    if asked.cut.t is None or slab.values.shape[1] < 2:
        raise BadRequest(f"differences over times {asked.cut.t}", "a difference takes two time points or more",
                         "end the cut with t0,t1/")  # fmt: skip
    return np.diff(slab.values.astype(np.float32), axis=1)


def _hdf5(asked: Cutout, channels: Sequence[Channel | None], limits: Limits) -> bytes:
    known = [channel for channel in channels if channel is not None]
    share = Limits(limits.nbytes // len(known), limits.pixels)
    parts = {}
    for channel in known:
        slab = read_channels([channel], asked.cut, asked.options, share)
        parts[channel.name] = channel, _windowed(asked, slab)[0]
    return formats.hdf5_of(parts)


def _ids(asked: Cutout, channels: Sequence[Channel | None], limits: Limits) -> str:
    channel = planes.only(channels, "the ids")
    if channel.kind != "annotation":
        raise BadRequest(f"ids of {title(channel)}", f"it is of type {channel.kind}, which has none",
                         "ask an annotation channel")  # fmt: skip
    found = np.unique(read(channel, asked.cut, asked.options, limits))
    return ", ".join(map(str, found[found != 0].tolist()))


def _jpeg(asked: Cutout, channel: Channel, limits: Limits) -> bytes:
    _images_only(channel, "a JPEG of")
    values = read(channel, asked.cut, asked.options, limits)
    slices = values.reshape(-1, *values.shape[2:])
    planes.check_pixels(slices.size, title(channel), limits)
    drawn = planes.pixels(slices, channel, asked.options.window, asked.cut.t[0] if asked.cut.t else 0)
    return formats.jpeg_of(drawn[..., :3] if drawn.ndim == 4 else drawn)
