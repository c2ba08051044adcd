"""A writer that was killed leaves its bytes in a lock file; nothing of them may stand behind what is written next."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

from ndlab.geometry import Box
from ndlab.ingesting import ingest
from ndlab.store import left_locks
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
