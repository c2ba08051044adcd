"""The slab cache, how arrays are cut into slabs, what is read ahead, and that nothing shown is ever old."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.geometry import Box, Calibration, Int3
from ndlab.metadata import Multiscale, Scale
from ndlab.serve import wire
from ndlab.serve.ahead import ReadAhead
from ndlab.serve.indices import Indexer
from ndlab.serve.lattice import DEEPEST_BYTES, PART_BYTES, SLAB_BYTES, boxes, parts, steps
from ndlab.serve.layers import Layer
from ndlab.serve.motion import Look, Motion, Trend, wishes
from ndlab.serve.query import AXES
from ndlab.serve.reading import Reader
from ndlab.serve.slabs import Slab, SlabCache, SlabKey
from ndlab.serve.tiles import TileService
from ndlab.store.create import create
from ndlab.volume import Volume
from ndlab.volume import open as open_volume


def key(number: int, version: int = 0, address: str = "em") -> SlabKey:
    return SlabKey(address, (), version, (number, 0, 0), (number + 1, 10, 10))


def slab(nbytes: int) -> Slab:
    """A slab that takes exactly so many bytes."""
    values = np.arange(nbytes - 512, dtype="u4").astype("u1").reshape(1, 1, -1)
    found = Slab.of(values, labels=False)
    assert found.nbytes == nbytes
    return found


def unread() -> Slab:
    raise AssertionError("this slab was kept")


def no_slab() -> Slab:
    raise OSError("chunk 7 is damaged")


# --- keeping ------------------------------------------------------------------------------------------------------


def test_a_kept_slab_is_not_read_again() -> None:
    cache = SlabCache(limit=100_000)
    first = cache.get(key(0), lambda: slab(1000))
    assert cache.get(key(0), unread) is first
    assert {name: cache.stats()[name] for name in ("hits", "misses", "bytes", "slabs")} == {
        "hits": 1, "misses": 1, "bytes": 1000, "slabs": 1
    }  # fmt: skip


def test_beyond_95_percent_the_longest_unused_go_down_to_90() -> None:
    cache = SlabCache(limit=100_000)
    for number in range(95):
        cache.get(key(number), lambda: slab(1000))
    assert cache.stats()["bytes"] == 95_000  # at the mark, not beyond it
    for number in (0, 2):
        cache.get(key(number), unread)  # a hit makes it recent
    cache.get(key(95), lambda: slab(1000))
    assert cache.stats()["bytes"] == 90_000
    assert cache.stats()["evicted"] == 6
    gone = [number for number in range(96) if not cache.holds(key(number))]
    assert gone == [1, 3, 4, 5, 6, 7]


def test_asking_whether_a_slab_is_kept_does_not_make_it_recent() -> None:
    cache = SlabCache(limit=10_000)
    for number in range(9):
        cache.get(key(number), lambda: slab(1000))
    assert cache.holds(key(0))
    cache.get(key(9), lambda: slab(1000))
    assert not cache.holds(key(0))
    assert cache.stats()["hits"] == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(600, 5000)), max_size=80))
def test_it_never_holds_more_than_its_limit(asked: list[tuple[int, int]]) -> None:
    cache = SlabCache(limit=20_000)
    sizes: dict[int, int] = {}
    for number, size in asked:
        size = sizes.setdefault(number, size)
        found = cache.get(key(number), lambda size=size: slab(size))  # type: ignore[misc]
        assert found.nbytes == size
        assert cache.holds(key(number))
        assert cache.stats()["bytes"] == sum(sizes[n] for n in sizes if cache.holds(key(n))) <= 0.95 * 20_000


def test_a_slab_larger_than_the_cache_is_given_but_not_kept() -> None:
    cache = SlabCache(limit=10_000)
    cache.get(key(0), lambda: slab(1000))
    assert cache.get(key(1), lambda: slab(20_000)).nbytes == 20_000
    assert cache.holds(key(0))
    assert not cache.holds(key(1))


def test_a_new_version_takes_the_place_of_the_old() -> None:
    cache = SlabCache(limit=100_000)
    cache.get(key(0), lambda: slab(1000))
    cache.get(key(0, address="other"), lambda: slab(1000))
    newer = cache.get(key(0, version=1), lambda: slab(1200))
    assert newer.nbytes == 1200
    assert cache.stats()["bytes"] == 2200
    assert not cache.holds(key(0))


def test_what_was_read_for_an_old_version_is_not_kept() -> None:
    cache = SlabCache(limit=100_000)

    def overtaken() -> Slab:
        cache.get(key(1, version=1), lambda: slab(700))  # somebody asks after a write, while this is being read
        return slab(1000)

    cache.get(key(0), overtaken)
    assert not cache.holds(key(0))
    assert cache.stats()["bytes"] == 700


def test_forgetting_an_array_frees_its_slabs() -> None:
    cache = SlabCache(limit=100_000)
    cache.get(key(0), lambda: slab(1000))
    cache.get(key(0, address="other"), lambda: slab(800))
    cache.forget("em")
    assert cache.stats()["bytes"] == 800


def test_many_who_ask_at_once_share_one_read() -> None:
    cache = SlabCache(limit=100_000)
    go, reads, found = threading.Event(), [], []

    def slow() -> Slab:
        reads.append(1)
        assert go.wait(10)
        return slab(1000)

    threads = [threading.Thread(target=lambda: found.append(cache.get(key(0), slow))) for _ in range(8)]
    for thread in threads:
        thread.start()
    while sum(cache.stats()[name] for name in ("misses", "shared")) < 8:
        time.sleep(0.001)
    assert cache.stats()["in_flight"] == 1
    go.set()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert len({id(one) for one in found}) == 1


def test_a_failed_read_fails_for_all_who_wait_and_is_tried_again() -> None:
    cache = SlabCache(limit=100_000)
    with pytest.raises(OSError, match="chunk 7"):
        cache.get(key(0), no_slab)
    assert cache.stats()["in_flight"] == 0
    assert cache.get(key(0), lambda: slab(1000)).nbytes == 1000


@given(st.integers(1, 70_000), st.sampled_from(["u8", "i8", "u4", "u2", "u1"]))
def test_labels_are_kept_small_and_exact(count: int, dtype: str) -> None:
    info = np.iinfo(dtype)
    ids = np.random.default_rng(count).integers(info.min, info.max, count, dtype, endpoint=True)
    values = np.resize(ids, (4, 5, 20 + len(ids) // 20))
    kept = Slab.of(values, labels=True)
    z, y, x = values.shape
    assert np.array_equal(kept.cut((0, 0, 0), (z, y, x)), values)
    assert np.array_equal(kept.cut((1, 2, 3), (2, 4, 15)), values[1:2, 2:4, 3:15])
    if dtype == "u8" and len(ids) <= 256:
        assert kept.nbytes <= values.size + 8 * len(ids) + 512


# --- cutting ------------------------------------------------------------------------------------------------------

sides = st.integers(1, 3000)
triples = st.tuples(sides, sides, sides)


@given(triples, triples, st.integers(0, 2), st.sampled_from([1, 2, 4, 8]), st.data())
def test_slabs_tile_the_array_and_cut_no_chunk(
    shape: Int3, chunks: Int3, depth: int, itemsize: int, data: st.DataObject
) -> None:
    step = steps(shape, chunks, depth, itemsize)
    small = [min(c, n) for c, n in zip(chunks, shape, strict=True)]
    start = [data.draw(st.integers(0, n - 1)) for n in shape]
    stop = [data.draw(st.integers(a + 1, min(a + 2 * s, n))) for a, s, n in zip(start, step, shape, strict=True)]
    cut = list(boxes((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]), step, shape))
    assert len(set(cut)) == len(cut)
    for axis in range(3):
        edges = sorted({(low[axis], high[axis]) for low, high in cut})
        assert edges[0][0] <= start[axis]
        assert edges[-1][1] >= stop[axis]
        assert all(a[1] == b[0] for a, b in itertools.pairwise(edges))
        assert edges[-1][1] <= shape[axis]
        if axis != depth:
            assert step[axis] % small[axis] == 0 or small[axis] > 2048
    assert math.prod(step) * itemsize <= DEEPEST_BYTES
    if math.prod(step) * itemsize > SLAB_BYTES:  # then it is a chunk wide, and no smaller one spares a decode
        assert all(step[axis] < 2 * small[axis] for axis in range(3) if axis != depth)


def test_a_slab_of_usual_chunks_is_as_deep_as_a_chunk() -> None:
    for depth in range(3):
        assert steps((10**5, 10**6, 10**6), (64, 64, 64), depth, 1)[depth] == 64
        assert steps((10**5, 10**6, 10**6), (16, 128, 128), depth, 2)[depth] == (16, 128, 128)[depth]


@given(st.sampled_from([(64, 64, 64), (1, 512, 512), (700, 3, 20)]), st.sampled_from([4, 8]), st.data())
def test_parts_tile_the_slab_and_cut_no_chunk(chunks: Int3, itemsize: int, data: st.DataObject) -> None:
    start = tuple(data.draw(st.integers(0, 5)) * c for c in chunks)
    stop = tuple(a + data.draw(st.integers(1, 300)) for a in start)
    cut = list(parts((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]), chunks, itemsize))
    assert sum(math.prod(b - a for a, b in zip(*box, strict=True)) for box in cut) == math.prod(
        b - a for a, b in zip(start, stop, strict=True)
    )
    for low, high in cut:
        size = math.prod(b - a for a, b in zip(low, high, strict=True))
        assert size * itemsize <= max(PART_BYTES, math.prod(chunks) * itemsize)
        for axis in range(3):
            assert low[axis] % chunks[axis] == 0
            assert high[axis] % chunks[axis] == 0 or high[axis] == stop[axis]


@pytest.mark.parametrize("dtype", ["u8", "i8", ">u8", "u4", "i4", "u2", ">i2"])
@pytest.mark.parametrize("count", [1, 200, 300, 66_000])
def test_labels_that_come_in_pieces_get_one_table(dtype: str, count: int) -> None:
    rng = np.random.default_rng(count)
    info = np.iinfo(dtype)
    native = np.dtype(dtype).newbyteorder("=")
    ids = np.unique(rng.integers(info.min, info.max, 2 * count, native, endpoint=True))[:count]
    values = np.resize(rng.permutation(ids), (6, 60, 200)).astype(dtype)
    indexer = Indexer(values.shape, values.dtype)
    for z, y in itertools.product((0, 3), (0, 7)):
        inside = (slice(z, z + 3), slice(y, 60 if y else 7), slice(0, 200))
        indexer.add(inside, values[inside])
    assert np.array_equal(indexer.ids[indexer.index], values)
    assert len(np.unique(indexer.ids)) == len(indexer.ids) == len(np.unique(values))
    assert indexer.index.itemsize == (1 if len(indexer.ids) <= 256 else 2 if len(indexer.ids) <= 65536 else 4)


@pytest.mark.parametrize("codec", ["zstd", "none", "blosc"])
@pytest.mark.parametrize("dtype", ["u8", "u4", "u2", "u1"])
def test_a_slab_of_labels_is_the_same_whoever_decodes_it(tmp_path: Path, codec: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, np.iinfo(dtype).max, 40, dtype)
    values = np.repeat(np.repeat(ids[rng.integers(0, 40, (9, 70, 30))], 3, 1), 5, 2)
    values[:, 128:, 64:128] = 0  # chunks of these are not stored
    about = Multiscale(("z", "y", "x"), (Scale("0", Calibration((40, 4, 4))),), name="v", kind="labels")
    create(str(tmp_path / "v"), about, [values.shape], dtype, chunks=[(64, 64, 64)], shards=[None], codec=codec)
    volume = open_volume(tmp_path / "v")
    volume.write(None, values)
    source = Layer("v", volume).source(0)
    slab = source.load((0, 0, 0), values.shape)
    assert np.array_equal(slab.cut((0, 0, 0), values.shape), values)
    assert slab.values.dtype == np.uint8
    empty = source.load((0, 128, 64), (9, 192, 128))
    assert empty.constant
    assert empty.absent


# --- foreseeing ---------------------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def walk(planes: Sequence[int], seconds: float = 1 / 60) -> Trend:
    clock = Clock()
    motion, trend = Motion(clock), Trend()
    for d in planes:
        clock.now += seconds
        trend = motion.observe("view", Look(0, d, (0, 512), (0, 512)))
    return trend


def test_a_scroll_has_a_direction_and_a_speed() -> None:
    trend = walk(range(10, 20))
    assert (trend.sign, trend.stride) == (1, 1)
    assert trend.speed == pytest.approx(60)
    assert walk(range(20, 10, -1)).sign == -1
    assert walk(range(0, 400, 100), seconds=2).stride == 100
    assert walk([5, 5, 5]).sign == 0
    assert walk([5]).sign == 0


def test_two_steps_back_are_a_turn() -> None:
    assert walk([10, 11, 12, 13, 14, 13]).sign == 1
    assert walk([10, 11, 12, 13, 14, 13, 12]).sign == -1


def test_a_page_that_asks_ahead_of_itself_still_scrolls_forward() -> None:
    ahead = list(itertools.chain.from_iterable((d, d + 3) for d in range(10)))
    assert all(walk(ahead[:n]).sign == 1 for n in range(4, len(ahead)))


def test_a_look_of_long_ago_says_nothing() -> None:
    assert walk([10, 11], seconds=60).sign == 0


def test_views_are_followed_apart() -> None:
    motion = Motion(Clock())
    for step in range(4):
        up = motion.observe("a", Look(0, 10 + step, (0, 9), (0, 9)))
        down = motion.observe("b", Look(0, 10 - step, (0, 9), (0, 9)))
    assert (up.sign, down.sign) == (1, -1)


def test_the_next_slab_is_foreseen_from_anywhere_in_this_one() -> None:
    for d in range(64, 128):
        ahead = [wish.d // 64 for wish in wishes(Look(0, d, (0, 9), (0, 9)), Trend(sign=1, speed=1), 64, [(500, 9, 9)])]
        behind = [wish.d // 64 for wish in wishes(Look(0, d, (0, 9), (0, 9)), Trend(sign=-1), 64, [(500, 9, 9)])]
        assert (ahead, behind) == ([2], [0])


def test_the_faster_the_scroll_the_farther_it_is_foreseen() -> None:
    look, shapes = Look(0, 0, (0, 9), (0, 9)), [(10_000, 9, 9)]
    counts = [len(list(wishes(look, Trend(1, 1, speed), 64, shapes))) for speed in (1, 60, 200, 10_000)]
    assert counts == [1, 2, 4, 4]


def test_long_steps_are_foreseen_step_by_step() -> None:
    look = Look(0, 100, (0, 9), (0, 9))
    assert [w.d for w in wishes(look, Trend(1, 100, 0.0), 64, [(1000, 9, 9)])] == [200]


def test_a_pan_foresees_the_neighbours_that_lie_in_its_way() -> None:
    motion = Motion(Clock())
    motion.observe("v", Look(0, 7, (0, 512), (0, 512)))
    look = Look(0, 7, (0, 512), (512, 1024))
    trend = motion.observe("v", look)
    assert trend.pan == (0, 1)
    assert [(w.d, w.rows, w.columns) for w in wishes(look, trend, 64, [(100, 2000, 1300)])] == [
        (7, (0, 512), (1024, 1300))
    ]
    assert list(wishes(look, trend, 64, [(100, 2000, 1024)])) == []


def test_a_zoom_foresees_the_next_level_around_the_middle() -> None:
    motion = Motion(Clock())
    motion.observe("v", Look(2, 5, (0, 512), (0, 512)))
    look = Look(1, 10, (256, 768), (256, 768))
    trend = motion.observe("v", look)
    assert trend.zoom == -1
    shapes = [(40, 4096, 4096), (20, 2048, 2048), (10, 1024, 1024)]
    assert list(wishes(look, trend, 64, shapes)) == [Look(0, 21, (768, 1280), (768, 1280))]
    assert list(wishes(Look(0, 10, (0, 9), (0, 9)), Trend(zoom=-1), 64, shapes)) == []
    assert list(wishes(look, trend, 64, [None, *shapes[1:]])) == []


# --- reading ahead ------------------------------------------------------------------------------------------------


def test_a_new_plan_replaces_the_old_one() -> None:
    ahead, go, done = ReadAhead(workers=1), threading.Event(), []
    ahead.plan("v", [lambda: go.wait(10), *(lambda n=n: done.append(n) for n in range(5))])
    while ahead.waiting != 6:
        time.sleep(0.001)
    time.sleep(0.01)
    ahead.plan("v", [lambda: done.append(10)])
    go.set()
    assert ahead.idle(10)
    assert done == [10]
    ahead.close()


def test_nothing_is_begun_while_a_visible_read_runs() -> None:
    ahead, done = ReadAhead(), []
    ahead.hold()
    ahead.plan("v", [lambda: done.append(1)])
    assert not ahead.idle(0.1)
    assert done == []
    ahead.release()
    assert ahead.idle(10)
    assert done == [1]
    ahead.close()


def test_a_job_that_fails_does_not_end_the_thread() -> None:
    ahead, done = ReadAhead(workers=1), []
    ahead.plan("v", [no_slab, lambda: done.append(1)])
    assert ahead.idle(10)
    assert done == [1]
    ahead.close()


def test_threads_end_when_it_is_closed_or_its_reader_is_dropped() -> None:
    closed, dropped = Reader(SlabCache()), Reader(SlabCache())
    threads = []
    for one in (closed, dropped):
        assert one.ahead is not None
        one.ahead.plan("v", [lambda: None])
        assert one.ahead.idle(10)
        threads += one.ahead._threads
    assert len(threads) == 4
    closed.close()
    del one, dropped
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


# --- never old ----------------------------------------------------------------------------------------------------


class Counting:
    """An array that counts what is read through it, slowly enough that many ask meanwhile."""

    def __init__(self, array: Any, seconds: float = 0.0) -> None:
        self.array, self.seconds = array, seconds
        self.reads: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self.shape, self.dtype, self.chunks = array.shape, array.dtype, array.chunks
        self.shards, self.codec = array.shards, array.codec
        self.after: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Counting, (self.array, self.seconds)

    def read(self, start: Sequence[int], stop: Sequence[int], out: Any = None) -> Any:
        self.reads.append((tuple(start), tuple(stop)))
        time.sleep(self.seconds)
        values = self.array.read(start, stop, out)
        if self.after is not None:
            self.after()
        return values

    def write(self, start: Sequence[int], values: Any) -> None:
        self.array.write(start, values)


def stored(folder: Path, values: np.ndarray[Any, Any], chunk: Sequence[int] = (8, 16, 16)) -> Volume:
    about = Multiscale(("z", "y", "x"), (Scale("0", Calibration((10, 10, 10))),), name="v")
    create(str(folder), about, [values.shape], values.dtype, chunks=[chunk], shards=[None], codec="zstd")
    volume = open_volume(folder)
    volume.write(Box((0, 0, 0), values.shape), values)
    return volume


def shown(service: TileService, name: str, d: int, axis: str = "xy") -> np.ndarray[Any, Any]:
    (frame,) = wire.unpack(b"".join(service.tiles({"vol": name, "axis": axis, "s": "64", "k": f"{d},0,0"})))
    return wire.pixels(frame)


@pytest.mark.parametrize("kind", ["image", "labels"])
def test_what_was_written_is_shown(tmp_path: Path, kind: Literal["image", "labels"]) -> None:
    volume = stored(tmp_path / "v", np.zeros((20, 40, 40), "u2"))
    with TileService(SlabCache()) as service:
        name = service.add(open_volume(tmp_path / "v", kind=kind))
        for n in range(1, 6):
            for axis in AXES:
                assert (shown(service, name, 3, axis) == n - 1).all()
            volume.write(Box((0, 0, 0), volume.shape), n)
        assert service.info(name)["version"] == volume.version


def test_a_store_made_anew_at_an_old_address_is_another(tmp_path: Path) -> None:
    import shutil

    stored(tmp_path / "v", np.full((8, 16, 16), 3, "u1"))
    with TileService(SlabCache()) as service:
        first = service.add(open_volume(tmp_path / "v"), "v")
        assert (shown(service, first, 3) == 3).all()
        shutil.rmtree(tmp_path / "v")
        stored(tmp_path / "v", np.full((8, 16, 16), 9, "u1"))
        service.add(open_volume(tmp_path / "v"), "v")
        assert (shown(service, first, 3) == 9).all()


def test_nobody_sees_less_than_was_written_before_they_asked(tmp_path: Path) -> None:
    """One writer raises every voxel step by step; readers and read-ahead hammer the same slabs meanwhile."""
    volume = stored(tmp_path / "v", np.zeros((16, 32, 32), "u2"))
    until, stop, wrong = [0], threading.Event(), []
    planes: list[int] = []

    with TileService(SlabCache()) as service:
        name = service.add(volume)

        def read(axis: str) -> None:
            for d in itertools.cycle([*range(16), *range(14, 0, -1)]):
                if stop.is_set():
                    return
                floor = until[0]
                plane = shown(service, name, d, axis)
                planes.append(int(plane.min()))
                if plane.min() < floor:
                    wrong.append((axis, d, int(plane.min()), floor))

        def write() -> None:
            for n in range(1, 25):
                volume.write(Box((0, 0, 0), volume.shape), n)
                until[0] = n
                looked = len(planes)
                while len(planes) == looked and not wrong:  # somebody looks between any two writes
                    time.sleep(0.001)
            stop.set()

        threads = [threading.Thread(target=read, args=(axis,)) for axis in (*AXES, "xy")]
        threads.append(threading.Thread(target=write))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not wrong
        assert len(set(planes)) > 3
        assert all((shown(service, name, d) == 24).all() for d in range(16))


def test_a_read_that_a_write_overtakes_is_not_shown_afterwards(tmp_path: Path) -> None:
    volume = stored(tmp_path / "v", np.zeros((8, 16, 16), "u1"))
    entered, go = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        assert go.wait(10)

    slow = Counting(array_of(volume))
    slow.after = hold
    with TileService(SlabCache()) as service:
        name = service.add(replaced(volume, slow))
        early: list[Any] = []
        thread = threading.Thread(target=lambda: early.append(shown(service, name, 0)))
        thread.start()
        assert entered.wait(10)
        volume.write(Box((0, 0, 0), volume.shape), 7)  # while the first read holds the old voxels
        late: list[Any] = []
        second = threading.Thread(target=lambda: late.append(shown(service, name, 0)))
        second.start()
        time.sleep(0.05)
        go.set()
        thread.join(10)
        second.join(10)
        assert (early[0] == 0).all()
        assert (late[0] == 7).all()
        assert (shown(service, name, 5) == 7).all()


def test_a_volume_in_memory_is_never_kept() -> None:
    volume = Volume.from_array(np.zeros((4, 8, 8), "u1"), (10, 10, 10))
    with TileService(SlabCache()) as service:
        name = service.add(volume)
        assert (shown(service, name, 1) == 0).all()
        volume.write(Box((0, 0, 0), volume.shape), 5)
        assert (shown(service, name, 1) == 5).all()
        assert service.stats()["bytes"] == 0


def test_touching_a_volume_makes_it_be_read_anew(tmp_path: Path) -> None:
    volume = stored(tmp_path / "v", np.zeros((8, 16, 16), "u1"))
    counting = Counting(array_of(volume))
    with TileService(SlabCache(), ahead=False) as service:
        name = service.add(replaced(volume, counting))
        before = service.info(name)["version"]
        counting.reads.clear()
        shown(service, name, 0)
        shown(service, name, 1)
        assert len(counting.reads) == 1
        assert service.touch(name) == before + 1 == service.info(name)["version"]
        counting.reads.clear()
        shown(service, name, 0)
        shown(service, name, 1)
        assert len(counting.reads) == 1


# --- each chunk once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", AXES)
def test_a_scroll_reads_every_voxel_once(tmp_path: Path, axis: str) -> None:
    values = np.random.default_rng(0).integers(0, 99, (40, 40, 40), "u1")
    volume = stored(tmp_path / "v", values)
    counting = Counting(array_of(volume))
    with TileService(SlabCache()) as service:
        name = service.add(replaced(volume, counting))
        service.info(name)
        counting.reads.clear()
        order = AXES[axis]
        for d in [*range(40), *range(38, -1, -1)]:
            assert np.array_equal(shown(service, name, d, axis), np.moveaxis(values, order, (0, 1, 2))[d])
        assert service._reader.ahead is not None
        assert service._reader.ahead.idle(10)
        assert len(set(counting.reads)) == len(counting.reads)
        assert voxels(counting) == values.size


def test_readers_of_one_slab_read_it_once(tmp_path: Path) -> None:
    volume = stored(tmp_path / "v", np.arange(8 * 64 * 64, dtype="u4").reshape(8, 64, 64))
    counting = Counting(array_of(volume), seconds=0.05)
    with TileService(SlabCache()) as service:
        name = service.add(replaced(volume, counting))
        service.info(name)
        counting.reads.clear()
        threads = [threading.Thread(target=shown, args=(service, name, d)) for d in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(counting.reads) == 1


def test_a_played_plane_reads_its_slabs_together(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 99, (4, 1024, 16), "u1")
    volume = stored(tmp_path / "v", values)
    together = threading.Barrier(2, timeout=20)
    counting = Counting(array_of(volume))
    with TileService(SlabCache(), ahead=False) as service:
        name = service.add(replaced(volume, counting))
        counting.after = together.wait  # each of the two reads ends only once both have begun
        playing = service.play({"vol": name, "from": "1", "to": "1", "box": "0,1024,0,16"})
        (frame,) = wire.unpack(b"".join(playing))
        assert np.array_equal(wire.pixels(frame), values[1])
        assert len(counting.reads) == 2


def test_the_next_slab_is_there_before_the_scroll_is(tmp_path: Path) -> None:
    volume = stored(tmp_path / "v", np.random.default_rng(0).integers(0, 99, (40, 40, 40), "u1"))
    counting = Counting(array_of(volume))
    with TileService(SlabCache()) as service:
        name = service.add(replaced(volume, counting))
        service.info(name)
        for d in (0, 1, 2):
            shown(service, name, d)
        assert service._reader.ahead is not None
        assert service._reader.ahead.idle(10)
        misses = service.stats()["misses"]
        counting.reads.clear()
        shown(service, name, 8)
        assert service.stats()["misses"] == misses
        assert (0, 0, 0) not in {start for start, _ in counting.reads}


def test_what_nobody_waits_for_any_more_is_not_read(tmp_path: Path) -> None:
    volume = stored(tmp_path / "v", np.random.default_rng(0).integers(0, 99, (512, 16, 16), "u1"))
    counting = Counting(array_of(volume), seconds=0.02)
    with TileService(SlabCache(), ahead=False) as service:
        name = service.add(replaced(volume, counting))
        service.info(name)
        counting.reads.clear()
        keys = ";".join(f"{8 * n},0,0" for n in range(64))
        taken = service.tiles({"vol": name, "s": "64", "k": keys})
        next(taken)
        taken.close()  # type: ignore[attr-defined]  # it is a generator
        time.sleep(0.2)
        assert len(counting.reads) < 32
        counting.reads.clear()
        stop = [False]
        playing = service.play({"vol": name, "from": "511", "to": "0", "box": "0,16,0,16"}, lambda: stop[0])
        next(playing)
        stop[0] = True
        assert list(playing) == []
        assert len(counting.reads) <= 1


def voxels(counting: Counting) -> int:
    return sum(math.prod(b - a for a, b in zip(start, stop, strict=True)) for start, stop in counting.reads)


def array_of(volume: Volume) -> Any:
    return volume._stored.levels[0].array


def replaced(volume: Volume, array: Any) -> Volume:
    """The volume with another array under it."""
    level = replace(volume._stored.levels[0], array=array)
    return Volume(replace(volume._stored, levels=(level,)))
