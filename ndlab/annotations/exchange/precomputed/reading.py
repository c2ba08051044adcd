"""Precomputed annotations as tables: every annotation of the index by id, with properties and related ids."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.annotations.exchange.precomputed.layout import GEOMETRIES, Layout, Property, Relationship, geometry_columns
from ndlab.annotations.predicates import field_of
from ndlab.errors import BadMetadata, NotFound, Unsupported

__all__ = ["read"]

_PIECE = 20_000
_NM = {"m": 1e9, "mm": 1e6, "um": 1e3, "µm": 1e3, "nm": 1.0, "": 1.0}


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the columns of pieces of a layer in a local folder; positions in nm.

    Raises
    ------
    BadMetadata
        If it contradicts itself, or holds fewer annotations than it announces.
    """
    info = _info(folder)
    layout = _layout(info, folder)
    announced = info.get("ndlab", {}).get("annotations")
    count = 0
    records = _records(folder / info["by_id"]["key"], info["by_id"].get("sharding"))
    while piece := list(islice(records, _PIECE)):
        count += len(piece)
        yield _columns(piece, layout, info)
    if announced is not None and count != announced:
        raise BadMetadata(f"{folder} announces {announced} annotations", f"{count} are there", "copy it again")


def _info(folder: Path) -> dict[str, Any]:
    path = folder / "info"
    if not path.is_file():
        raise NotFound(f"no annotations at {folder}", "there is no file info", "name the folder of the layer")
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise BadMetadata(f"{path} is no JSON", str(error)) from None
    if found.get("@type") != "neuroglancer_annotations_v1":
        raise BadMetadata(f"{path} is of type {found.get('@type')!r}", "annotations are neuroglancer_annotations_v1",
                          "a volume is opened with ndlab.open")  # fmt: skip
    return found


def _layout(info: dict[str, Any], folder: Path) -> Layout:
    names = {said: name for name, said in GEOMETRIES.items()}
    kind = str(info["annotation_type"]).upper()
    if kind not in names or sorted(info["dimensions"]) != ["x", "y", "z"]:
        raise Unsupported(f"{folder} holds {kind} in {', '.join(info['dimensions'])}",
                          f"ndlab reads {', '.join(GEOMETRIES.values())} in x, y, z", feature=kind)  # fmt: skip
    scale = []
    for size, unit in info["dimensions"].values():
        if unit not in _NM:
            raise Unsupported(f"{folder} counts in {unit!r}", f"ndlab reads {', '.join(_NM)}", feature=unit)
        scale.append(size * _NM[unit])
    own = info.get("ndlab", {})
    properties = []
    for one in info["properties"]:
        labels, name = one.get("enum_labels"), own.get("names", {}).get(one["id"], one["id"])
        truth = one["id"] in own.get("bools", ())
        properties.append(Property(one["id"], one["type"], name, labels and tuple(labels), truth))
    related = tuple(Relationship(one["id"], one["id"]) for one in info["relationships"])
    geometry = names[kind]
    axes = list(info["dimensions"])
    columns = own.get("columns") or geometry_columns(geometry)
    if axes != ["x", "y", "z"]:  # the order of the bytes is that of the dimensions
        columns = [columns[i + "xyz".index(a)] for i in range(0, len(columns), 3) for a in axes]
    return Layout(geometry, tuple(columns), tuple(properties), related, (scale[0], scale[1], scale[2]))


def _records(folder: Path, sharding: dict[str, Any] | None) -> Iterator[tuple[int, bytes]]:
    """Yield the id and the bytes of each annotation."""
    if sharding is None:
        for path in sorted(folder.iterdir()):
            name, _, suffix = path.name.partition(".")
            data = path.read_bytes()
            yield int(name), gzip.decompress(data) if suffix == "gz" else data
        return
    for path in sorted(folder.glob("*.shard")):
        yield from _shard(path, sharding)


def _shard(path: Path, sharding: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    parts = 1 << sharding["minishard_bits"]
    data = path.read_bytes()
    head = 16 * parts
    for a, b in np.frombuffer(data, "<u8", 2 * parts).reshape(-1, 2).tolist():
        if a == b:
            continue
        index = data[head + a : head + b]
        if len(index) < b - a:
            raise BadMetadata(f"{path} is truncated", f"an index ends at {head + b}, the file at {len(data)}")
        rows = np.frombuffer(_plain(index, sharding.get("minishard_index_encoding")), "<u8").reshape(3, -1)
        keys = np.cumsum(rows[0], dtype=np.uint64).tolist()
        ends = np.cumsum(rows[1] + rows[2], dtype=np.uint64).tolist()
        for key, end, size in zip(keys, ends, rows[2].tolist(), strict=True):
            yield key, _plain(data[head + end - size : head + end], sharding.get("data_encoding"))


def _plain(data: bytes, encoding: str | None) -> bytes:
    return gzip.decompress(data) if encoding == "gzip" else data


def _columns(piece: list[tuple[int, bytes]], layout: Layout, info: dict[str, Any]) -> dict[str, Any]:
    size = layout.record.itemsize
    short = [one for one, data in piece if len(data) < size + 4 * len(layout.relationships)]
    if short:
        raise BadMetadata(f"annotation {short[0]} has too few bytes", f"one takes {size} and more", "copy it again")
    records = np.frombuffer(b"".join([data[:size] for _, data in piece]), layout.record)
    found: dict[str, Any] = {"id": np.array([one for one, _ in piece], np.uint64)}
    kind = info.get("ndlab", {}).get("kind")
    if kind is not None:
        found["kind"] = [kind] * len(piece)
    scales = layout.scale * (records["geometry"].shape[1] // 3)
    for i, (name, scale) in enumerate(zip(layout.columns, scales, strict=True)):
        found[name] = records["geometry"][:, i].astype(np.float64) * scale
    for one in layout.properties:
        found[one.column] = _values(records[one.id], one, info)
    lists = _related(piece, size, len(layout.relationships))
    found |= {each.column: _ids(each.column, ids) for each, ids in zip(layout.relationships, lists, strict=True)}
    return found


def _ids(name: str, lists: list[list[int]]) -> list[Any]:
    """Return what a field takes, lists or single ids; for a free key the id, or text, for keys hold no lists."""
    what = field_of(name)
    if what is not None and what.sort != "id":
        return lists
    if all(len(one) <= 1 for one in lists):
        return [one[0] if one else None for one in lists]
    return [json.dumps(one) if one else None for one in lists]


def _values(stored: np.ndarray[Any, Any], one: Property, info: dict[str, Any]) -> list[Any]:
    if one.type.startswith("rgb"):
        return ["#" + bytes(row).hex() for row in stored]
    values = stored.tolist()
    if one.labels is not None:
        said = next(p["enum_values"] for p in info["properties"] if p["id"] == one.id)
        words: dict[Any, Any] = {code: word or None for code, word in zip(said, one.labels, strict=True)}
        if one.truth:
            words = {code: word and word == "true" for code, word in words.items()}
        return [words.get(value, value) for value in values]
    return [None if value != value else value for value in values]


def _related(piece: list[tuple[int, bytes]], at: int, count: int) -> list[list[list[int]]]:
    lists: list[list[list[int]]] = [[] for _ in range(count)]
    for one, data in piece:
        place = at
        for ids in lists:
            number = int.from_bytes(data[place : place + 4], "little")
            place += 4 + 8 * number
            ids.append(np.frombuffer(data[place - 8 * number : place], "<u8").tolist() if number else [])
        if place != len(data):
            raise BadMetadata(f"annotation {one} has {len(data)} bytes", f"its ids end at {place}", "copy it again")
    return lists
