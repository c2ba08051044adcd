from __future__ import annotations

import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadMetadata
from ndlab.geometry import Box
from ndlab.store import state
from ndlab.store.kv import Kv
from ndlab.store.state import State
from tests.store.making import make

points = st.tuples(*[st.integers(0, 40)] * 3)
boxes = st.builds(lambda a, n: Box(a, [i + k + 1 for i, k in zip(a, n, strict=True)], 1), points, points)


@given(st.integers(0, 10**9), st.lists(boxes, max_size=5))
def test_states_survive_as_json(version: int, marked: list[Box]) -> None:
    one = State(version)
    for box in marked:
        one = one.with_stale(box)
    assert State.from_bytes(one.to_bytes()) == one
    assert State.from_bytes(None) == State(0, {})


@given(st.lists(boxes, min_size=1, max_size=90))
def test_a_marked_voxel_stays_marked(marked: list[Box]) -> None:
    """However many boxes there are, and however they overlap: never too little, and a bounded number of them."""
    one = State()
    for box in marked:
        one = one.with_stale(box)
    assert all(any(box in old for old in one.stale[1]) for box in marked)
    assert len(one.stale[1]) <= 64


def test_marks_within_marks_are_kept_once() -> None:
    large, small = Box((0, 0, 0), (9, 9, 9), 1), Box((1, 1, 1), (2, 2, 2), 1)
    assert State().with_stale(large).with_stale(small).stale == {1: (large,)}
    assert State().with_stale(small).with_stale(large).stale == {1: (large,)}


def test_a_store_never_written_through_ndlab(tmp_path: Path) -> None:
    make(tmp_path / "a")
    assert state.read(str(tmp_path / "a")) == state.written(str(tmp_path / "a")) == State()
    assert not (tmp_path / "a" / ".ndlab").exists()


def test_a_change_is_seen_at_once(tmp_path: Path) -> None:
    url = str(tmp_path / "a")
    make(url)
    for version in range(1, 30):
        state.change(url, lambda s: State(s.version + 1, s.stale))
        assert state.written(url).version == state.read(url).version == version


def test_a_change_to_the_same_writes_nothing(tmp_path: Path) -> None:
    url = str(tmp_path / "a")
    make(url)
    state.change(url, lambda s: State(3))
    before = (tmp_path / "a" / ".ndlab" / "state.json").stat().st_mtime_ns
    state.change(url, lambda s: s)
    assert (tmp_path / "a" / ".ndlab" / "state.json").stat().st_mtime_ns == before


def count_up(url: str, times: int) -> int:
    for _ in range(times):
        state.change(url, lambda s: State(s.version + 1, s.stale))
    return state.written(url).version


def test_threads_and_processes_count_every_write(tmp_path: Path) -> None:
    url = str(tmp_path / "a")
    make(url)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        others = [pool.submit(count_up, url, 20) for _ in range(2)]
        threads = [threading.Thread(target=count_up, args=(url, 10)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in others:
            one.result()
    assert state.written(url).version == 80


def test_a_store_made_anew_has_no_history(tmp_path: Path) -> None:
    import shutil

    url = str(tmp_path / "a")
    for _ in range(3):
        make(url)
        assert state.written(url) == State()
        state.change(url, lambda s: State(5).with_stale(Box((0, 0, 0), (1, 1, 1), 1)))
        assert state.written(url).version == 5
        assert isinstance(zarr.open(url + "/.ndlab", mode="r"), zarr.Array)  # disguised each time
        shutil.rmtree(url)


@pytest.mark.parametrize("version", ["0.5", "0.4", "precomputed"])
def test_the_records_look_like_an_empty_array_to_zarr(tmp_path: Path, version: str) -> None:
    make(tmp_path / "a", version=version, codec=None)
    state.change(str(tmp_path / "a"), lambda s: State(1))
    names = {path.name for path in (tmp_path / "a" / ".ndlab").iterdir()}
    assert names == {"0.5": {"state.json", "zarr.json"}, "0.4": {"state.json", ".zarray", ".zattrs"}}.get(
        version, {"state.json"}
    )
    if version != "precomputed":
        found = zarr.open(tmp_path / "a" / ".ndlab", mode="r")
        assert isinstance(found, zarr.Array)
        assert found.size == 0


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    make(tmp_path / "a")
    Kv.open(tmp_path / "a").write(".ndlab/state.json", b"{")
    with pytest.raises(BadMetadata, match=r"state.json is not JSON"):
        state.read(str(tmp_path / "a"))
    with pytest.raises(BadMetadata):
        state.change(str(tmp_path / "a"), lambda s: State(1))
