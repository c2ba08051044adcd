"""Parse a path into a request, and write a request as a path."""

from __future__ import annotations

import math
import re
from urllib.parse import urlsplit

from ndlab.errors import BadRequest, NotFound
from ndlab.serve.grammar import objects, synaptograms, tiles
from ndlab.serve.grammar.calls import Call
from ndlab.serve.grammar.requests import (
    ANNOTATED,
    CUTOUTS,
    PLANES,
    RESERVED,
    SERVICES,
    Cutout,
    Overlay,
    Picture,
    Request,
    Synaptogram,
    SynaptogramAt,
    Tile,
    VoxelId,
)
from ndlab.serve.grammar.words import (
    Words,
    channel_word,
    channels_of,
    colors_of,
    cut_words,
    ids_of,
    name_word,
    option_words,
    plane_words,
    shown,
)

__all__ = ["format_path", "parse"]

_ROOTS = ("sd", "ca", "ramon", "overlay", "catmaid", "synaptogram")


def parse(path: str) -> Request | Call:
    """Return what a path asks for, voxels or objects; a host before it and a query after it are ignored.

    Raises
    ------
    NotFound
        If no service has that name.
    BadRequest
        If an argument is missing or is none.

    Examples
    --------
    >>> asked = parse("/ocp/ca/kasthuri11/image/xy/0/9000,9500/12000,12500/50/")
    >>> asked.token, asked.channels, asked.plane, asked.cut.x, asked.cut.z
    ('kasthuri11', ('image',), 'xy', (9000, 9500), (50, 51))
    >>> format_path(asked)
    '/sd/kasthuri11/image/xy/0/9000,9500/12000,12500/50/'
    """
    words = Words(_split(path))
    words.skip("ocp", "nd")
    root = words.take("a service")
    if root in ("sd", "ca"):
        return _dataset(words)
    if root == "ramon":
        return objects.parse_ramon(words)
    if root == "overlay":
        return _overlay(words)
    if root == "catmaid":
        return tiles.parse(words)
    if root == "synaptogram":
        return synaptograms.parse(words)
    raise NotFound(f"service {shown(root)} was asked for", f"paths begin with {', '.join(_ROOTS)}")


def _split(path: str) -> list[str]:
    plain = urlsplit(path).path if re.match(r"[a-z]+://", path) else path.partition("?")[0]
    words = plain.removeprefix("/").removesuffix("/").split("/")
    if not all(words) or "\0" in plain:
        raise BadRequest(f"path {shown(plain)}", "names and numbers are parted by single slashes")
    return words


def _dataset(words: Words) -> Request | Call:
    if not _means_default(words, 1) and objects.recognizes(words):
        return objects.parse(words)
    token = words.name("a token")
    channels = "" if _means_default(words) else words.take("a channel or a service")
    service = words.take("a service")
    if service == "mcfc":
        names, colors = colors_of(channels) if channels else ((), ())
        plane = words.plane()
        cut = words.plane_cut(plane)
        return Picture(token, names, "mcfc", plane, cut, words.options(), colors=colors)
    names = channels_of(channels) if channels else ()
    if service in CUTOUTS:
        return Cutout(token, names, service, words.cut(), words.options())
    if service in PLANES:
        return _plane(words, token, names, service)
    if service in ANNOTATED:
        ids = ids_of(words.take("ids"))
        return _plane(words, token, names, service[:2], ids)
    if service in ("minproj", "maxproj"):
        plane = words.plane()
        mode = "minproj" if service == "minproj" else "maxproj"
        return Picture(token, names, mode, plane, words.cut(), words.options())  # type: ignore[arg-type]  # one of two
    if service == "id":
        return _voxel(words, token, names)
    raise NotFound(f"service {shown(service)} of token {shown(token)} was asked for",
                   f"services are {', '.join(SERVICES)}")  # fmt: skip


def _means_default(words: Words, ahead: int = 0) -> bool:
    """Whether a service follows and no channel, although a channel may be called like a service."""
    first, second = words.peek(ahead), words.peek(ahead + 1)
    return first in SERVICES and (second not in SERVICES or (first in RESERVED and second in PLANES))


def _plane(words: Words, token: str, names: tuple[str, ...], word: str, ids: tuple[int, ...] | None = None) -> Picture:
    plane = Words([word]).plane()
    cut = words.plane_cut(plane)
    if ids is None:
        return Picture(token, names, "plane", plane, cut, words.options())
    return Picture(token, names, "anno", plane, cut, words.options(), ids=ids)


def _voxel(words: Words, token: str, names: tuple[str, ...]) -> VoxelId:
    level, x, y, z = words.level(), words.integer("x"), words.integer("y"), words.integer("z")
    time = words.integer("t") if words.peek() else None
    words.end()
    return VoxelId(token, names, level, x, y, z, time)


def _overlay(words: Words) -> Overlay:
    word = words.take("alpha")
    try:
        alpha = float(word)
    except ValueError:
        alpha = math.nan
    if not 0 <= alpha <= 1:
        raise BadRequest(f"alpha {shown(word)}", "it lies between 0, only the first layer, and 1, only the second")
    below = words.name("a server"), words.name("a token"), words.name("a channel")
    above = words.name("a server"), words.name("a token"), words.name("a channel")
    plane = words.plane()
    cut = words.plane_cut(plane)
    return Overlay(alpha, below, above, plane, cut, words.options())


def format_path(request: Request | Call) -> str:
    """Write a request as the path that `parse` reads back as the same request."""
    return "/" + "/".join(_words_of(request)) + ("" if isinstance(request, Tile) else "/")


def _words_of(request: Request | Call) -> list[str]:
    match request:
        case Tile():
            return tiles.words_of(request)
        case Cutout(token, channels, service, cut, options):
            return ["sd", name_word(token), *channel_word(channels), service, *cut_words(cut), *option_words(options)]
        case Picture():
            return _picture_words(request)
        case VoxelId(token, channels, level, x, y, z, t):
            numbers = (level, x, y, z) if t is None else (level, x, y, z, t)
            return ["sd", name_word(token), *channel_word(channels), "id", *map(str, numbers)]
        case Overlay(alpha, below, above, plane, cut, options):
            layers = [name_word(name) for name in (*below, *above)]
            return ["overlay", repr(alpha), *layers, plane, *plane_words(plane, cut), *option_words(options)]
        case Synaptogram() | SynaptogramAt():
            return synaptograms.words_of(request)
        case _:
            return objects.words_of(request)


def _picture_words(asked: Picture) -> list[str]:
    head = ["sd", name_word(asked.token), *channel_word(asked.channels, asked.colors)]
    plane = plane_words(asked.plane, asked.cut) if asked.mode in ("plane", "anno", "mcfc") else cut_words(asked.cut)
    service: list[str] = [asked.mode, asked.plane]
    if asked.mode == "plane":
        service = [asked.plane]
    elif asked.mode == "anno":
        service = [f"{asked.plane}anno", ",".join(map(str, asked.ids))]
    return [*head, *service, *plane, *option_words(asked.options)]
