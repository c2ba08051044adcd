"""Pyramids on disk: equal to plain numpy for every format, whole or updated, and never a touched bystander."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.errors import BadRequest, Conflict, ReadOnly, Unsupported
from ndlab.geometry import Box, Calibration, Int3
from ndlab.metadata import Channel, Kind, Multiscale, Scale
from ndlab.store import state
from ndlab.store.arrays import Stored
from ndlab.store.create import create
from ndlab.store.layout import plan, stages
from ndlab.store.multiscale import open_store
from ndlab.store.pyramid import build, rebuild, rule_of, store_levels
from ndlab.store.records import open_record
from tests.store.test_downsample import majority_oracle, mean_oracle

Version = Literal["0.5", "0.4", "precomputed"]
VERSIONS: tuple[Version, ...] = ("0.5", "0.4", "precomputed")


def make_store(
    path: Path,
    values: np.ndarray[Any, Any],
    *,
    version: Version = "0.5",
    kind: Kind = "image",
    voxel_size: tuple[float, ...] = (8, 8, 8),
    chunk: Int3 | None = (4, 4, 4),
    shard: Int3 | None = (16, 16, 16),
) -> Stored:
    """A store with `values` at level 0 and empty coarser levels."""
    lead = values.shape[:-3]
    axes = ("t", "c", "z", "y", "x")[-values.ndim :]
    levels = plan(
        values.shape[-3:], values.itemsize, voxel_size, chunk=chunk, shard=shard, sharded=version == "0.5", levels=4
    )
    ones = (1,) * len(lead)
    names = tuple(Channel(str(i)) for i in range(values.shape[-4])) if "c" in axes else ()
    stored = create(
        str(path),
        Multiscale(
            axes,
            tuple(Scale(str(i), Calibration(voxel_size).coarser(level.factors)) for i, level in enumerate(levels)),
            version=version,
            kind=kind,
            channels=names,
        ),
        [(*lead, *level.shape) for level in levels],
        values.dtype,
        chunks=[(*ones, *level.chunk) for level in levels],
        shards=[(*ones, *level.unit) if version == "0.5" else None for level in levels],
        codec="raw" if version == "precomputed" else "zstd",
    )
    stored.levels[0].array.write((0,) * len(stored.axes), values.reshape(stored.levels[0].array.shape))
    return stored


def read_level(stored: Stored, number: int) -> np.ndarray[Any, Any]:
    array = stored.levels[number].array
    return array.read((0,) * len(array.shape), array.shape)


def expected_levels(values: np.ndarray[Any, Any], stored: Stored) -> list[np.ndarray[Any, Any]]:
    oracle = majority_oracle if rule_of(stored.kind) == "majority" else mean_oracle
    layout = store_levels(stored)
    found = [values.reshape(stored.levels[0].array.shape)]
    for fine, coarse in pairwise(layout):
        step = tuple(a // b for a, b in zip(coarse.factors, fine.factors, strict=True))
        lead = found[-1].shape[:-3]
        volumes = [oracle(v, step) for v in found[-1].reshape(-1, *found[-1].shape[-3:])]  # type: ignore[arg-type]
        found.append(np.stack(volumes).reshape(*lead, *volumes[0].shape))
    return found


def assert_pyramid(values: np.ndarray[Any, Any], stored: Stored) -> None:
    for number, expected in enumerate(expected_levels(values, stored)):
        np.testing.assert_array_equal(read_level(stored, number), expected, err_msg=f"level {number}")


def image(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def labels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    """Blocks of ids with background between."""
    coarse = np.random.default_rng(seed).integers(0, 5, [-(-n // 3) for n in shape]).astype(np.uint64) * 10**12
    for axis, n in enumerate(shape):
        coarse = np.repeat(coarse, 3, axis).take(range(n), axis)
    return coarse


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["image", "labels"])
def test_build_equals_numpy(tmp_path: Path, version: Version, kind: Kind) -> None:
    values = (image if kind == "image" else labels)((33, 40, 70))
    stored = make_store(tmp_path / "v", values, version=version, kind=kind)
    receipts = build(stored, workers=2)
    assert_pyramid(values, open_store(tmp_path / "v"))
    assert sum(len(stage.targets) for stage in stages(store_levels(stored), values.itemsize)) == 3
    assert all(receipt.done == receipt.blocks for receipt in receipts)


@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    chunk=st.tuples(*[st.sampled_from([2, 4, 5, 8])] * 3),
    times=st.tuples(*[st.sampled_from([1, 2, 3, 4])] * 3),
    voxel_size=st.sampled_from([(8.0, 8.0, 8.0), (40.0, 4.0, 4.0), (4.0, 4.0, 30.0)]),
    kind=st.sampled_from(["image", "labels"]),
    nbytes=st.sampled_from([1, 4096, 128 << 20]),
)
@settings(max_examples=15)
def test_any_layout_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    shape: Int3, chunk: Int3, times: Int3, voxel_size: tuple[float, ...], kind: Kind, nbytes: int,
) -> None:  # fmt: skip
    values = (image if kind == "image" else labels)(shape)
    shard = (chunk[0] * times[0], chunk[1] * times[1], chunk[2] * times[2])
    path = tmp_path_factory.mktemp("any") / "v"
    stored = make_store(path, values, kind=kind, voxel_size=voxel_size, chunk=chunk, shard=shard)
    if len(stored.levels) < 2:  # a single voxel
        with pytest.raises(BadRequest, match="one level"):
            build(stored)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ndlab.store.pyramid._WORK_BYTES", nbytes)
        patch.setattr("ndlab.store.pyramid._PIECE_BYTES", nbytes)
        build(stored, workers=2)
    assert_pyramid(values, stored)


def test_time_points_and_channels_stay_apart(tmp_path: Path) -> None:
    values = image((2, 3, 17, 20, 30))
    stored = make_store(tmp_path / "v", values)
    assert stored.axes == ("t", "c", "z", "y", "x")
    build(stored, workers=2)
    assert_pyramid(values, stored)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.uint32, np.int64])
def test_other_types(tmp_path: Path, dtype: Any) -> None:
    values = np.random.default_rng(1).integers(-1000 if np.dtype(dtype).kind == "i" else 0, 1000, (9, 17, 33))
    stored = make_store(tmp_path / "v", values.astype(dtype))
    build(stored)
    assert_pyramid(values.astype(dtype), stored)


def test_ids_are_never_made_up(tmp_path: Path, shared_data: Path) -> None:
    """A real segmentation: the ids of every level are ids of the level below, and it loses less than striding."""
    source = open_store(shared_data / "pinky_segmentation" / "zarr3_sharded.ome.zarr")
    values = source.levels[0].array.read((100, 100, 100), (164, 228, 228))
    stored = make_store(tmp_path / "v", values, kind="labels", voxel_size=(40, 32, 32), chunk=(16, 32, 32), shard=None)
    build(stored)
    known = set(np.unique(values))
    for number in range(1, len(stored.levels)):
        found = set(np.unique(read_level(stored, number)))
        assert found <= known
        known = found
    coarse, factors = read_level(stored, 1), store_levels(stored)[1].factors
    strided = values[tuple(slice(None, None, f) for f in factors)]
    assert dice_with_finest(coarse, values, factors) > dice_with_finest(strided, values, factors)


def dice_with_finest(coarse: np.ndarray[Any, Any], fine: np.ndarray[Any, Any], factors: Int3) -> float:
    """Share of fine voxels that the coarse level, blown up again, labels right."""
    grown = coarse
    for axis, f in enumerate(factors):
        grown = np.repeat(grown, f, axis).take(range(fine.shape[axis]), axis)
    return float((grown == fine).mean())


def files(path: Path) -> dict[str, tuple[int, int]]:
    """Identity of each voxel file: a rewritten one has another inode or time."""
    found = {}
    for file in path.rglob("*"):
        if file.is_file() and ".ndlab" not in file.parts:
            stat = file.stat()
            found[str(file.relative_to(path))] = (stat.st_mtime_ns, stat.st_ino)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_an_update_touches_only_what_changed(tmp_path: Path, version: Version) -> None:
    values = image((64, 64, 64))
    path = tmp_path / "v"
    stored = make_store(path, values, version=version, chunk=(4, 4, 4), shard=(8, 8, 8))
    build(stored)
    before = files(path)
    time.sleep(0.02)
    box = Box((5, 20, 33), (7, 22, 35))
    values[box.slices] = 255 - values[box.slices]
    base = stored.levels[0].array
    base.write(box.start, values[box.slices].reshape(box.shape))
    written = rebuild(stored, [box])
    assert_pyramid(values, stored)
    touched = {name for name, mark in files(path).items() if before.get(name) != mark}
    layout = store_levels(stored)
    units = 0
    for level in layout:
        spans = [
            (b - 1) // f // u - a // f // u + 1
            for a, b, f, u in zip(box.start, box.stop, level.factors, level.unit, strict=True)
        ]
        units += int(np.prod(spans))
    assert len(touched) == units
    first = [(b - 1) // u - a // u + 1 for a, b, u in zip(box.start, box.stop, layout[0].unit, strict=True)]
    assert written == units - int(np.prod(first))


@given(data=st.data())
@settings(max_examples=10)
def test_updates_equal_a_new_pyramid(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    values = labels((20, 30, 25))
    stored = make_store(tmp_path_factory.mktemp("update") / "v", values, kind="labels", shard=(8, 8, 8))
    build(stored)
    boxes = []
    for _ in range(data.draw(st.integers(1, 3))):
        start = [data.draw(st.integers(0, n - 1)) for n in values.shape]
        stop = [data.draw(st.integers(a + 1, n)) for a, n in zip(start, values.shape, strict=True)]
        box = Box(start, stop)
        values[box.slices] = data.draw(st.integers(0, 9))
        stored.levels[0].array.write(start, values[box.slices])
        boxes.append(box)
    rebuild(stored, boxes)
    assert_pyramid(values, stored)


def test_what_is_marked_stale_is_updated_and_unmarked(tmp_path: Path) -> None:
    values = image((32, 32, 32))
    stored = make_store(tmp_path / "v", values)
    build(stored)
    values[:4, :4, :4] = 9
    stored.levels[0].array.write((0, 0, 0), values[:4, :4, :4])
    mark = Box((0, 0, 0), (2, 2, 2), 1)
    state.change(stored.url, lambda s: s.with_stale(mark).with_stale(Box((0, 0, 0), (1, 1, 1), 2)))
    assert rebuild(stored) == 2, "level 3 was not marked"
    np.testing.assert_array_equal(read_level(stored, 1), expected_levels(values, stored)[1])
    assert state.read(stored.url).stale == {}
    assert rebuild(stored) == 0, "nothing is left to do"


def test_a_write_during_the_build_leaves_its_mark(tmp_path: Path) -> None:
    stored = make_store(tmp_path / "v", image((32, 32, 32)))
    mark = Box((0, 0, 0), (2, 2, 2), 1)
    state.change(stored.url, lambda s: s.with_stale(mark))

    def someone_writes(progress: Any) -> None:
        state.change(stored.url, lambda s: state.State(s.version + 1, s.stale).with_stale(mark))

    build(stored, progress=someone_writes)
    assert state.read(stored.url).stale == {1: (mark,)}
    build(stored)
    assert state.read(stored.url).stale == {}


def test_an_interrupted_build_goes_on(tmp_path: Path) -> None:
    values = image((40, 40, 40))
    path = tmp_path / "v"
    stored = make_store(path, values, shard=(8, 8, 8))

    class Stop(Exception):
        pass

    def stop(progress: Any) -> None:
        if progress.done == 2:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ndlab.store.pyramid._WORK_BYTES", 8**3)
        with pytest.raises(Stop):
            build(stored, workers=1, progress=stop)
        first = build(stored, workers=1)[0]
    assert 2 <= first.skipped < first.blocks
    assert_pyramid(values, stored)
    stored.levels[0].array.write((0, 0, 0), np.zeros((4, 4, 4), np.uint8))
    values[:4, :4, :4] = 0
    assert build(stored)[0].skipped == 0, "a finished build is not resumed but done anew"
    assert_pyramid(values, stored)


def test_two_builds_at_once_are_refused(tmp_path: Path) -> None:
    stored = make_store(tmp_path / "v", image((20, 20, 20)))
    with open_record(stored.url, "pyramid"):
        with pytest.raises(Conflict, match="held by another Run"):
            build(stored)
        with pytest.raises(Conflict, match="held by another Run"):
            rebuild(stored, [Box((0, 0, 0), (1, 1, 1))])
    build(stored)


def test_http_is_read_only(tmp_path: Path) -> None:
    from dataclasses import replace

    stored = replace(make_store(tmp_path / "v", image((20, 20, 20))), url="http://127.0.0.1/v")
    with pytest.raises(ReadOnly, match="http addresses are read-only"):
        build(stored)


def test_a_pyramid_that_drops_voxels_is_refused(tmp_path: Path) -> None:
    """Many tools floor the shape: 33 voxels become 16. Its last plane would have no place."""
    ones = Scale("0", Calibration((8, 8, 8))), Scale("1", Calibration((16, 16, 16)))
    stored = create(
        str(tmp_path / "v"), Multiscale(("z", "y", "x"), ones), [(33, 32, 32), (16, 16, 16)], np.uint8,
        chunks=[(8, 8, 8)] * 2, shards=[None] * 2,
    )  # fmt: skip
    with pytest.raises(Unsupported, match=r"shape .16, 16, 16. after .33, 32, 32.") as caught:
        build(stored)
    assert "(17, 16, 16)" in str(caught.value)


def test_sizes_follow_the_rule(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for trial in range(50):
        shape = tuple(int(n) for n in rng.integers(1, 5000, 3))
        isotropic = trial % 2 == 0
        levels = plan(shape, 1, (8, 8, 8) if isotropic else (1000, 8, 8))
        for number, level in enumerate(levels):
            if isotropic:
                assert level.shape == tuple(((n - 1) >> number) + 1 if n > 1 else 1 for n in shape)
            elif number <= 6:
                assert level.shape[0] == shape[0], "z is as long as ever while in-plane voxels are finer"
                assert level.shape[1:] == tuple(((n - 1) >> number) + 1 for n in shape[1:])
