"""A writer that was killed leaves its bytes in a lock file; nothing of them may stand behind what is written next."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts
import zarr

from ndlab.annotations.paint import Paint
from ndlab.geometry import Box
from ndlab.ingesting import ingest
from ndlab.store import left_locks
from ndlab.store.engine import TensorStoreArray, forget
from ndlab.store.kv import Kv
from ndlab.store.left_locks import chunk_files, empty_left_lock
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

GARBAGE = b"x" * 6_000_000


def files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and path.name not in ("zarr.json", ".zarray", ".zattrs")
    ]


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_the_next_write_is_whole(tmp_path: Path, version: str) -> None:
    """Without the repair the shard ends with the dead writer's bytes, and cannot be read."""
    values = np.random.default_rng(0).integers(0, 255, (40, 150, 170), "u1")
    volume = ingest(values, tmp_path / "em.zarr", voxel_size=(40, 4, 4), version=version)
    level = tmp_path / "em.zarr" / "0"
    stored = [path for path in files(level) if "json" not in path.name]
    assert stored
    for path in stored:
        path.with_name(path.name + ".__lock").write_bytes(GARBAGE)
    box = Box((1, 2, 3), (30, 100, 120))
    volume.write(box, 7)
    values[box.slices] = 7
    np.testing.assert_array_equal(open_volume(tmp_path / "em.zarr").read(), values)
    np.testing.assert_array_equal(np.asarray(zarr.open_array(level, mode="r")[...]), values)
    assert all(path.stat().st_size < len(GARBAGE) for path in files(level) if not path.name.endswith("__lock"))


@pytest.mark.parametrize("axes", ["zyx", "tzyx", "tczyx"])
def test_the_files_of_a_box_are_those_that_a_write_makes(tmp_path: Path, axes: str) -> None:
    shape = {"t": 2, "c": 3, "z": 20, "y": 70, "x": 90}
    zeros = Volume.from_array(np.zeros([shape[a] for a in axes], "u1"), (40, 4, 4), axes=axes)
    made = zeros.like(tmp_path / "em.zarr", chunks=(10, 32, 32), shards=(10, 64, 64))
    box = Box((5, 10, 70), (15, 60, 80))
    made.write(box, 1, t=1 if "t" in axes else None, c=2 if "c" in axes else None)
    array = made._stored.levels[0].array
    lead = {"t": 1, "c": 2}
    start = [*(lead[a] for a in axes if a in lead), *box.start]
    stop = [*(lead[a] + 1 for a in axes if a in lead), *box.stop]
    known = chunk_files("zarr3", tmp_path / "em.zarr" / "0", array.order)  # type: ignore[attr-defined]
    assert known is not None
    found = {str(path) for path in files(tmp_path / "em.zarr" / "0")}
    assert set(known.touched(start, stop)) == found
    assert found


N5 = {"driver": "n5", "metadata": {"dimensions": [90, 70, 20], "blockSize": [32, 20, 8], "dataType": "uint16",
                                   "compression": {"type": "gzip"}}}  # fmt: skip


def precomputed(**scale: Any) -> dict[str, Any]:
    about = {"key": "8_8_40", "size": [90, 70, 20], "resolution": [8, 8, 40], "encoding": "raw",
             "chunk_size": [32, 20, 8], "voxel_offset": [100, 7, 0], **scale}  # fmt: skip
    return {"driver": "neuroglancer_precomputed", "scale_metadata": about,
            "multiscale_metadata": {"type": "segmentation", "data_type": "uint16", "num_channels": 1}}  # fmt: skip


def sharding(hashed: str) -> dict[str, Any]:
    return {"@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 1, "hash": hashed, "minishard_bits": 1,
            "shard_bits": 3, "minishard_index_encoding": "gzip", "data_encoding": "gzip"}  # fmt: skip


@pytest.mark.parametrize(
    "spec",
    [N5, precomputed(), precomputed(sharding=sharding("identity")),
     precomputed(sharding=sharding("murmurhash3_x86_128"))],
)  # fmt: skip
def test_the_next_write_is_whole_in_other_formats(tmp_path: Path, spec: dict[str, Any]) -> None:
    """N5 and precomputed, chunks and shards, through the engine's own write."""
    url = str(tmp_path / "em")
    ts.open({**spec, "kvstore": f"file://{url}/"}, create=True).result()
    order = (2, 1, 0)
    array = TensorStoreArray(spec["driver"], url, order)
    values = np.random.default_rng(0).integers(0, 60_000, (20, 70, 90), "u2")
    array.write((0, 0, 0), values)
    stored = [path for path in files(tmp_path) if path.name not in ("info", "attributes.json")]
    assert len(stored) > 5
    box = Box((1, 2, 3), (20, 40, 70))
    known = chunk_files(spec["driver"], Path(url), order)
    assert known is not None
    if "sharding" not in spec.get("scale_metadata", {}):
        whole = set(known.touched((0, 0, 0), values.shape))
        assert whole == {str(path) for path in stored}
        assert set(known.touched(box.start, box.stop)) < whole
    for path in stored:
        path.with_name(path.name + ".__lock").write_bytes(GARBAGE)
    changed = np.full(box.shape, 7, "u2")
    array.write(box.start, changed)
    values[box.slices] = changed
    forget()
    np.testing.assert_array_equal(TensorStoreArray(spec["driver"], url, order).read((0, 0, 0), values.shape), values)
    assert all(path.stat().st_size < len(GARBAGE) for path in stored)


def test_paint_is_whole_where_the_engine_writes_it(tmp_path: Path) -> None:
    zeros = Volume.from_array(np.zeros((20, 64, 64), "u2"), (40, 4, 4), kind="labels")
    made = zeros.like(tmp_path / "labels", codec="gzip", levels=1)
    with Paint(made, tmp_path / "paint", background=False) as paint:
        paint.write(1, box=Box((0, 0, 0), (20, 64, 64)))
        paint.flush()
        for path in files(tmp_path / "labels" / "0"):
            path.with_name(path.name + ".__lock").write_bytes(GARBAGE)
        paint.write(2, box=Box((3, 3, 3), (9, 9, 9)))
        paint.flush()
        assert paint.check() == []
    assert np.unique(zarr.open_array(tmp_path / "labels" / "0", mode="r")[...]).tolist() == [1, 2]


def test_threads_that_write_one_key_never_empty_each_others_value(tmp_path: Path) -> None:
    """A lock of the process would end when any thread closes the file: 16 of 40 such runs read an empty value."""
    for run in range(10):
        kv = Kv.open(tmp_path / str(run))

        def count(raw: bytes | None) -> bytes:
            return str(int(raw or b"0") + 1).encode()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _, kv=kv: kv.update("count", count), range(200)))
        assert kv.read("count") == b"200"


def flocked(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX)


@pytest.mark.parametrize("hold", [flocked, left_locks._lock_open_file])
def test_a_living_writer_is_left_alone(tmp_path: Path, hold: Callable[[int], None]) -> None:
    lock = tmp_path / "key.__lock"
    lock.write_bytes(b"on its way")
    with lock.open("r+b") as held:
        hold(held.fileno())
        empty_left_lock(tmp_path / "key")
        assert lock.read_bytes() == b"on its way"
    empty_left_lock(tmp_path / "key")
    assert lock.read_bytes() == b""
    empty_left_lock(tmp_path / "other")
