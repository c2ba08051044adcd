"""An alignment on disk: numbers as Zarr v3 arrays, one chunk a section, the rest as JSON in the group's attributes."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ndlab.errors import BadMetadata, NotFound
from ndlab.preprocess.alignment.bands import Array
from ndlab.store.kv import Kv

__all__ = ["KEY", "VERSION", "read_about", "read_array", "read_part", "write"]

KEY = "ndlab_alignment"
VERSION = 1


def write(url: str, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write arrays of float64, the first axis of which counts sections, and then what is said about them."""
    kv = Kv.open(url)
    for name, values in arrays.items():
        array = np.ascontiguousarray(values, "<f8")
        kv.write_json(f"{name}/zarr.json", _array_metadata(array.shape))
        rest = "/0" * (array.ndim - 1)
        for z, part in enumerate(array):
            kv.write(f"{name}/c/{z}{rest}", part.tobytes())
    group = {"zarr_format": 3, "node_type": "group", "attributes": {KEY: {"version": VERSION, **about}}}
    kv.write_json("zarr.json", group)
    read_part.cache_clear()


def _array_metadata(shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "zarr_format": 3, "node_type": "array", "shape": list(shape), "data_type": "float64", "fill_value": 0.0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, *shape[1:]]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "attributes": {},
    }  # fmt: skip


def read_about(url: str) -> dict[str, Any]:
    """Return what is said about an alignment.

    Raises
    ------
    NotFound
        If there is none.
    BadMetadata
        If a newer version of ndlab wrote it.
    """
    found = Kv.open(url).read_json("zarr.json")
    about = (found or {}).get("attributes", {}).get(KEY)
    if about is None:
        raise NotFound(
            f"no alignment is at {url}", "", "give the address that alignment.save(...) or align(out=...) got"
        )
    if about["version"] > VERSION:
        raise BadMetadata(f"the alignment at {url} has version {about['version']}",
                          f"this ndlab reads up to {VERSION}", "install a newer one: pip install -U ndlab")  # fmt: skip
    return dict(about)


def read_array(url: str, name: str) -> Array:
    """Return a whole array."""
    shape = _shape(url, name)
    return np.stack([read_part(url, name, z) for z in range(shape[0])]) if shape[0] else np.empty(shape)


@functools.lru_cache(maxsize=256)
def read_part(url: str, name: str, z: int) -> Array:
    """Return an array's part of section `z`; not to be written to."""
    shape = _shape(url, name)
    raw = Kv.open(url).read(f"{name}/c/{z}" + "/0" * (len(shape) - 1))
    if raw is None or len(raw) != 8 * math.prod(shape[1:]):
        raise BadMetadata(f"section {z} of {name} in the alignment at {url}", "its numbers are missing or cut off",
                          "align again with overwrite=True")  # fmt: skip
    found = np.frombuffer(raw, "<f8").reshape(shape[1:]).copy()
    found.flags.writeable = False
    return found


def _shape(url: str, name: str) -> tuple[int, ...]:
    found = Kv.open(url).read_json(f"{name}/zarr.json")
    if found is None:
        raise BadMetadata(f"the alignment at {url} has no {name}", "", "align again with overwrite=True")
    return tuple(found["shape"])
