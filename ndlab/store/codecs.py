"""Compression as a person writes it, turned into what Zarr v2 and v3 metadata say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numcodecs

from ndlab.errors import BadRequest

__all__ = ["Codec", "codecs_v2", "codecs_v3"]

Codec = str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

_V3_NATIVE = {"zstd", "gzip", "blosc"}


def _dicts(codec: Codec) -> list[dict[str, Any]]:
    """Each codec as a dictionary with ``id`` (numcodecs) or ``name`` (Zarr v3)."""
    if codec is None or codec == "none":
        return []
    if isinstance(codec, str):
        name, _, level = codec.partition(" ")
        found: dict[str, Any] = {"id": name}
        if name == "blosc":
            # Shuffling is off because it loses on EM and on labels; a dictionary asks for anything else.
            found |= {"cname": "lz4", "clevel": int(level or 5), "shuffle": 0}
        elif name in ("zstd", "gzip", "zlib", "bz2"):
            found["level"] = int(level or 1)
        return [found]
    if isinstance(codec, Mapping):
        return [dict(codec)]
    return [dict(one) for one in codec]


def codecs_v3(codec: Codec) -> list[dict[str, Any]]:
    """Zarr v3 codec objects for a codec name, a v3 codec, a numcodecs configuration, or a list of those.

    Examples
    --------
    >>> codecs_v3("zstd")
    [{'name': 'zstd', 'configuration': {'level': 1, 'checksum': False}}]
    >>> codecs_v3({"id": "lz4", "acceleration": 1})
    [{'name': 'numcodecs.lz4', 'configuration': {'acceleration': 1}}]
    """
    return [_one_v3(one) for one in _dicts(codec)]


def _one_v3(one: dict[str, Any]) -> dict[str, Any]:
    if "name" in one:
        return one
    _known(one)
    rest = {k: v for k, v in one.items() if k != "id"}
    if one["id"] not in _V3_NATIVE:
        return {"name": f"numcodecs.{one['id']}", "configuration": rest}
    if one["id"] == "zstd":
        return {"name": "zstd", "configuration": {"level": rest.get("level", 1), "checksum": False}}
    if one["id"] == "gzip":
        return {"name": "gzip", "configuration": {"level": rest.get("level", 1)}}
    return {"name": "blosc", "configuration": _blosc_v3(rest)}


def _blosc_v3(rest: dict[str, Any]) -> dict[str, Any]:
    """Leave to zarr-python what depends on the voxel type: how many bytes to shuffle, and `shuffle` -1 (automatic)."""
    found = {"cname": rest.get("cname", "lz4"), "clevel": rest.get("clevel", 5), "blocksize": rest.get("blocksize", 0)}
    shuffle = {0: "noshuffle", 1: "shuffle", 2: "bitshuffle", -1: None}
    stated = {"shuffle": shuffle.get(rest.get("shuffle", 0), rest.get("shuffle")), "typesize": rest.get("typesize")}
    return found | {key: value for key, value in stated.items() if value is not None}


def codecs_v2(codec: Codec) -> list[Any]:
    """Numcodecs codecs for the same inputs as `codecs_v3`."""
    return [numcodecs.get_codec(_known(_one_v2(one))) for one in _dicts(codec)]


def _one_v2(one: dict[str, Any]) -> dict[str, Any]:
    if "id" in one:
        return one
    config = dict(one.get("configuration", {}))
    if one["name"] == "blosc":
        config["shuffle"] = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}.get(config.get("shuffle", "noshuffle"), 0)
        config.pop("typesize", None)
    return {"id": one["name"].removeprefix("numcodecs."), **config}


def _known(one: dict[str, Any]) -> dict[str, Any]:
    if one.get("id") not in numcodecs.registry.codec_registry:
        try:
            numcodecs.get_codec({"id": one.get("id")})
        except ValueError:
            names = ", ".join(sorted(numcodecs.registry.codec_registry))
            raise BadRequest(f"codec {one.get('id')!r}", f"known are {names}", 'pass e.g. codec="zstd"') from None
        except TypeError:
            pass  # It exists and only lacked its arguments.
    return one
