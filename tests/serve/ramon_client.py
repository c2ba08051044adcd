"""How the tests post and read objects in the founding store's files; written apart from what they test."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ndlab.serve.app import make_site, serving
from ndlab.serve.limits import Access, Limits, Rate
from tests.serve.jupyter_server import Said
from tests.serve.sites import TOKEN, Client

__all__ = ["OFFSET", "SHAPE", "Objects", "file_of", "objects_of", "served", "tree"]

Array = np.ndarray[Any, Any]
# Of the labels, (z, y, x); the data set counts from (x 6, y 2, z 4).
SHAPE = (24, 80, 96)
OFFSET = (4, 2, 6)


def file_of(objects: Mapping[Any, Mapping[str, Any]]) -> bytes:
    """Write objects as the old clients did: what is in METADATA stands there, all other names beside it."""
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name, one in objects.items():
            group = file.create_group(str(name))
            for key, value in one.items():
                if key != "METADATA":
                    _put(group, key, value)
            if "METADATA" in one:
                inner = group.create_group("METADATA")
                for key, value in one["METADATA"].items():
                    _put(inner, key, value)
    return out.getvalue()


def _put(group: Any, key: str, value: Any) -> None:
    if isinstance(value, dict) and key == "KVPAIRS":
        text = io.StringIO()
        csv.writer(text).writerows(value.items())
        value = text.getvalue()
    if isinstance(value, dict):
        inner = group.create_group(key)
        for name, part in value.items():
            _put(inner, name, part)
    elif isinstance(value, str):
        group.create_dataset(key, (1,), dtype=h5py.string_dtype(), data=value)
    else:
        group.create_dataset(key, data=value if isinstance(value, list | np.ndarray) else [value])


def tree(body: bytes) -> dict[str, Any]:
    """Read an HDF5 file as nested dicts of arrays."""

    def read(group: Any) -> dict[str, Any]:
        return {name: read(one) if isinstance(one, h5py.Group) else one[()] for name, one in group.items()}

    with h5py.File(io.BytesIO(body), "r") as file:
        return read(file)


def objects_of(body: bytes) -> dict[int, dict[str, Any]]:
    """Read a file of objects by id."""
    return {int(name): one for name, one in tree(body).items()}


class Objects:
    """Asks one channel of a server for objects."""

    def __init__(self, ask: Client, token: str = "p", channel: str = "cells", frame: Array | None = None) -> None:
        self.ask, self.at = ask, f"/sd/{token}/{channel}"
        self.json_at = f"/ramon/{token}/{channel}"

    def __call__(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Said:
        return self.ask(f"{self.at}/{path}", method, body, **headers)

    def good(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        said = self(path, method, body)
        assert said.status == 200, (path, said.status, said.body[:500])
        return said.body

    def post(self, objects: Mapping[Any, Mapping[str, Any]], options: str = "overwrite/") -> list[int]:
        body = self.good(options, "POST", file_of(objects)).decode()
        return [int(one) for one in body.split(",")] if body else []

    def get(self, ids: Any, form: str = "nodata/") -> dict[int, dict[str, Any]]:
        named = ",".join(map(str, ids)) if isinstance(ids, list | tuple) else str(ids)
        return objects_of(self.good(f"{named}/{form}"))

    def query(self, path: str = "", body: bytes | None = None) -> list[int]:
        found = tree(self.good(f"query/{path}", "POST" if body else "GET", body))
        return found["ANNOIDS"].tolist() if "ANNOIDS" in found else []

    def volume(self) -> Array:
        """All labels of the finest level, (z, y, x), by the service of voxels."""
        z, y, x = SHAPE
        c, b, a = OFFSET
        said = self.good(f"raw/0/{a},{a + x}/{b},{b + y}/{c},{c + z}/")
        return np.frombuffer(said, "<u4").reshape(SHAPE)


@contextmanager
def served(folder: Path, *, writable: bool = True, public: tuple[str, ...] = (), limits: Limits | None = None,
           dtype: str = "uint32") -> Iterator[Client]:  # fmt: skip
    """Serve a folder with project `p` and its channel `cells` until the block ends."""
    access = Access(token=TOKEN, public=(), rate=Rate(1e6))
    site = make_site(str(folder), access, limits=limits, writable=writable)
    with serving(site) as server:
        ask = Client(server, TOKEN)
        if ask("/resource/dataset/toy/").status == 404:
            _make(ask, dtype, public)
        if public:
            object.__setattr__(site.access, "public", public)
        yield ask


def _make(ask: Client, dtype: str, public: tuple[str, ...]) -> None:
    import json

    z, y, x = SHAPE
    c, b, a = OFFSET
    space = {"imagesize": [a + x, b + y, c + z], "voxelres": [4, 4, 40], "offset": [a, b, c], "scalinglevels": 1}
    fields = {"channel_type": "annotation", "datatype": dtype}
    for path, body in (
        ("", space),
        ("project/p/", {"public": int("p" in public)}),
        ("project/p/channel/cells/", fields),
    ):
        said = ask(f"/resource/dataset/toy/{path}", "POST", json.dumps(body).encode())
        assert said.status == 201, said.body
