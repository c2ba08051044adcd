"""Volumes rendered in another space: the same bits for any block, scheduler and restart, and what scipy gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.errors import BadRequest, ReadOnly
from ndlab.geometry import Box, Calibration
from ndlab.preprocess import Mapping, Registration
from ndlab.preprocess.registration.result import Space
from ndlab.preprocess.warped import warped
from ndlab.store.ingest import ingest
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.preprocess.brains import SIZE, as_field, brain, pulled, smooth_field

SHAPE = (36, 40, 44)
TURN = np.array([[0.9, 0.1, 0.0, 100.0], [-0.1, 1.0, 0.05, 50.0], [0.0, -0.05, 1.1, -150.0]])


def a_mapping(seed: int = 3, affine: Any = TURN) -> Mapping:
    return Mapping(as_field(smooth_field(SHAPE, 2.0, seed)), after=affine)


def a_registration(mapping: Mapping, source: Volume, shape: tuple[int, int, int] = SHAPE) -> Registration:
    fixed = Space("", shape, Calibration(SIZE))
    return Registration(mapping, mapping.inverse(), fixed, Space.of(source))


def test_rendering_equals_scipy() -> None:
    values, field = brain(SHAPE), smooth_field(SHAPE, 2.0, 3)
    found = warped(Volume.from_array(values, SIZE), Mapping(as_field(field)), Calibration(SIZE), SHAPE, order=1).read()
    inside = (slice(6, -6),) * 3
    np.testing.assert_allclose(found[inside], pulled(values, field)[inside], atol=1e-4)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "u8"])
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("inverse", [False, True])
def test_blocks_equal_the_whole_bit_for_bit(dtype: str, order: int, inverse: bool) -> None:
    values = (brain(SHAPE) * 200).astype(dtype)
    mapping = a_mapping().inverse() if inverse else a_mapping()
    volume = warped(
        Volume.from_array(values, SIZE), mapping, Calibration((70, 90, 110), (30, 0, 0)), SHAPE, order=order
    )
    whole = volume.read()
    assert (whole != 0).mean() > 0.1
    rng = np.random.default_rng(0)
    for _ in range(12):
        a = [int(rng.integers(0, n)) for n in SHAPE]
        b = [int(rng.integers(i + 1, n + 1)) for i, n in zip(a, SHAPE, strict=True)]
        np.testing.assert_array_equal(volume.read(Box(a, b)), whole[Box(a, b).slices])


@settings(max_examples=8)
@given(cut=st.integers(4, 40))
def test_pieces_of_a_large_read_are_seamless(cut: int) -> None:
    import ndlab.preprocess.warped as module

    volume = warped(Volume.from_array(brain(SHAPE), SIZE), a_mapping(), Calibration(SIZE), SHAPE, order=1)
    whole, before = volume.read(), module._PIECE
    try:
        module._PIECE = cut
        np.testing.assert_array_equal(volume.read(), whole)
    finally:
        module._PIECE = before


def test_labels_are_never_mixed_and_channels_go_along() -> None:
    labels = (brain(SHAPE) > 0.3).astype("u4") * 7
    found = warped(Volume.from_array(labels, SIZE, kind="labels"), a_mapping(), Calibration(SIZE), SHAPE, order=0)
    assert set(np.unique(found.read())) == {0, 7}
    both = Volume.from_array(np.stack([labels, labels * 2]), SIZE, axes="czyx")
    again = warped(both, a_mapping(), Calibration(SIZE), SHAPE, order=0)
    assert again.axes == ("c", "z", "y", "x")
    np.testing.assert_array_equal(again.isel(c=1).read(), found.read() * 2)


def test_only_the_source_box_is_read() -> None:
    class Counting:
        def __init__(self, array: Any) -> None:
            self.array = array
            self.seen: list[int] = []
            self.shape, self.dtype, self.chunks, self.shards, self.codec = (
                array.shape, array.dtype, array.chunks, array.shards, array.codec,
            )  # fmt: skip

        def read(self, start: Any, stop: Any, out: Any = None) -> Any:
            self.seen.append(int(np.prod(np.subtract(stop, start))))
            return self.array.read(start, stop, out)

    from dataclasses import replace

    source = Volume.from_array(brain((72, 80, 88)), (50, 50, 50))
    level = source._stored.levels[0]
    counting = Counting(level.array)
    watched = Volume(replace(source._stored, levels=(replace(level, array=counting),)))  # type: ignore[arg-type]
    block = warped(watched, a_mapping(affine=np.eye(3, 4)), Calibration((50, 50, 50)), (72, 80, 88), order=1)
    block.read(Box((20, 20, 20), (52, 52, 52)))
    assert sum(counting.seen) < 3 * 32**3, "the block, how far the field spreads it, and a margin"


def test_it_is_refused_to_write_or_to_guess() -> None:
    source = Volume.from_array(brain(SHAPE), SIZE)
    found = warped(source, a_mapping(), Calibration(SIZE), SHAPE, order=1)
    with pytest.raises(ReadOnly, match="apply"):
        found.write(Box((0, 0, 0), (1, 1, 1)), 1)
    with pytest.raises(BadRequest, match="order=3"):
        warped(source, a_mapping(), Calibration(SIZE), SHAPE, order=3)


def stored_source(folder: Path) -> Volume:
    values = (brain((48, 64, 64)) * 250).astype("u1")
    return Volume(ingest(values, folder / "source.zarr", voxel_size=(75, 62, 68), progress=False).stored)


def the_same(volume: Volume, expected: Any) -> None:
    np.testing.assert_array_equal(volume.read(), expected)


def test_the_same_on_threads_processes_and_with_a_killed_worker(tmp_path: Path) -> None:
    import distributed

    source = stored_source(tmp_path)
    registration = a_registration(a_mapping(), source).save(str(tmp_path / "registration"))
    expected = registration.apply(source).read()
    how: dict[str, Any] = {"block": (16, 16, 16)}
    the_same(registration.apply(source, out=str(tmp_path / "one.zarr"), workers=1, **how), expected)
    made = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    )
    with made, distributed.Client(made) as client:
        the_same(registration.apply(source, out=str(tmp_path / "two.zarr"), client=client, **how), expected)
        victims = list(client.run(os.getpid).values())

        def kill(progress: Any) -> None:
            if progress.done >= 3 and len(victims) == 2:
                os.kill(victims.pop(), signal.SIGKILL)

        out = str(tmp_path / "three.zarr")
        the_same(registration.apply(source, out=out, client=client, group=1, progress=kill, **how), expected)
        assert len(victims) == 1, "one was killed"


_CHILD = """
import sys
from ndlab.preprocess import Registration
from ndlab.volume import open as open_volume
folder = sys.argv[1]
def said(progress):
    print(progress.done, flush=True)
Registration.load(folder + "/registration").apply(
    open_volume(folder + "/source.zarr"), out=folder + "/out.zarr", workers=1, block=(8, 8, 16), group=1, progress=said)
"""


def test_killed_with_kill_9_it_goes_on(tmp_path: Path) -> None:
    source = stored_source(tmp_path)
    registration = a_registration(a_mapping(), source).save(str(tmp_path / "registration"))
    with subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 5:
                child.kill()
                break
    time.sleep(0.1)
    out = str(tmp_path / "out.zarr")
    skipped: list[int] = []
    found = registration.apply(
        source, out=out, workers=1, block=(8, 8, 16), progress=lambda p: skipped.append(p.skipped)
    )
    the_same(found, registration.apply(source).read())
    assert skipped[-1] >= 1, "what was done before is not done again"
    assert not any(level.stale for level in found.levels)
    assert open_volume(out).provenance["made"]["params"]["registration"] == registration.url
