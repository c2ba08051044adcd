from __future__ import annotations

import itertools
import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, NdlabError, OutOfBounds, ReadOnly, StaleLevelWarning, TooLarge
from ndlab.geometry import Box
from ndlab.store import state
from ndlab.store.engine import TensorStoreArray
from ndlab.store.writing import same_values
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.store.making import make, texture

SHAPE = (20, 40, 60)
VERSIONS = ["0.5", "0.4", "precomputed"]


def fresh(tmp_path: Path, version: str = "0.5", shape: tuple[int, ...] = SHAPE, **options: Any) -> Volume:
    options = {"codec": "raw" if version == "precomputed" else "zstd"} | options
    make(tmp_path / version, shape, version=version, **options)
    return open_volume(tmp_path / version)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def pieces_of(folder: Path) -> set[str]:
    """Keys of chunks and shards."""
    return {key for key in contents(folder) if ".ndlab" not in key and Path(key).name[0].isdigit()}


# --- fill values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_absent_chunks_read_as_fill_and_all_zero_chunks_are_not_stored(tmp_path: Path, version: str) -> None:
    """The originals' requirement 22, by counting what is in the folder."""
    volume = fresh(tmp_path, version)
    folder = tmp_path / version
    assert not volume.read().any()
    volume.write(None, 0)
    assert pieces_of(folder) == set()
    volume.write(Box((0, 0, 0), (8, 16, 16)), 5)
    assert len(pieces_of(folder)) == 1
    volume.write(Box((19, 39, 59), SHAPE), 7)
    assert len(pieces_of(folder)) == 2
    volume.write(Box((0, 0, 0), (8, 16, 16)), 0)  # once more all zero: taken away again
    assert len(pieces_of(folder)) == 1
    assert volume.read().sum(dtype=int) == 7


def test_an_all_zero_chunk_takes_no_room_in_its_shard(tmp_path: Path) -> None:
    volume = fresh(tmp_path, codec=None)
    volume.write(Box((0, 0, 0), (8, 16, 16)), 5)
    (key,) = pieces_of(tmp_path / "0.5")
    one = (tmp_path / "0.5" / key).stat().st_size
    assert one == 8 * 16 * 16 + 16 * 8 + 4  # the chunk, and a shard index of 8 entries with its checksum
    volume.write(Box((0, 0, 0), (16, 32, 32)), np.pad(np.full((8, 16, 16), 5, "u1"), ((0, 8), (0, 16), (0, 16))))
    assert (tmp_path / "0.5" / key).stat().st_size == one


def test_chunks_equal_to_another_fill_value_are_not_stored_either(tmp_path: Path) -> None:
    volume = fresh(tmp_path, fill_value=9)
    volume.write(None, 9)
    assert pieces_of(tmp_path / "0.5") == set()
    volume.write(Box((0, 0, 0), (1, 1, 1)), 0)
    assert volume.read().min() == 0
    assert volume.read().max() == 9


# --- refusals -----------------------------------------------------------------------------------------------------

BOX = Box((1, 2, 3), (4, 6, 8))
WRONG: dict[str, tuple[Callable[[Volume], None], type[Exception], str]] = {
    "shape": (lambda v: v.write(BOX, np.zeros((3, 4, 4), "u1")), BadRequest,
              r"values of shape \(3, 4, 4\).*the box has shape \(3, 4, 5\).*one value for each voxel"),
    "transposed": (lambda v: v.write(BOX, np.zeros((5, 4, 3), "u1")), BadRequest, "values of shape"),
    "too few axes": (lambda v: v.write(BOX, np.zeros(5, "u1")), BadRequest, "values of shape"),
    "too large": (lambda v: v.write(BOX, np.full((3, 4, 5), 256)), BadRequest,
                  r"values of int64 from 256 to 256.*holds uint8 and some values would change.*astype\('uint8'\)"),
    "negative": (lambda v: v.write(BOX, -1), BadRequest, "from -1 to -1"),
    "fraction": (lambda v: v.write(BOX, 0.5), BadRequest, "values of float64 from 0.5 to 0.5"),
    "nan": (lambda v: v.write(BOX, np.nan), BadRequest, "values of float64"),
    "one of many": (lambda v: v.write(BOX, np.where(np.arange(60).reshape(3, 4, 5) == 59, 300, 1)), BadRequest,
                    "from 1 to 300"),
    "text": (lambda v: v.write(BOX, "7"), BadRequest, "values of <U1"),
    "complex": (lambda v: v.write(BOX, 1j), BadRequest, "values of complex128"),
    "outside": (lambda v: v.write(Box((0, 0, 0), (20, 40, 61)), 1), OutOfBounds,
                r"leaves the volume.*level 0 spans \(0, 0, 0\) to \(20, 40, 60\)"),
    "before": (lambda v: v.write(Box((-1, 0, 0), (1, 1, 1)), 1), OutOfBounds, "leaves the volume"),
    "outside in nm": (lambda v: v.write(Box.nm((0, 0, 0), (801, 160, 244)), 1), OutOfBounds, "leaves the volume"),
    "level": (lambda v: v.write(Box((0, 0, 0), (1, 1, 1), level=7), 1), OutOfBounds,
              "level 7 was asked for.*levels 0 to 1"),
    "mode": (lambda v: v.write(BOX, 1, mode="add"), BadRequest,  # type: ignore[arg-type]
             'mode=\'add\'.*"replace" and "nonzero"'),
    "channel": (lambda v: v.write(BOX, 1, c=1), OutOfBounds, "c=1 was asked for"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("version", VERSIONS)
def test_each_wrong_write_is_rejected_and_nothing_changes(tmp_path: Path, case: str, version: str) -> None:
    """The originals' requirement 28: none is partially applied, nothing is marked, no version is counted."""
    volume = fresh(tmp_path, version, levels=2)
    volume.write(None, 3)
    before = contents(tmp_path / version)
    act, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        act(volume)
    assert contents(tmp_path / version) == before
    assert volume.version == 1


def test_an_empty_box_writes_nothing(tmp_path: Path) -> None:
    volume = fresh(tmp_path)
    volume.write(Box((3, 3, 3), (3, 9, 9)), np.zeros((0, 6, 6), "u1"))
    assert volume.version == 0
    assert not (tmp_path / "0.5" / ".ndlab").exists()


def _write_as_nobody(url: str) -> str:
    """In a process of its own: root may write anywhere, so it stops being root first."""
    volume = open_volume(url)
    volume.read()
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    try:
        volume.write(Box((0, 0, 0), (9, 9, 9)), 9)
    except ReadOnly as error:
        return str(error)
    return "written"


@pytest.mark.parametrize("levels", [1, 2])
def test_a_store_without_permission_refuses_before_any_byte(levels: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        volume = fresh(folder, levels=levels)
        volume.write(None, 3)
        before = contents(folder)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            said = pool.submit(_write_as_nobody, volume.url).result()
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        assert "cannot be written" in said
        assert "permissions" in said
        assert contents(folder) == before


def test_files_of_other_formats_refuse_before_any_byte(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", texture(SHAPE))
    before = contents(tmp_path)
    volume = open_volume(tmp_path / "a.npy", voxel_size=(40, 4, 4))
    with pytest.raises(ReadOnly, match=r"a\.npy.*"):
        volume.write(BOX, 1)
    assert contents(tmp_path) == before


# --- values that change type --------------------------------------------------------------------------------------

KINDS = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


def exact(value: Any) -> Any:
    """A numpy scalar as a Python number without rounding; nan and infinities as themselves."""
    number = value.item()
    return Fraction(number) if isinstance(number, float) and np.isfinite(number) else number


def numbers_of(kind: str) -> st.SearchStrategy[Any]:
    dtype = np.dtype(kind)
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind == "f":
        width: Any = dtype.itemsize * 8
        powers = [float(np.dtype(kind).type(2.0**k)) for k in (7, 8, 15, 31, 32, 63, 64) if k < 16 or width > 16]
        return st.floats(width=width) | st.sampled_from([0.0, -0.0, 1.0, 255.0, 256.0, -1.0, *powers])
    info = np.iinfo(dtype)
    return st.integers(info.min, info.max) | st.sampled_from([info.min, info.max, 0, 1, info.max // 2 + 1])


@given(st.data())
def test_a_cast_is_accepted_exactly_if_no_value_changes(data: st.DataObject) -> None:
    source, target = data.draw(st.sampled_from(KINDS)), np.dtype(data.draw(st.sampled_from(KINDS)))
    values = np.array(data.draw(st.lists(numbers_of(source), min_size=1, max_size=3)), source)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = same_values(values, target, "")
        except BadRequest:
            found = None
    with np.errstate(all="ignore"):
        cast = values.astype(target)
    kept = all(_same(exact(a), exact(b)) for a, b in zip(values, cast, strict=True))
    if values.dtype == target:
        assert found is values
    elif found is not None:
        assert kept
        np.testing.assert_array_equal(found, cast)
    else:
        # A processor may wrap what is beyond an integer's range to the same number by chance: refusing is right then.
        assert not kept or any(abs(exact(v)) >= 2**31 for v in values if np.isfinite(v))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b)
    return bool(a == b)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([200], "u1"), "i1"), (np.array([2**63], "u8"), "i8"), (np.array([-1], "i8"), "u8"),
        (np.array([2.0**64], "f8"), "u8"), (np.array([2.0**63], "f8"), "i8"), (np.array([2**64 - 1], "u8"), "f8"),
        (np.array([2**53 + 1], "i8"), "f8"), (np.array([1e6], "f4"), "f2"), (np.array([0.1], "f8"), "f4"),
        (np.array([2], "u1"), "bool"), (np.array([70000], "i4"), "f2"),
        (np.array([-(2**31)], "i4"), "f2"), (np.array([-(2**63)], "i8"), "f2"),
    ],
)  # fmt: skip
def test_casts_that_change_a_value(values: np.ndarray[Any, Any], dtype: str) -> None:
    with pytest.raises(BadRequest, match="some values would change"):
        same_values(values, np.dtype(dtype), "")


# --- modes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_both_modes(tmp_path: Path, version: str) -> None:
    """The originals' requirement 29: write 5s, then zeros, in both modes."""
    volume = fresh(tmp_path, version)
    volume.write(BOX, 5)
    volume.write(BOX, 0, mode="nonzero")
    assert volume.read().sum(dtype=int) == 5 * BOX.size
    volume.write(BOX, 0)
    assert volume.read().sum(dtype=int) == 0


@given(st.data())
def test_modes_equal_numpy(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    volume = fresh(tmp_path_factory.mktemp("mode"), data.draw(st.sampled_from(VERSIONS)))
    expected = np.zeros(SHAPE, "u1")
    for seed in range(3):
        start = [data.draw(st.integers(0, n - 1)) for n in SHAPE]
        box = Box(start, [data.draw(st.integers(a + 1, n)) for a, n in zip(start, SHAPE, strict=True)])
        values = texture(box.shape, seed=seed) * (np.random.default_rng(seed).random(box.shape) < 0.5)
        if data.draw(st.booleans()):
            volume.write(box, values, mode="nonzero")
            expected[box.slices] = np.where(values != 0, values, expected[box.slices])
        else:
            volume.write(box, values)
            expected[box.slices] = values
    np.testing.assert_array_equal(volume.read(), expected)
    assert volume.version == 3


# --- at the same time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["replace", "nonzero"])
@pytest.mark.parametrize("version", VERSIONS)
def test_sixteen_threads_of_interleaved_stripes(tmp_path: Path, version: str, mode: Any) -> None:
    """The originals' requirement 30: unaligned writes that touch 8 chunks each, and not a voxel lost."""
    shape = (32, 48, 48)
    volume = fresh(tmp_path, version, shape)
    stripes = [
        Box((z, y, 4), (z + 9, y + 1, 44))
        for y in range(5, 43)
        for z in (4, 13)  # across chunk borders in z, y and x
    ]

    def write(number: int) -> None:
        for one in stripes[number::16]:
            volume.write(one, 1 + number, mode=mode)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    expected = np.zeros(shape, int)
    for number in range(16):
        for one in stripes[number::16]:
            expected[one.slices] = 1 + number
    found = volume.read()
    assert found.sum(dtype=int) == expected.sum()
    np.testing.assert_array_equal(found, expected)
    assert volume.version == len(stripes)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_merging_threads_on_the_same_voxels_lose_nothing(tmp_path: Path, version: str) -> None:
    """Every thread sets other voxels of the same chunks: what the others set in between must survive the merge."""
    volume = fresh(tmp_path, version, (8, 16, 16))
    own = np.arange(8 * 16 * 16).reshape(8, 16, 16) % 8

    def write(number: int) -> None:
        volume.write(None, np.where(own == number, 1 + number, 0).astype("u1"), mode="nonzero")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    np.testing.assert_array_equal(volume.read(), own + 1)


LAYOUT: dict[str, Any] = {"chunk": (16, 32, 32), "shard": (32, 64, 64)}
BIG = (64, 128, 128)
BLOCK = (24, 40, 40)  # no multiple of a chunk or shard: every shard is written by several tasks


def blocks() -> Iterator[Box]:
    starts = itertools.product(*(range(0, n, b) for n, b in zip(BIG, BLOCK, strict=True)))
    for start in starts:
        yield Box(start, [min(a + b, n) for a, b, n in zip(start, BLOCK, BIG, strict=True)])


def write_block(volume: Volume, box: Box, mode: Any = "replace") -> None:
    volume.write(box, np.ones(box.shape, "u1"), mode=mode)


def lost(volume: Volume) -> float:
    return float((volume.read() == 0).mean())


def test_naive_dask_into_shards_loses_voxels(tmp_path: Path) -> None:
    """What the tests below are measured against: `da.store(lock=False)` in zarr-python, the same blocks and shards."""
    import dask.array as da

    worst = 0.0
    for attempt in range(5):
        array: zarr.Array[Any] = zarr.create_array(
            tmp_path / str(attempt), shape=BIG, chunks=(16, 32, 32), shards=(32, 64, 64), dtype="u1"
        )
        da.store(da.from_array(np.ones(BIG, "u1"), chunks=BLOCK), array, lock=False)
        worst = max(worst, float((np.asarray(array[...]) == 0).mean()))
        if worst > 0.05:
            break
    assert worst > 0.05, "the naive way lost nothing: this layout no longer tests anything"


@pytest.mark.parametrize("version", VERSIONS)
def test_misaligned_threads_lose_nothing(tmp_path: Path, version: str) -> None:
    volume = fresh(tmp_path, version, BIG, **LAYOUT)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda box: write_block(volume, box), blocks()))
    assert lost(volume) == 0
    assert volume.version == len(list(blocks()))


@pytest.mark.parametrize("mode", ["replace", "nonzero"])
def test_misaligned_processes_lose_nothing(tmp_path: Path, mode: str) -> None:
    volume = fresh(tmp_path, "0.5", BIG, levels=2, **LAYOUT)
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        for one in [pool.submit(write_block, volume, box, mode) for box in blocks()]:
            one.result()
    assert lost(volume) == 0
    assert volume.version == len(list(blocks()))
    assert volume.level(1).stale  # marked by the other processes


def test_misaligned_workers_of_a_cluster_lose_nothing(tmp_path: Path) -> None:
    """A real cluster of processes: Dask tasks write through the volume that was pickled to them."""
    from distributed import Client, LocalCluster

    volume = fresh(tmp_path, "0.5", BIG, **LAYOUT)
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        done = [client.submit(write_block, volume, box, pure=False) for box in blocks()]
        client.gather(done)
        assert client.submit(lost, volume).result() == 0
        total = client.compute(volume.dask.sum()).result()
    assert lost(volume) == 0
    assert total == np.prod(BIG)


# --- crashes and full disks ---------------------------------------------------------------------------------------

WRITER = textwrap.dedent(
    """
    import sys
    import numpy as np
    from ndlab.volume import open as open_volume

    volume = open_volume(sys.argv[1])
    print("ready", flush=True)
    number = 0
    while True:
        number = number % 250 + 1
        volume.write(None, np.full(volume.shape, number, "u1"))
    """
)


def test_a_writer_killed_in_the_middle_leaves_old_or_new_shards_never_garbage(tmp_path: Path) -> None:
    """`kill -9` at five moments; each shard is what one write put there, and writing goes on afterwards."""
    shape = (32, 128, 128)
    volume = fresh(tmp_path, shape=shape, chunk=(16, 32, 32), shard=(32, 64, 64), codec=None)
    volume.write(None, 251)
    root = Path(__file__).parents[2]
    for moment in (0.02, 0.05, 0.09, 0.14, 0.2):
        process = subprocess.Popen([sys.executable, "-c", WRITER, volume.url], stdout=subprocess.PIPE, cwd=root)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        found = open_volume(volume.url).read()
        for y, x in itertools.product((0, 64), repeat=2):
            (value,) = np.unique(found[:, y : y + 64, x : x + 64])
            assert 1 <= value <= 251
        reference: Any = zarr.open_array(tmp_path / "0.5" / "0", mode="r")
        np.testing.assert_array_equal(reference[...], found)
    assert volume.read().max() < 251, "no write ever got through: the test looked too early"
    volume.write(None, 252)
    assert set(np.unique(volume.read())) == {252}


def _write_beyond(url: str, limit: int) -> str:
    """In a process of its own, whose files may not grow beyond `limit` bytes."""
    volume = open_volume(url)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        volume.write(None, texture(volume.shape, seed=2))
    except (NdlabError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return "written"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_full_disk_is_a_clear_error_and_the_store_stays_readable(tmp_path: Path, version: str) -> None:
    volume = fresh(tmp_path, version, (32, 64, 64), codec=None, chunk=(16, 32, 32), shard=(32, 64, 64))
    values = texture(volume.shape, seed=1)
    volume.write(None, values)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        said = pool.submit(_write_beyond, volume.url, 8192).result()
    assert said.startswith("TooLarge: ")
    assert "no space left" in said
    assert "what was written before is intact" in said
    np.testing.assert_array_equal(open_volume(volume.url).read(), values)


def test_space_errors_are_memory_errors_too() -> None:
    assert issubclass(TooLarge, MemoryError)


# --- stale levels -------------------------------------------------------------------------------------------------


def quiet(volume: Volume) -> np.ndarray[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return volume.read()


def test_coarser_levels_are_stale_where_finer_voxels_changed(tmp_path: Path) -> None:
    volume = fresh(tmp_path, levels=3)
    assert [one.stale for one in volume.levels] == [False, False, False]
    volume.write(Box((4, 4, 4), (6, 8, 10)), 5)  # level 1 halves y and x, level 2 halves all of them once more
    assert state.read(volume.url).stale == {
        1: (Box((4, 2, 2), (6, 4, 5), 1),),
        2: (Box((2, 1, 1), (3, 2, 3), 2),),
    }
    assert [one.stale for one in volume.levels] == [False, True, True]
    coarse = volume.level(1)
    with pytest.warns(StaleLevelWarning, match=r"level 1 of .*is stale.*ndlab pyramid"):
        coarse.read()
    with pytest.warns(StaleLevelWarning):
        coarse[4:6, 2:4, 4:5].read()
    for clean in (coarse[:4], coarse[6:], coarse[:, :2], coarse[:, 4:], coarse[..., :2], coarse[..., 5:], volume):
        assert not clean.stale
        quiet(clean)


def test_a_write_to_a_coarse_level_marks_only_what_is_coarser(tmp_path: Path) -> None:
    volume = fresh(tmp_path, levels=3)
    volume.write(Box((0, 0, 0), (1, 1, 1), level=1), 5)
    assert [one.stale for one in volume.levels] == [False, False, True]
    quiet(volume.level(1))
    volume.write(Box((0, 0, 0), (1, 1, 1), level=2), 5)
    assert volume.version == 2


def is_stale(url: str) -> list[bool]:
    return [one.stale for one in open_volume(url).levels]


def test_other_processes_see_what_is_stale(tmp_path: Path) -> None:
    volume = fresh(tmp_path, levels=2)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(is_stale, volume.url).result() == [False, False]
        volume.write(BOX, 1)
        assert pool.submit(is_stale, volume.url).result() == [False, True]
        state.change(volume.url, lambda s: state.State(s.version))
        assert pool.submit(is_stale, volume.url).result() == [False, False]


def test_a_level_is_marked_before_the_first_voxel_and_again_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in between leaves a level marked; a pyramid that runs in between does not take the mark for its own."""
    volume = fresh(tmp_path, levels=2)
    whole = TensorStoreArray.write

    def crash(self: TensorStoreArray, start: Any, values: Any) -> None:
        assert volume.level(1).stale
        raise OSError("power failure")

    monkeypatch.setattr(TensorStoreArray, "write", crash)
    with pytest.raises(OSError, match="power failure"):
        volume.write(BOX, 1)
    assert volume.level(1).stale
    assert volume.version == 0

    def overtaken(self: TensorStoreArray, start: Any, values: Any) -> None:
        state.change(volume.url, lambda s: state.State(s.version))  # a pyramid of the old voxels is finished
        whole(self, start, values)

    monkeypatch.setattr(TensorStoreArray, "write", overtaken)
    volume.write(BOX, 1)
    assert volume.level(1).stale
    assert volume.version == 1


def test_writes_without_coordinates_mark_by_the_ratio_of_extents(tmp_path: Path) -> None:
    """Levels without a voxel size, as in many old stores."""
    from ndlab.store.arrays import Level
    from ndlab.store.writing import box_at_level

    stored = make(tmp_path / "a", (20, 40, 60), levels=3)
    bare = [Level(level.array, None) for level in stored.levels]
    for number in range(3):
        assert box_at_level(bare, Box((4, 4, 4), (6, 8, 10)), number) == box_at_level(
            stored.levels, Box((4, 4, 4), (6, 8, 10)), number
        )
    assert box_at_level(bare, Box((2, 1, 1), (3, 2, 3), 2), 0) == Box((4, 4, 4), (6, 8, 12))


# --- any layout ---------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_any_layout_and_any_writes_equal_numpy_and_zarr_python(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Three to five axes, chunks and shards of any shape, three writes: whole, merged, or past the flush."""
    axes = data.draw(st.sampled_from(["zyx", "czyx", "tczyx"]))
    n = len(axes)
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=n, max_size=n)))
    chunk = data.draw(st.lists(st.integers(1, 5), min_size=n, max_size=n))
    times = data.draw(st.none() | st.lists(st.integers(1, 3), min_size=n, max_size=n))
    shards = None if times is None else tuple(c * k for c, k in zip(chunk, times, strict=True))
    path = tmp_path_factory.mktemp("layout") / "a"
    zarr.create_array(
        path, shape=shape, dtype="u2", chunks=tuple(chunk), shards=shards, dimension_names=tuple(axes), fill_value=0,
        compressors=data.draw(st.sampled_from([None, "auto"])),
    )  # fmt: skip
    volume = open_volume(path)
    assert isinstance(volume._array, TensorStoreArray)
    expected = np.zeros(shape, "u2")
    for seed in range(3):
        start = [data.draw(st.integers(0, size - 1)) for size in shape]
        stop = [data.draw(st.integers(a + 1, size)) for a, size in zip(start, shape, strict=True)]
        box = tuple(map(slice, start, stop))
        values = texture(expected[box].shape, "u2", seed) * (
            np.random.default_rng(seed).random(expected[box].shape) < 0.6
        )
        values = data.draw(st.sampled_from([values, np.asfortranarray(values), values[..., ::-1]]))
        how: Any = data.draw(st.sampled_from(["replace", "nonzero", "unsynced"]))
        if how == "unsynced":
            volume._array.unsynced().write(start, values)
        else:
            volume.view(box).write(None, values, mode=how)
        expected[box] = np.where((values != 0) | (how != "nonzero"), values, expected[box])
        np.testing.assert_array_equal(volume.read(), expected)
    reference: Any = zarr.open_array(path, mode="r")
    np.testing.assert_array_equal(reference[...], expected)
