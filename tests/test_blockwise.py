"""Steps over volumes: equal to the function on the whole, whatever the blocks, workers, order and restart point."""

from __future__ import annotations

import contextlib
import pickle
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ndlab.errors import BadRequest, Conflict, RunFailed, TooLarge
from ndlab.geometry import Box
from ndlab.pipeline import BlockStep, Run, Step, Window
from ndlab.pipeline.estimate import choose_block, read_factor
from ndlab.pipeline.tasks import Tiling
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

Int3 = tuple[int, int, int]
LAYOUT = {"chunks": (2, 4, 4), "shards": (4, 8, 8), "levels": 1}


def texture(shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


def median(image: np.ndarray[Any, Any], radius: int) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = ndimage.median_filter(image, 2 * radius + 1)
    return found


def volume_of(values: np.ndarray[Any, Any]) -> Volume:
    return Volume.from_array(values, voxel_size=(40, 4, 4))


class Once:
    """A function that ends the run after some blocks."""

    def __init__(self, left: int) -> None:
        self.left, self.lock = left, threading.Lock()
        # Two that differ only in when they fail write the same.
        self.__qualname__ = median.__qualname__

    def __call__(self, image: np.ndarray[Any, Any], radius: int) -> np.ndarray[Any, Any]:
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise OSError("the disk went away")
        return median(image, radius)


@given(
    shape=st.tuples(*[st.integers(1, 13)] * 3),
    block=st.tuples(*[st.integers(1, 9)] * 3),
    start=st.tuples(*[st.integers(0, 5)] * 3),
    spare=st.integers(0, 2),
    workers=st.integers(1, 4),
    group=st.sampled_from([None, 1, 3]),
    fails_after=st.integers(0, 12),
    seed=st.integers(0, 3),
)
@settings(max_examples=40)
def test_equal_to_the_function_on_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    shape: Int3, block: Int3, start: Int3, spare: int, workers: int, group: int | None, fails_after: int, seed: int,
) -> None:  # fmt: skip
    """Any blocks (misaligned with the shards too), overlap from the reach up, threads, groups, and a restart."""
    whole = texture(tuple(n + a for n, a in zip(shape, start, strict=True)), seed)
    view = volume_of(whole)[tuple(slice(a, None) for a in start)]
    dest = tmp_path_factory.mktemp("any") / "out.zarr"

    def step(function: Any) -> BlockStep:
        return BlockStep("median", function, {"radius": 1}, view, output=str(dest), overlap=1 + spare, options=LAYOUT,
                         dtype="u1")  # fmt: skip

    order: dict[str, Any] = {"block": block, "workers": workers, "group": group}
    failing = Once(fails_after)
    with contextlib.suppress(RunFailed):
        step(failing).plan(**order).run()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the function of step 'median' was edited")
        receipt = step(median).plan(**order).run()
    assert receipt.skipped == min(fails_after, receipt.blocks)
    expected = median(view.read(), 1)
    np.testing.assert_array_equal(open_volume(dest).read(), expected)
    assert open_volume(dest).offset == view.offset


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    import distributed

    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    )
    with cluster, distributed.Client(cluster) as made:
        yield made


@pytest.mark.parametrize(("block", "overlap"), [((4, 8, 8), 1), ((3, 5, 7), 2), ((20, 20, 20), 1)])
def test_a_cluster_gives_the_same_to_the_byte(tmp_path: Path, client: Any, block: Int3, overlap: int) -> None:
    values = texture((12, 17, 19))
    source = volume_of(values).like(str(tmp_path / "in.zarr"), chunks=(4, 8, 8), shards=(8, 16, 16), levels=1)
    source.write(None, values)
    for name, where in (("threads", {"client": False}), ("cluster", {"client": client})):
        step = BlockStep("median", median, {"radius": 1}, source, output=str(tmp_path / name), overlap=overlap,
                         options=LAYOUT)  # fmt: skip
        step.plan(block=block, **where).run()
    np.testing.assert_array_equal(open_volume(tmp_path / "cluster").read(), median(values, 1))
    assert _files(tmp_path / "threads") == _files(tmp_path / "cluster")


def _files(folder: Path) -> dict[str, bytes]:
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {k: v for k, v in found.items() if not k.startswith(".ndlab") and not k.endswith("zarr.json")}


@pytest.mark.parametrize("fan_in", [2, 3, 8])
def test_float_sums_are_the_same_to_the_last_bit(client: Any, fan_in: int) -> None:
    """Sums of floats depend on their order; that order is the blocks', not the workers'."""
    values = np.random.default_rng(0).normal(size=(9, 20, 30)).astype("f4") * 1e6
    step = BlockStep("sum", np.sum, {"dtype": np.float64}, volume_of(values))
    runs: list[dict[str, Any]] = [
        {"workers": 1, "group": 1},
        {"workers": 4},
        {"workers": 3, "group": 7},
        {"client": client},
    ]
    found = {step.plan(block=(2, 5, 7), **how).reduce(np.add, fan_in=fan_in).tobytes() for how in runs}
    assert len(found) == 1
    assert np.isclose(np.frombuffer(found.pop()), values.sum(dtype=np.float64))


@given(
    shape=st.tuples(*[st.integers(1, 12)] * 3),
    block=st.tuples(*[st.integers(1, 6)] * 3),
    fan_in=st.integers(2, 9),
    group=st.sampled_from([None, 1, 4]),
    workers=st.integers(1, 3),
)
@settings(max_examples=30)
def test_reductions_equal_numpy(shape: Int3, block: Int3, fan_in: int, group: int | None, workers: int) -> None:
    values = texture(shape) % 17
    volume = volume_of(values)

    def reduce(function: Any, combine: Any) -> Any:
        run = BlockStep("reduce", function, inputs=volume).plan(block=block, workers=workers, group=group)
        return run.reduce(combine, fan_in=fan_in)

    histogram = reduce(lambda image: np.bincount(image.ravel(), minlength=17), np.add)
    np.testing.assert_array_equal(histogram, np.bincount(values.ravel(), minlength=17))
    np.testing.assert_array_equal(reduce(np.unique, np.union1d), np.unique(values))
    assert reduce(lambda image: {int(v): int((image == v).sum()) for v in np.unique(image)}, _add_counts) == {
        int(v): int(n) for v, n in zip(*np.unique(values, return_counts=True), strict=True)
    }


def _add_counts(a: dict[int, int], b: dict[int, int]) -> dict[int, int]:
    return {k: a.get(k, 0) + b.get(k, 0) for k in a | b}


def test_an_interrupted_reduction_goes_on_to_the_same_value(tmp_path: Path) -> None:
    """Whatever is done stays done, with its value, at any cut of the record."""
    from ndlab.geometry import Grid

    calls: list[Box] = []

    def weigh(block: Box) -> np.ndarray[Any, Any]:
        calls.append(block)
        return np.float64(0.1) * np.arange(3) * block.start[2]

    grid, record = Grid((1, 1, 50), (1, 1, 1)), tmp_path / "run.jsonl"
    expected = Run(Step("weigh", weigh), grid, record, workers=2, group=4).reduce(np.add).tobytes()
    raw = record.read_bytes()
    lines = raw.splitlines(keepends=True)
    for cut in range(0, len(raw), max(1, len(raw) // 25)):
        record.write_bytes(raw[:cut])
        calls.clear()
        assert Run(Step("weigh", weigh), grid, record, workers=2, group=5).reduce(np.add).tobytes() == expected
        assert len(calls) == len({b.start for b in calls})
        if cut > len(raw) // 2:
            assert len(calls) < 50, "half the record is not for nothing"
    assert len(lines) > 50


def test_channels_and_time_points(tmp_path: Path) -> None:
    values = texture((2, 3, 6, 9, 10))
    volume = volume_of(values)
    each = BlockStep("each", median, {"radius": 1}, volume, output=str(tmp_path / "each"), overlap=1, options=LAYOUT)
    each.plan(block=(4, 8, 8), workers=2).run()
    expected = np.stack([[median(v, 1) for v in channels] for channels in values])
    np.testing.assert_array_equal(open_volume(tmp_path / "each").read(), expected)

    brightest = BlockStep("max", lambda image: image.max(axis=0), inputs=volume, axes="czyx",
                          output=str(tmp_path / "max"), options=LAYOUT)  # fmt: skip
    brightest.plan(workers=2).run()
    made = open_volume(tmp_path / "max")
    assert made.axes == ("t", "z", "y", "x")
    np.testing.assert_array_equal(made.read(), values.max(axis=1))

    together = BlockStep("turn", lambda image: image[::-1], inputs=volume, axes="czyx",
                         output=str(tmp_path / "turn"), options=LAYOUT)  # fmt: skip
    together.plan(workers=2).run()
    np.testing.assert_array_equal(open_volume(tmp_path / "turn").read(), values[:, ::-1])


def test_inputs_by_name_and_the_window(tmp_path: Path) -> None:
    image, mask = texture((6, 9, 10)), texture((6, 9, 10), 1) > 128
    seen: list[Window] = []

    def masked(image: Any, mask: Any, low: int, window: Window) -> Any:
        seen.append(window)
        assert image.shape == mask.shape == window.read.shape
        return np.where(mask, image, low) + window.rng.integers(0, 1, 1, np.uint8)

    inputs = {"image": volume_of(image), "mask": volume_of(mask)}
    step = BlockStep("masked", masked, {"low": np.uint8(3)}, inputs, output=str(tmp_path / "out"), overlap=(0, 2, 1),
                     seed=5, options=LAYOUT)  # fmt: skip
    receipt = step.plan(block=(6, 8, 8), workers=1).run()
    np.testing.assert_array_equal(open_volume(tmp_path / "out").read(), np.where(mask, image, 3))
    assert {w.read for w in seen[1:]} == {w.block.grow((0, 2, 1), within=image.shape) for w in seen[1:]}
    assert seen[1].rng.integers(1 << 40) == seen[1].rng.integers(1 << 40) != seen[2].rng.integers(1 << 40)
    assert set(receipt.inputs) == {"image", "mask"}
    assert receipt.seed == 5
    with pytest.raises(BadRequest, match=r"\(6, 9, 10\) and \(5, 9, 10\)"):
        BlockStep("other", masked, inputs={"image": volume_of(image), "mask": volume_of(mask[1:])})


def test_into_a_part_of_a_volume_that_is_there(tmp_path: Path) -> None:
    values = texture((20, 40, 40))
    base = volume_of(values).like(str(tmp_path / "base"), chunks=(4, 8, 8), shards=(8, 16, 16), levels=2)
    base.write(None, 9)
    part = base[3:13, 5:30, 7:40]
    step = BlockStep("copy", lambda image: image, inputs=volume_of(values)[3:13, 5:30, 7:40], output=part)
    run = step.plan(block=(8, 16, 16), workers=2)
    run.run()
    expected = np.full_like(values, 9)
    expected[3:13, 5:30, 7:40] = values[3:13, 5:30, 7:40]
    made = open_volume(tmp_path / "base")
    np.testing.assert_array_equal(made.read(), expected)
    assert not made.level(1).stale, "coarser levels follow"
    assert abs(float(made.level(1).read().mean()) - float(expected.mean())) < 2
    blocks = {task.block for task in run.tasks()}
    assert all(b.start[2] % 16 == 0 or b.start[2] == 7 for b in blocks), "blocks keep to the shards of the store"


def test_coarser_levels_are_made_after_the_run(tmp_path: Path) -> None:
    values = texture((64, 160, 160))
    step = BlockStep("invert", np.invert, inputs=volume_of(values), output=str(tmp_path / "out"))
    step.plan(workers=2).run()
    made = open_volume(tmp_path / "out")
    assert len(made.levels) > 1
    assert not made.level(1).stale
    np.testing.assert_array_equal(made.read(), ~values)
    assert abs(float(made.level(1).read().mean()) - float((~values).mean())) < 1


def test_what_stands_in_the_way_is_named(tmp_path: Path) -> None:
    volume = volume_of(texture((6, 9, 10)))
    dest = str(tmp_path / "out")

    def step(radius: int = 1, **more: Any) -> BlockStep:
        return BlockStep("median", median, {"radius": radius}, volume, output=dest, overlap=1, options=LAYOUT, **more)

    blocks = step().plan(workers=1, block=(4, 4, 4)).run().blocks
    again = step().plan(workers=3).run()
    assert again.skipped == again.blocks == blocks, "another machine keeps to the blocks that were begun with"
    with pytest.raises(Conflict, match="from other inputs or parameters") as caught:
        step(radius=0).plan(workers=1)
    assert "overwrite=True" in str(caught.value)
    assert step(radius=0).plan(workers=1, overwrite=True).run().skipped == 0
    with pytest.raises(Conflict, match="is there already"):
        volume.like(dest)
    with pytest.raises(BadRequest, match="own input"):
        BlockStep("self", np.invert, inputs=open_volume(dest), output=open_volume(dest)).plan(workers=1)
    with pytest.raises(BadRequest, match=r"shape \(10,\) for a block"):
        BlockStep("flat", lambda image: image[0, 0], inputs=volume, output=str(tmp_path / "b")).plan(workers=1)
    with pytest.raises(BadRequest, match="other processes"):
        BlockStep("memory", np.invert, inputs=volume, output=volume_of(np.zeros((6, 9, 10), "u1"))).plan(
            client=object()
        )


def test_two_runs_on_overlapping_boxes_are_refused_and_apart_they_are_not(tmp_path: Path) -> None:
    values = texture((32, 16, 16))
    base = volume_of(values).like(str(tmp_path / "base"), chunks=(8, 8, 8), shards=(16, 16, 16), levels=1)
    source = volume_of(values)
    inside, go_on = threading.Event(), threading.Event()

    def held(image: Any) -> Any:
        inside.set()
        assert go_on.wait(30)
        return image

    first = BlockStep("first", held, inputs=source[:14], output=base[:14], dtype="u1").plan(workers=1).start()
    try:
        assert inside.wait(30)
        with pytest.raises(Conflict, match=r"step 'first' .process .* is writing"):
            BlockStep("second", np.invert, inputs=source[14:], output=base[14:]).plan(workers=1).run()
        BlockStep("third", np.invert, inputs=source[16:], output=base[16:]).plan(workers=1).run()
    finally:
        go_on.set()
    first.wait()
    BlockStep("second", np.invert, inputs=source[14:], output=base[14:]).plan(workers=1).run()
    np.testing.assert_array_equal(base.read(), np.concatenate([values[:14], ~values[14:]]))


def test_what_would_not_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    volume = volume_of(texture((64, 64, 64)))
    step = BlockStep("big", np.float64, inputs=volume, output=str(tmp_path / "out"), overlap=4,
                     options={"shards": (64, 64, 64), "levels": 1})  # fmt: skip
    with pytest.raises(TooLarge, match=r"needs .* MB for 1 tasks") as caught:
        step.plan(workers=2, memory=5_000_000)
    assert "smaller block=" in str(caught.value)
    assert caught.value.limit == 5_000_000
    assert not (tmp_path / "out").exists()
    plan = step.plan(workers=2, memory=10_000_000_000)
    assert plan.estimate is not None
    # 72^3 voxels of one byte and eight, as much again to work with, and 64^3 of eight to write.
    assert plan.estimate.task_bytes == 72**3 * 2 * 9 + 64**3 * 8
    assert plan.estimate.write_bytes == 64**3 * 8
    assert "memory" in repr(plan)
    assert "free" in repr(plan)
    no_disk = plan.estimate.__class__(**{**_fields(plan.estimate), "free_disk": 1000})
    with pytest.raises(TooLarge, match="1 kB are free"):
        no_disk.check()


def _fields(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


@given(
    shape=st.tuples(*[st.integers(1, 30)] * 3),
    block=st.tuples(*[st.integers(1, 12)] * 3),
    overlap=st.tuples(*[st.integers(0, 4)] * 3),
    chunk=st.tuples(*[st.integers(1, 7)] * 3),
)
@settings(max_examples=50)
def test_read_factor_counts_voxels(shape: Int3, block: Int3, overlap: Int3, chunk: Int3) -> None:
    tiling = Tiling(Box((0, 0, 0), shape), block)
    decoded = 0
    for one in tiling:
        grown = one.grow(overlap, within=shape)
        low = [a // c * c for a, c in zip(grown.start, chunk, strict=True)]
        high = [min(n, -(-b // c) * c) for b, c, n in zip(grown.stop, chunk, shape, strict=True)]
        decoded += int(np.prod([b - a for a, b in zip(low, high, strict=True)]))
    assert read_factor(tiling, overlap, shape, chunk) == pytest.approx(decoded / np.prod(shape))


def test_blocks_are_whole_units_of_16_to_64_megavoxel() -> None:
    for unit in ((64, 64, 64), (16, 128, 128), (100, 200, 300)):
        block = choose_block((5000, 5000, 5000), unit, 16)
        assert all(b % u == 0 for b, u in zip(block, unit, strict=True))
        assert 1 << 24 <= np.prod(block) <= 1 << 26
    assert choose_block((5000, 5000, 5000), (512, 512, 512), 16) == (512, 512, 512)


def test_a_step_travels_as_addresses(tmp_path: Path) -> None:
    values = texture((40, 80, 90))
    source = volume_of(values).like(str(tmp_path / "in"), levels=1)
    source.write(None, values)
    step = BlockStep("median", median, {"radius": 1}, source, output=source.like(str(tmp_path / "out"), levels=1))
    assert len(pickle.dumps(step.plan(workers=1).step)) < 5000 < values.nbytes
