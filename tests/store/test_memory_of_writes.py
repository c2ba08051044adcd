"""What a write took is its own: the caller may change the array at once, whoever else writes into the same chunk."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from ndlab.geometry import Calibration
from ndlab.metadata import Multiscale, Scale
from ndlab.store.create import create


@pytest.mark.parametrize("shard", [None, (64, 64, 64)])
def test_arrays_are_free_once_written(tmp_path: Path, shard: tuple[int, int, int] | None) -> None:
    about = Multiscale(("z", "y", "x"), (Scale("0", Calibration((10, 10, 10))),))
    chunk = (64, 64, 64) if shard is None else (32, 32, 32)
    stored = create(str(tmp_path / "a"), about, [(64, 64, 64)], "u1", chunks=[chunk], shards=[shard], codec=None)
    array, stop, turns = stored.levels[0].array, threading.Event(), threading.Semaphore(0)

    def elsewhere() -> None:
        while not stop.is_set():
            array.write((63, 63, 60), np.full((1, 1, 4), 7, np.uint8))
            turns.release()

    others = [threading.Thread(target=elsewhere) for _ in range(3)]
    for thread in others:
        thread.start()
    try:
        values = np.empty((64, 64, 64), np.uint8)
        for n in range(1, 21):
            values[...] = n
            array.write((0, 0, 0), values)
            values[...] = 255
            while turns.acquire(blocking=False):
                pass
            for _ in range(6):  # Each of the others has begun and ended a write since.
                turns.acquire()
            np.testing.assert_array_equal(array.read((0, 0, 0), (63, 64, 64)), n)
    finally:
        stop.set()
        for thread in others:
            thread.join()
