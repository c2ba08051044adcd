from __future__ import annotations

import copy
import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, NotFound, OutOfBounds, StaleLevelWarning, TooLarge
from ndlab.geometry import Box, Calibration
from ndlab.metadata import Channel
from ndlab.store import state
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.store.making import make, texture

SHAPE = (20, 40, 60)
SHAPE5 = (2, 3, 10, 20, 30)
VOXEL = (40.0, 4.0, 4.0)
CHANNELS = (Channel("DAPI", (5.0, 90.0)), Channel("GFP", (0.0, 50.0)), Channel("synapsin", (1.0, 2.0)))


def small(shape: tuple[int, ...] = (4, 5, 6), **options: Any) -> tuple[Volume, np.ndarray[Any, Any]]:
    values = texture(shape, "u2")
    return Volume.from_array(values, VOXEL, **options), values


# --- what a volume says of itself ---------------------------------------------------------------------------------


def test_facts(tmp_path: Path) -> None:
    make(tmp_path / "brain", SHAPE, levels=3, dtype="u2", offset=(400, 8, 0), attrs={"source": "x"})
    volume = open_volume(tmp_path / "brain")
    assert (volume.shape, volume.axes, volume.ndim, volume.size) == (SHAPE, ("z", "y", "x"), 3, 48000)
    assert (volume.dtype, volume.nbytes) == (np.dtype("u2"), 96000)
    assert (volume.voxel_size, volume.offset) == (VOXEL, (400.0, 8.0, 0.0))
    assert volume.calibration == Calibration(VOXEL, (400, 8, 0))
    assert (volume.chunks, volume.shards, volume.codec) == ((8, 16, 16), (16, 32, 32), "zstd 1")
    assert (volume.kind, volume.name, volume.format) == ("image", "brain", "OME-Zarr 0.5")
    assert volume.url == str(tmp_path / "brain")
    assert [one.shape for one in volume.levels] == [SHAPE, (20, 20, 30), (10, 10, 15)]
    assert [one.level_index for one in volume.levels] == [0, 1, 2]
    assert (volume.version, volume.provenance, volume.channels, volume.window) == (0, {"source": "x"}, (), None)


def test_a_volume_of_unknown_size_says_what_to_type(tmp_path: Path) -> None:
    import zarr

    zarr.create_array(tmp_path / "a", data=texture((4, 5, 6)), chunks=(4, 4, 4))
    volume = open_volume(tmp_path / "a")
    assert volume[1, 2].read().shape == (6,)
    for ask in (lambda: volume.voxel_size, lambda: volume.offset, lambda: volume.nm[0], lambda: volume.nearest(8)):
        with pytest.raises(BadRequest, match=r"not known.*ndlab.open\(url, voxel_size=\(z, y, x\)\) in nm"):
            ask()
    assert open_volume(tmp_path / "a", voxel_size=VOXEL).voxel_size == VOXEL


def test_opening_at_a_level(tmp_path: Path) -> None:
    make(tmp_path / "a", SHAPE, levels=2)
    assert open_volume(tmp_path / "a", level=1).shape == (20, 20, 30)
    with pytest.raises(
        OutOfBounds, match=r"level 2 was asked for. there are levels 0 to 1. ndlab\.ingest\(url, dest, levels=\.\.\.\)"
    ):
        open_volume(tmp_path / "a", level=2)
    with pytest.raises(NotFound):
        open_volume(tmp_path / "b")


# --- indexing, against numpy --------------------------------------------------------------------------------------


def keys_of(shape: tuple[int, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Anything that numpy basic indexing takes with step 1 and within bounds."""

    def one(n: int) -> st.SearchStrategy[Any]:
        ends = st.none() | st.integers(-n, n)
        return st.builds(slice, ends, ends) | st.integers(-n, n - 1) if n else st.builds(slice, ends, ends)

    whole = st.tuples(*map(one, shape))
    return st.integers(0, len(shape)).flatmap(
        lambda k: (
            whole.map(lambda keys: keys[:k])
            | whole.map(lambda keys: (..., *keys[len(keys) - k :]))
            | whole.map(lambda keys: (*keys[:k], ...))
        )
    )


@given(keys_of((4, 5, 6)))
def test_indexing_equals_numpy(key: tuple[Any, ...]) -> None:
    volume, values = small()
    view = volume[key]
    np.testing.assert_array_equal(view.read(), values[key])
    assert view.shape == values[key].shape
    np.testing.assert_array_equal(np.asarray(view), values[key])


@given(st.data())
def test_views_of_views_equal_numpy(data: st.DataObject) -> None:
    volume, values = small()
    view, expected = volume, values
    for _ in range(3):
        key = data.draw(keys_of(expected.shape))
        view, expected = view[key], expected[key]
        np.testing.assert_array_equal(view.read(), expected)
        assert view.shape == expected.shape
        again = pickle.loads(pickle.dumps(view))
        np.testing.assert_array_equal(again.read(), expected)


@given(keys_of((10, 20, 30)))
def test_up_to_three_indices_mean_z_y_x(key: tuple[Any, ...]) -> None:
    values = texture(SHAPE5)
    volume = Volume.from_array(values, VOXEL)
    if Ellipsis not in key:
        np.testing.assert_array_equal(volume[key].read(), values[(slice(None), slice(None), *key)])


@given(keys_of(SHAPE5))
def test_a_full_index_has_one_for_each_axis(key: tuple[Any, ...]) -> None:
    values = texture(SHAPE5)
    if len(key) == 5 or Ellipsis in key:
        np.testing.assert_array_equal(Volume.from_array(values, VOXEL)[key].read(), values[key])


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        (4, OutOfBounds, r"z 4 was asked for. z spans 0 to 3 here"),
        (-5, OutOfBounds, "z -5 was asked for"),
        (slice(0, 5), OutOfBounds, r"z 0:5 was asked for. z spans 0:4 here. stay within 0:4"),
        (slice(-5, 2), OutOfBounds, "z"),
        ((0, 0, slice(6, 7)), OutOfBounds, "x 6:7 was asked for"),
        (
            slice(0, 4, 2),
            BadRequest,
            r"step 2 along z.*take a coarser level with .level\(1\), or index after .read\(\)",
        ),
        (slice(None, None, -1), BadRequest, "step -1"),
        (1.5, BadRequest, r"index 1.5.*whole numbers and slices.*vol.nm\[...\]"),
        ("z", BadRequest, "index 'z'"),
        ((0, 0, 0, 0), BadRequest, r"4 indices. the view has axes \('z', 'y', 'x'\)"),
        ((..., ...), BadRequest, "2 indices"),
        (np.array([1, 2]), BadRequest, r"index array\(\[1, 2\]\)"),
        (None, BadRequest, "index None"),
    ],
)
def test_indices_that_make_no_sense(key: Any, kind: Any, message: str) -> None:
    volume, _ = small()
    with pytest.raises(kind, match=message):
        _ = volume[key]


def test_four_indices_of_five_axes_are_ambiguous() -> None:
    volume = Volume.from_array(texture(SHAPE5), VOXEL)
    with pytest.raises(
        BadRequest, match=r"4 indices.*give \(z, y, x\), or one for every axis; pick t and c with .isel"
    ):
        _ = volume[0, 0, 0, 0]


def test_volumes_are_not_walked_voxel_by_voxel() -> None:
    volume, _ = small()
    with pytest.raises(TypeError, match="not iterated voxel by voxel"):
        list(volume)


# --- time and channels --------------------------------------------------------------------------------------------


def named(tmp_path: Path) -> tuple[Volume, np.ndarray[Any, Any]]:
    values = texture(SHAPE5)
    make(tmp_path / "a", SHAPE5, channels=CHANNELS)
    volume = open_volume(tmp_path / "a")
    volume.write(None, values)
    return volume, values


def test_time_points_and_channels(tmp_path: Path) -> None:
    volume, values = named(tmp_path)
    np.testing.assert_array_equal(volume.isel(t=1, c=2).read(), values[1, 2])
    np.testing.assert_array_equal(volume.isel(c="GFP").read(), values[:, 1])
    np.testing.assert_array_equal(volume.isel(c=slice(1, 3)).read(), values[:, 1:3])
    np.testing.assert_array_equal(volume.isel(c=slice(1, 3)).isel(c="synapsin").read(), values[:, 2])
    np.testing.assert_array_equal(volume[2:5].isel(t=-1).read(), values[-1, :, 2:5])
    box = Box((1, 2, 3), (4, 6, 8))
    np.testing.assert_array_equal(volume.read(box, t=0, c="DAPI"), values[0, 0, 1:4, 2:6, 3:8])
    np.testing.assert_array_equal(volume.read(box, c=slice(0, 2)), values[:, :2, 1:4, 2:6, 3:8])
    assert volume.isel(t=0, c=0).axes == ("z", "y", "x")
    assert volume.window == (5.0, 90.0)
    assert volume.isel(c=1).window == volume.isel(c=slice(1, 3)).window == (0.0, 50.0)


def test_time_points_and_channels_that_are_not_there(tmp_path: Path) -> None:
    volume, _ = named(tmp_path)
    with pytest.raises(OutOfBounds, match=r"channel 'DAP'.*the channels are \['DAPI', 'GFP', 'synapsin'\]"):
        volume.isel(c="DAP")
    with pytest.raises(OutOfBounds, match="channel 'DAPI'"):
        volume.isel(c=slice(1, 3)).isel(c="DAPI")
    with pytest.raises(OutOfBounds, match="c 3 was asked for"):
        volume.isel(c=3)
    plain, values = small()
    np.testing.assert_array_equal(plain.isel(t=0, c=0).read(), values)  # the one there is
    with pytest.raises(OutOfBounds, match=r"t=1 was asked for. the volume has axes"):
        plain.isel(t=1)


def test_a_five_axis_store_goes_through_every_call(tmp_path: Path) -> None:
    volume, values = named(tmp_path)
    np.testing.assert_array_equal(volume.read(), values)
    np.testing.assert_array_equal(volume[1:3, 4:6].read(), values[:, :, 1:3, 4:6])
    np.testing.assert_array_equal(volume.nm[40:120, :, 8.0].read(), values[:, :, 1:3, :, 2])
    np.testing.assert_array_equal(volume.dask.compute(), values)
    np.testing.assert_array_equal(volume.xarray.values, values)
    assert volume.xarray.dims == ("t", "c", "z", "y", "x")
    assert list(volume.datatree.children) == ["scale0"]
    np.testing.assert_array_equal(np.asarray(volume), values)
    assert volume.estimate().nbytes == values.nbytes
    assert volume.level(0).shape == volume.nearest(8).shape == SHAPE5
    volume.write(Box((0, 0, 0), (2, 2, 2)), 9, t=1, c="GFP")
    volume.write(Box((5, 0, 0), (6, 1, 1)), np.arange(6).reshape(2, 3, 1, 1, 1))
    volume.isel(t=0, c=0).write(None, 7)
    values[1, 1, :2, :2, :2] = 9
    values[:, :, 5, 0, 0] = np.arange(6).reshape(2, 3)
    values[0, 0] = 7
    np.testing.assert_array_equal(volume.read(), values)
    assert "tczyx 2 × 3 × 10 × 20 × 30" in repr(volume)
    assert "<img" in volume._repr_html_()
    assert volume.info()["axes"] == ["t", "c", "z", "y", "x"]
    assert pickle.loads(pickle.dumps(volume)).read().shape == SHAPE5


# --- nanometres ---------------------------------------------------------------------------------------------------


@given(st.tuples(*[st.integers(0, 3)] * 2), st.floats(0.5, 90), st.floats(-1e5, 1e5))
def test_nm_slices_are_the_voxels_whose_centres_lie_inside(cut: tuple[int, int], size: float, corner: float) -> None:
    values = texture((4, 5, 6))
    volume = Volume.from_array(values, (size, 1, 1), offset=(corner, 0, 0))
    low, high = (corner + (v - 0.3) * size for v in sorted(cut))  # a little before a border
    centres = corner + (np.arange(4) + 0.5) * size
    inside = (centres >= low) & (centres < high)
    if inside.any():
        np.testing.assert_array_equal(volume.nm[low:high].read(), values[inside])
    for i in range(4):
        np.testing.assert_array_equal(volume.nm[centres[i], 2:4].read(), values[i, 2:4])
    assert volume.nm[:].shape == (4, 5, 6)


def test_nm_views_of_views_keep_their_place() -> None:
    volume, values = small(offset=(400.0, 0.0, 8.0))
    view = volume[1:, 2, 3:]
    assert view.offset == (440.0, 8.0, 20.0)
    np.testing.assert_array_equal(view.nm[480:, 24:28].read(), values[2:, 2, 4:5])
    np.testing.assert_array_equal(view.nm[..., 24:28].read(), values[1:, 2, 4:5])
    np.testing.assert_array_equal(volume.nm[440.0, 8.0, 20.0].read(), values[1, 2, 3])


@pytest.mark.parametrize("size", [0.1, 0.3, 4.7])
def test_decimal_voxel_sizes_find_their_voxel(size: float) -> None:
    volume = Volume.from_array(np.arange(200, dtype="u1")[:, None, None], (size, 1, 1))
    for i in range(200):
        assert volume.nm[i * size].read().item() == i
        assert volume.nm[i * size : (i + 1) * size].read().ravel().tolist() == [i]


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        (160.0, OutOfBounds, r"z 160 nm was asked for. the view spans 0 to 160 nm along z"),
        (-0.001, OutOfBounds, "spans 0 to 160 nm"),
        (slice(0, 200), OutOfBounds, "z 0 to 200 nm was asked for"),
        (slice(25, 35), BadRequest, "z 25 to 35 nm holds no voxel centre. voxels are 40 nm there. widen it"),
        (slice(80, 40), BadRequest, "ends before it starts"),
        (slice(0, 160, 40), BadRequest, "step 40 nm along z"),
        ((0, 0, 0, 0), BadRequest, "4 positions"),
        ("near", BadRequest, r"position 'near'. positions are numbers of nm"),
        ([1, 2], BadRequest, r"position \[1, 2\]"),
    ],
)
def test_positions_that_make_no_sense(key: Any, kind: type[Exception], message: str) -> None:
    volume, _ = small()
    with pytest.raises(kind, match=message):
        _ = volume.nm[key]


# --- levels -------------------------------------------------------------------------------------------------------


def pyramid(tmp_path: Path) -> Volume:
    stored = make(tmp_path / "a", SHAPE, levels=3, offset=(400, 0, 0))
    for seed, level in enumerate(stored.levels):
        level.array.write((0, 0, 0), texture(level.array.shape, seed=seed))
    return open_volume(tmp_path / "a")


def test_a_level_shows_the_same_space(tmp_path: Path) -> None:
    volume = pyramid(tmp_path)
    assert volume.level(2).shape == (10, 10, 15)
    view = volume[4:8, 8:17, 3]
    assert view.level(2).box == Box((2, 2, 0), (4, 5, 1), 2)
    assert view.level(2).shape == (2, 3)
    assert view.level(1).level(0).box == Box((4, 8, 2), (8, 18, 3))  # whole voxels of level 1
    for number, fine in itertools.product(range(3), repeat=2):
        one = volume.level(fine)[1:2, 1:2, 1:2]
        inside, around = one.calibration.nm(one.box), one.level(number).calibration.nm(one.level(number).box)
        assert all(a <= b for a, b in zip(around.start, inside.start, strict=True))
        assert all(a >= b for a, b in zip(around.stop, inside.stop, strict=True))


@pytest.mark.parametrize("number", [-1, 3])
def test_levels_that_are_not_there(tmp_path: Path, number: int) -> None:
    with pytest.raises(OutOfBounds, match=rf"level {number} was asked for. there are levels 0 to 2"):
        pyramid(tmp_path).level(number)
    box = Box((0, 0, 0), (1, 1, 1), level=number)
    with pytest.raises(OutOfBounds, match="levels 0 to 2"):
        open_volume(tmp_path / "a").read(box)


@pytest.mark.parametrize(
    ("voxel", "number"),
    [(4, 0), (40, 1), (7.95, 0), (80, 2), (1000, 2), (1, 0), ((40, 8, 8), 1), ((40, 8, 7), 0), ((80, 16, 16), 2)],
)
def test_nearest_is_the_coarsest_that_is_fine_enough(tmp_path: Path, voxel: Any, number: int) -> None:
    assert pyramid(tmp_path).nearest(voxel).level_index == number


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [((0, 0, 0), (1, 1, 1)), 3, "0:1"])
def test_a_box_that_is_none(box: Any) -> None:
    volume, before = small()
    for call in (volume.read, volume.estimate, lambda b: volume.write(b, 0)):
        with pytest.raises(BadRequest, match=r"box .*a Box, in voxels, or a Box\.nm.*pass ndlab\.Box"):
            call(box)
    np.testing.assert_array_equal(volume.read(), before)


@pytest.mark.parametrize("what", [None, 3, np.zeros((2, 2, 2))])
def test_opening_what_is_no_address(what: Any) -> None:
    with pytest.raises(BadRequest, match=rf"ndlab\.open of a {type(what).__name__}.*Volume\.from_array"):
        open_volume(what)


def test_a_box_counts_in_its_own_level(tmp_path: Path) -> None:
    volume = pyramid(tmp_path)
    coarse = texture((20, 20, 30), seed=1)
    np.testing.assert_array_equal(volume.read(Box((1, 2, 3), (4, 6, 8), level=1)), coarse[1:4, 2:6, 3:8])
    np.testing.assert_array_equal(volume.level(1).read(Box.nm((440, 16, 24), (560, 48, 64))), coarse[1:4, 2:6, 3:8])
    np.testing.assert_array_equal(volume.read(Box.nm((440, 16, 24), (560, 48, 64), level=1)), coarse[1:4, 2:6, 3:8])
    # A box is never relative to the view.
    np.testing.assert_array_equal(volume[5:].read(Box((0, 0, 0), (1, 1, 1))), texture(SHAPE)[:1, :1, :1])


def test_reading_into_memory_that_is_there(tmp_path: Path) -> None:
    volume = pyramid(tmp_path)
    view = volume[2:5, 7]
    out = np.zeros(view.shape, view.dtype)
    assert view.read(out=out) is out
    np.testing.assert_array_equal(out, texture(SHAPE)[2:5, 7])
    for wrong in (np.zeros((3, 40, 60), "u1"), np.zeros(view.shape, "u2"), np.zeros(view.shape[::-1], "u1").T):
        with pytest.raises(BadRequest, match=r"out is .*the voxels are uint8 \(3, 60\), C order.*np.empty"):
            view.read(out=wrong)


def test_asarray_only_under_a_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    volume, values = small()
    np.testing.assert_array_equal(np.asarray(volume, dtype="f4"), values.astype("f4"))
    assert np.asarray(volume, dtype="f4").dtype == "f4"
    with pytest.raises(ValueError, match="copy=False cannot be kept"):
        np.asarray(volume, copy=False)
    monkeypatch.setattr("ndlab.volume.ASARRAY_BYTES", 100)
    with pytest.raises(TooLarge, match=r"np.asarray of 240 B.*at most 100 B.*call .read\(\) to mean it") as caught:
        np.asarray(volume)
    assert (caught.value.nbytes, caught.value.limit) == (240, 100)
    np.testing.assert_array_equal(volume.read(), values)


def test_more_than_the_memory_is_refused_before_a_byte_is_read(tmp_path: Path) -> None:
    make(tmp_path / "a", (200_000, 200_000, 200_000), shard=None)
    volume = open_volume(tmp_path / "a")
    with pytest.raises(
        TooLarge, match=r"are 8 PB.*of memory are available. read a box, a coarser .level\(l\), or work on"
    ):
        volume.read()
    assert volume[0, 0, :5].read().tolist() == [0] * 5


# --- estimates ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    folder = tmp_path_factory.mktemp("estimate") / "a"
    make(folder, SHAPE, dtype="u2")
    return open_volume(folder)


@given(data=st.data())
def test_estimates_count_what_a_box_touches(empty: Volume, data: st.DataObject) -> None:
    volume = empty
    start = [data.draw(st.integers(0, n)) for n in SHAPE]
    stop = [data.draw(st.integers(a, n)) for a, n in zip(start, SHAPE, strict=True)]
    found = volume.estimate(Box(start, stop))

    def pieces(unit: tuple[int, ...]) -> int:
        spans = [range(a, b) for a, b in zip(start, stop, strict=True)]
        counts = [len({i // u for i in span}) for span, u in zip(spans, unit, strict=True)]
        return int(np.prod(counts))

    assert found.nbytes == Box(start, stop).size * 2
    assert (found.chunks, found.shards) == (pieces((8, 16, 16)), pieces((16, 32, 32)))
    assert found.requests == found.chunks + found.shards
    assert found.decoded == found.chunks * 8 * 16 * 16 * 2
    assert "from" in str(found)


def test_an_estimate_in_words(tmp_path: Path) -> None:
    make(tmp_path / "a", SHAPE, dtype="u2")
    view = open_volume(tmp_path / "a")[:8, :16, :17]
    assert str(view.estimate()) == "4.35 kB from 2 chunks: at most 3 requests, 8.19 kB decoded (1.9x)"


# --- copies, versions ---------------------------------------------------------------------------------------------


def test_volumes_pickle_as_an_address_and_a_box(tmp_path: Path) -> None:
    volume = pyramid(tmp_path)
    view = volume.level(1)[3:5, ..., 7]
    _ = view.dask  # what was computed on the side stays here
    raw = pickle.dumps(view)
    assert len(raw) < 4000
    again = pickle.loads(raw)
    assert (again.url, again.box, again.axes) == (view.url, view.box, view.axes)
    np.testing.assert_array_equal(again.read(), view.read())
    np.testing.assert_array_equal(copy.deepcopy(view).read(), view.read())


def test_every_write_counts(tmp_path: Path) -> None:
    volume = pyramid(tmp_path)
    for version in range(3):
        assert volume.version == version
        volume[0].write(None, version)
    with pytest.warns(StaleLevelWarning) as caught:
        volume.level(2)[0].read()
    assert caught[0].filename == __file__  # the warning points to the caller's line
    state.change(volume.url, lambda s: state.State(s.version))
    volume.level(2)[0].read()


def test_writing_through_views(tmp_path: Path) -> None:
    volume = pyramid(tmp_path)
    expected = texture(SHAPE)
    volume[3, 4:6].write(None, np.full((2, 60), 7))
    expected[3, 4:6] = 7
    volume[0, 0, 0].write(None, 9)
    expected[0, 0, 0] = 9
    volume.nm[480:520, :8].write(None, 5)
    expected[2, :2] = 5
    volume[5:].write(Box((0, 1, 1), (1, 2, 2)), 4)  # the box, not the view, says where
    expected[0, 1, 1] = 4
    np.testing.assert_array_equal(volume.read(), expected)


def test_memory_volumes_are_written_too() -> None:
    volume, values = small()
    volume.write(Box((0, 0, 0), (1, 5, 6)), 3)
    volume.write(Box((1, 0, 0), (2, 5, 6)), np.zeros((1, 5, 6)), mode="nonzero")
    assert (volume.read()[0] == 3).all()
    np.testing.assert_array_equal(volume.read()[1:], values[1:])
    assert (volume.version, volume.stale, volume.url) == (2, False, "")
