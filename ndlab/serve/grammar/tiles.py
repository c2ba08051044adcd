"""The paths of tiles, in the four forms that the founding services had."""

from __future__ import annotations

import re
from typing import Literal

from ndlab.errors import BadRequest
from ndlab.serve.grammar.requests import Tile
from ndlab.serve.grammar.words import Words, channel_word, channels_of, colors_of, ids_of, integer, name_word, shown

__all__ = ["parse", "words_of"]

SIZES = (512, 256)

_TILE = re.compile(r"([0-9]+)_([0-9]+)_([0-9]+)\.png", re.ASCII)
_VIKING = re.compile(r"X?([0-9]+)_Y?([0-9]+)_Z?([0-9]+)(?:\.png)?", re.ASCII)


def parse(words: Words) -> Tile:
    """Read what follows ``catmaid/``."""
    if words.skip("viking"):
        return _viking(words)
    mode: Literal["plane", "mcfc", "maxproj"] = "plane"
    if words.skip("mcfc"):
        mode = "mcfc"
    elif words.skip("maxproj"):
        mode = "maxproj"
    token, word = words.name("a token"), words.take("channels")
    channels, colors = colors_of(word) if mode == "mcfc" else (channels_of(word), ())
    width = _setting(words, "width", 0) if mode == "maxproj" else 0
    size = _setting(words, "size", 512)
    if size not in SIZES:
        raise BadRequest(f"tiles of {size} pixels", "tiles have 512 or 256 pixels a side")
    plane = words.plane()
    kept = ids_of(words.take("ids")) if words.skip("filter") else ()
    slot, tail = words.integer("z"), words.take("<y>_<x>_<level>.png")
    time = None
    if not tail.endswith(".png"):
        time, slot, tail = slot, integer(tail, "z"), words.take("<y>_<x>_<level>.png")
    if not (found := _TILE.fullmatch(tail)):
        raise BadRequest(f"tile {shown(tail)}", "a tile is named <y>_<x>_<level>.png")
    y, x, level = (integer(part, "a tile's number") for part in found.groups())
    words.end()
    return Tile(token, channels, mode, plane, level, x, y, slot, time, kept, colors, width, size)


def _setting(words: Words, name: str, default: int) -> int:
    found, _, number = words.peek().partition(":")
    if found != name or not number:
        return default
    words.take(name)
    value = integer(number, name)
    if value < 0:
        raise BadRequest(f"{name} {value}", f"{name} is at least 0")
    return value


def _viking(words: Words) -> Tile:
    token = words.name("a token")
    if not words.skip("volume"):
        raise BadRequest(
            f"{shown(words.peek())} after the token", "a Viking path goes on with volume/<channel>/<level>/"
        )
    channels, level = channels_of(words.take("a channel")), words.level()
    tail = words.take("X<x>_Y<y>_Z<z>.png")
    if not (found := _VIKING.fullmatch(tail)):
        raise BadRequest(f"tile {shown(tail)}", "a Viking tile is named X<x>_Y<y>_Z<z>.png")
    words.end()
    x, y, z = (integer(part, "a tile's number") for part in found.groups())
    return Tile(token, channels, "viking", "xy", level, x, y, z)


def words_of(asked: Tile) -> list[str]:
    """Write a tile's path."""
    if not asked.channels or (asked.mode == "plane" and asked.token in ("mcfc", "maxproj", "viking")):
        raise BadRequest(f"a tile of token {asked.token!r}, channels {asked.channels}",
                         "tiles name their channels, and mcfc, maxproj and viking are services")  # fmt: skip
    token, channels = name_word(asked.token), channel_word(asked.channels, asked.colors)
    if asked.mode == "viking":
        tail = f"X{asked.x}_Y{asked.y}_Z{asked.z}.png"
        return ["catmaid", "viking", token, "volume", *channels, str(asked.level), tail]
    words = ["catmaid", *([] if asked.mode == "plane" else [asked.mode]), token, *channels]
    if asked.mode == "maxproj":
        words.append(f"width:{asked.width}")
    if asked.size != 512:
        words.append(f"size:{asked.size}")
    words.append(asked.plane)
    if asked.filter:
        words += ["filter", ",".join(map(str, asked.filter))]
    if asked.t is not None:
        words.append(str(asked.t))
    return [*words, str(asked.z), f"{asked.y}_{asked.x}_{asked.level}.png"]
