"""Shards of values by number, read by TensorStore."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import tensorstore as ts
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.store.uint64_shards import Sharding, write_shard


def read(folder: Path, sharding: Sharding) -> dict[int, bytes]:
    base = {"driver": "file", "path": f"{folder}/"}
    spec = {"driver": "neuroglancer_uint64_sharded", "base": base, "metadata": sharding.json()}
    store = ts.KvStore.open(spec).result()
    return {int.from_bytes(key, "big"): bytes(store.read(key).result().value) for key in store.list().result()}


def write(folder: Path, sharding: Sharding, values: dict[int, bytes]) -> None:
    keys = np.array(sorted(values), np.uint64)
    shards, parts = sharding.place(keys)
    for shard in np.unique(shards).tolist():
        which = np.flatnonzero(shards == shard)
        which = which[np.lexsort((keys[which], parts[which]))]
        packed = [values[int(key)] for key in keys[which]]
        packed = [gzip.compress(one, mtime=0) for one in packed] if sharding.gzipped else packed
        sizes = np.array([len(one) for one in packed], np.uint64)
        write_shard(folder / sharding.file(int(shard)), sharding, keys[which], parts[which], sizes, packed)


@settings(max_examples=20, deadline=None)
@given(
    values=st.dictionaries(st.integers(0, 2**64 - 1), st.binary(min_size=1, max_size=9), max_size=30),
    bits=st.tuples(st.sampled_from([0, 1, 4, 5]), st.integers(0, 4)), gzipped=st.booleans(),
)  # fmt: skip
def test_tensorstore_finds_every_value(
    tmp_path_factory: pytest.TempPathFactory, values: dict[int, bytes], bits: tuple[int, int], gzipped: bool
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    sharding = Sharding(*bits, gzipped)
    write(folder, sharding, values)
    assert read(folder, sharding) == values


def test_thousands_of_keys_are_spread_evenly(tmp_path: Path) -> None:
    values = {one: str(one).encode() for one in range(0, 40_000, 8)}
    sharding = Sharding(3, 4, True)
    write(tmp_path, sharding, values)
    assert read(tmp_path, sharding) == values
    sizes = [path.stat().st_size for path in tmp_path.glob("*.shard")]
    assert len(sizes) == 8
    assert max(sizes) < 1.3 * min(sizes)
