"""Cuts of volumes in dataset coordinates, against numpy: offsets, levels, times, channels, ids, limits, refusals."""

from __future__ import annotations

import io
import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.errors import BadRequest, NotFound, OutOfBounds, TooLarge
from ndlab.geometry import Box, Calibration
from ndlab.ingesting import ingest
from ndlab.metadata import Multiscale, Scale
from ndlab.serve.answer import Limits, respond
from ndlab.serve.source import Channel
from ndlab.serve.space import ladder, near_isotropic
from ndlab.store.create import create
from ndlab.store.downsample import downsample
from ndlab.store.layout import plan
from ndlab.store.multiscale import open_store
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.serve.named import Array, Held, ask, raw, status

BOCK = (1239, 119808, 135424)
EM = np.random.default_rng(1).integers(0, 256, (20, 130, 150), np.uint8)
IDS = np.random.default_rng(2).integers(0, 40, (20, 65, 75)).astype(np.uint64) * np.uint64(2**40 + 3)


@pytest.fixture(scope="module")
def bock(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """Make a store as large as bock11, without a voxel in it, that starts at slice 2917."""
    url = str(tmp_path_factory.mktemp("bock") / "bock11.zarr")
    base = Calibration((45, 4, 4), (2917 * 45, 0, 0))
    levels = plan(BOCK, 1, base.voxel_size, levels=10)
    scales = tuple(Scale(str(i), base.coarser(one.factors)) for i, one in enumerate(levels))
    create(
        url, Multiscale(("z", "y", "x"), scales, name="bock11", kind="image"), [one.shape for one in levels],
        np.dtype("u1"), chunks=[one.chunk for one in levels], shards=[one.unit for one in levels],
    )  # fmt: skip
    return Volume(open_store(url))


@pytest.fixture(scope="module")
def names(bock: Volume, tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder = tmp_path_factory.mktemp("served")
    em = ingest(EM, folder / "em.zarr", voxel_size=(30, 3, 3), offset=(30, 0, 30))
    ids = ingest(IDS, folder / "ids.zarr", voxel_size=(30, 6, 6), offset=(30, 0, 30), kind="labels")
    one = ingest(EM, folder / "one.zarr", voxel_size=(30, 3, 3), offset=(30, 0, 30), levels=1)
    times = Volume.from_array(np.arange(3 * 4 * 5 * 6, dtype="u2").reshape(3, 4, 5, 6), (10, 10, 10), axes="tzyx")
    psd = Volume.from_array(np.stack([EM, 255 - EM, EM // 2]), (30, 3, 3), axes="czyx")
    return Held(
        [
            Channel("bock11", "image", "image", bock),
            Channel("k", "em", "image", em),
            Channel("k", "ids", "annotation", ids, space=em),
            Channel("own", "ids", "annotation", ids),
            Channel("flat", "em", "image", one),
            Channel("fish", "calcium", "timeseries", times),
            *(Channel("at", name, "image", psd.isel(c=i)) for i, name in enumerate(["psd", "glut", "dapi"])),
            Channel("at", "wide", "image", Volume.from_array(EM.astype("u2"), (30, 3, 3))),
        ]
    )


# --- where voxels are -------------------------------------------------------------------------------------------------


def test_sizes_and_offsets_scale_with_the_level(bock: Volume) -> None:
    for level in ladder(bock)[:10]:
        shift = level.number
        assert level.shape[1:] == tuple(((n - 1) >> shift) + 1 for n in BOCK[1:])
        factor = round(level.voxel_size[0] / 45)
        assert (level.offset[0], level.shape[0]) == (2917 // factor, (BOCK[0] - 1) // factor + 1)
    assert [one.offset[0] for one in ladder(bock)[3:7]] == [2917, 1458, 729, 364]


@pytest.mark.parametrize("z", [2917, 4155])
def test_the_first_and_the_last_slice_are_read(names: Held, z: int) -> None:
    assert not raw(names, f"/ca/bock11/image/raw/0/0,5/7,9/{z},{z + 1}/").any()  # never written: the fill value


@pytest.mark.parametrize("path", ["xy/0/0,5/0,5/4156/", "xy/0/0,5/0,5/2916/", "raw/0/0,5/0,5/4155,4157/"])
def test_a_slice_past_either_end_is_told_the_extent(names: Held, path: str) -> None:
    with pytest.raises(OutOfBounds, match=r"level 0 spans x 0,135424, y 0,119808, z 2917,4156, half-open"):
        ask(names, "/ca/bock11/image/" + path)


@pytest.mark.parametrize(
    "where",
    [
        "0/500,400/0,5/3000,3005", "0/0,5/500,400/3000,3005", "0/0,5/0,5/3005,3000", "0/5,5/0,5/3000,3005",
        "0/0,135425/0,5/3000,3005", "0/135424,135425/0,5/3000,3005", "0/-1,5/0,5/3000,3005", "0/0,5/0,119809/3000,3005",
        "0/0,5/-5,0/3000,3005", "0/0,5/119808,119809/3000,3005", "0/0,5/0,5/0,5", "0/0,5/0,5/2916,2918",
        "0/0,5/0,5/4155,4157", "0/0,5/0,5/4156,4157", "0/0,5/0,5/-3,-1", "1/0,67713/0,5/3000,3005",
        "1/0,5/0,59905/3000,3005", "4/0,5/0,5/3000,3005", "4/0,5/0,5/1457,1459", "9/0,266/0,5/50,55",
        "20/0,1/0,1/0,1", "99/0,5/0,5/3000,3005", "99999999999999999999/0,5/0,5/3000,3005",
        "0/0,99999999999999999999/0,5/3000,3005", "0/0,5/0,5/3000,3005/1,2", "0/0,5/0,5/3000,3005/0,2",
        "0/0,5/0,5/3000,3005/0,0", "0/0,5/0,5/3000,3005/1,0", "0/0,5/0,5/3000,3005/-1,1", "0/0,5/0,5/99999,99999",
    ],
)  # fmt: skip
@pytest.mark.parametrize("service", ["raw", "hdf5"])
def test_a_bad_range_is_404_and_told_what_exists(names: Held, where: str, service: str) -> None:
    code, words = status(names, f"/ca/bock11/image/{service}/{where}/")
    assert (code, words["error"]) == (404, "OutOfBounds")
    assert any(hint in words["exists"] for hint in ("spans x 0,", "levels are 0 to", "times are 0,1"))


def test_coordinates_of_a_stored_volume_start_at_its_offset(names: Held) -> None:
    found = raw(names, "/sd/k/em/raw/0/20,70/10,40/5,9/")
    assert np.array_equal(found[0], EM[4:8, 10:40, 10:60])


@given(st.data())
def test_any_box_at_any_level_is_what_the_volume_holds(names: Held, data: st.DataObject) -> None:
    volume = names.channel("k", "em").volume
    levels = ladder(volume)[: len(volume.levels)]
    level = data.draw(st.sampled_from(levels))
    spans = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in level.shape]
    (z, y, x) = ([a + o for a in span] for span, o in zip(spans, level.offset, strict=True))
    found = raw(names, f"/sd/k/em/raw/{level.number}/{x[0]},{x[1]}/{y[0]},{y[1]}/{z[0]},{z[1]}/")
    box = Box([a for a, _ in spans], [b for _, b in spans], level.number)
    assert np.array_equal(found[0], volume.read(box))


# --- finer and coarser than what is stored ----------------------------------------------------------------------------


def _whole(names: Held, token: str, channel: str, number: int) -> Array:
    level = ladder(names.channel(token, channel).space or names.channel(token, channel).volume)[number]
    ends = [(o, o + n) for o, n in zip(level.offset, level.shape, strict=True)]
    (z, y, x) = (f"{a},{b}" for a, b in ends)
    return np.asarray(raw(names, f"/sd/{token}/{channel}/raw/{number}/{x}/{y}/{z}/")[0])


def test_a_level_that_is_not_stored_equals_the_built_one(names: Held) -> None:
    built = names.channel("k", "em").volume.levels
    assert len(built) > 2
    assert len(names.channel("flat", "em").volume.levels) == 1
    for number, volume in enumerate(built):
        assert np.array_equal(_whole(names, "flat", "em", number), volume.read())


def test_part_of_a_level_that_is_not_stored(names: Held) -> None:
    offset = ladder(names.channel("flat", "em").volume)[2].offset
    x, y = offset[2] + 30, offset[1] + 20
    found = raw(names, f"/sd/flat/em/raw/2/{x},{x + 8}/{y},{y + 13}/4,9/")[0]
    once = downsample(EM, (1, 2, 2))
    assert np.array_equal(found, downsample(once, (1, 2, 2))[3:8, 20:33, 30:38])


def test_coarser_labels_are_the_majority(names: Held) -> None:
    last = names.channel("own", "ids").volume.levels[-1]
    levels = ladder(last)
    assert set(np.unique(_whole(names, "own", "ids", len(levels) - 1))) <= set(np.unique(IDS))


def test_finer_than_the_finest_level_replicates(names: Held) -> None:
    found = _whole(names, "k", "ids", 0)
    assert np.array_equal(found, IDS.repeat(2, axis=1).repeat(2, axis=2))


@given(st.data())
def test_part_of_what_is_replicated(names: Held, data: st.DataObject) -> None:
    whole = IDS.repeat(2, axis=1).repeat(2, axis=2)
    spans = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in whole.shape]
    (z, y, x) = spans
    path = f"/sd/k/ids/raw/0/{x[0] + 10},{x[1] + 10}/{y[0]},{y[1]}/{z[0] + 1},{z[1] + 1}/"
    assert np.array_equal(raw(names, path)[0], whole[tuple(slice(a, b) for a, b in spans)])


def test_a_coarser_level_of_the_space_is_the_channels_own(names: Held) -> None:
    assert np.array_equal(_whole(names, "k", "ids", 1), IDS)
    assert np.array_equal(_whole(names, "k", "ids", 2), names.channel("own", "ids").volume.levels[1].read())


def test_a_channel_smaller_than_its_space_is_0_outside() -> None:
    space = Volume.from_array(np.zeros((4, 6, 8), "u1"), (1, 1, 1))
    part = np.arange(1, 9, dtype="u1").reshape(2, 2, 2)
    names = Held(
        [Channel("a", "part", "annotation", Volume.from_array(part, (1, 1, 1), offset=(1, 3, 5)), space=space)]
    )
    found = raw(names, "/sd/a/part/raw/0/0,8/0,6/0,4/")[0]
    wanted = np.zeros((4, 6, 8), "u1")
    wanted[1:3, 3:5, 5:7] = part
    assert np.array_equal(found, wanted)
    assert not raw(names, "/sd/a/part/raw/0/0,3/0,6/0,4/").any()


def test_near_isotropic_levels_divide_z() -> None:
    zslices = Volume.from_array(np.zeros((25, 512, 512), "u1"), (30, 3, 3))
    shapes = {}
    for shift in range(8):
        one = Volume.from_array(np.zeros((25, 8, 8), "u1"), (30, 3 * 2**shift, 3 * 2**shift))
        shapes[shift] = near_isotropic(ladder(one)[0]).shape[0]
    assert shapes == {0: 25, 1: 25, 2: 25, 3: 25, 4: 12, 5: 8, 6: 4, 7: 1}  # divided by 2, 3, 6, 13
    assert near_isotropic(ladder(zslices)[0]) == ladder(zslices)[0]


def test_a_near_isotropic_cut_is_the_mean_of_whole_groups_of_slices() -> None:
    values = np.random.default_rng(3).integers(0, 255, (25, 8, 8), np.uint8)
    volume = Volume.from_array(values, (30, 48, 48), offset=(90, 0, 0))
    names = Held([Channel("a", "em", "image", volume)])
    found = raw(names, "/sd/a/em/raw/0/0,8/0,8/1,13/neariso/")[0]
    assert np.array_equal(found, downsample(values[:24], (2, 1, 1)))
    with pytest.raises(OutOfBounds, match=r"z 1,13"):
        ask(names, "/sd/a/em/raw/0/0,8/0,8/1,14/neariso/")


def test_a_store_without_a_voxel_size_counts_from_0(tmp_path: Path) -> None:
    values = np.arange(4 * 5 * 6, dtype="u1").reshape(4, 5, 6)
    np.save(tmp_path / "stack.npy", values)
    names = Held([Channel("a", "em", "image", open_volume(tmp_path / "stack.npy"))])
    assert np.array_equal(raw(names, "/sd/a/em/raw/0/1,4/0,5/2,4/")[0], values[2:4, :, 1:4])


# --- times, channels, ids ---------------------------------------------------------------------------------------------


def test_times(names: Held) -> None:
    values = names.channel("fish", "calcium").volume.read()
    assert np.array_equal(raw(names, "/sd/fish/calcium/raw/0/0,6/0,5/0,4/")[0], values[0])
    assert np.array_equal(raw(names, "/sd/fish/calcium/raw/0/0,6/0,5/1,4/1,3/")[0], values[1:3, 1:4])
    assert ask(names, "/sd/fish/calcium/id/0/3/2/1/2/").decode() == str(values[2, 1, 2, 3])
    assert ask(names, "/sd/fish/calcium/id/0/3/2/1/").decode() == str(values[0, 1, 2, 3])
    with pytest.raises(OutOfBounds, match="times are 0,3, half-open"):
        ask(names, "/sd/fish/calcium/id/0/3/2/1/3/")


def test_channels_lead_in_the_order_asked_and_0_skips(names: Held) -> None:
    found = raw(names, "/sd/at/dapi,0,psd,glut/raw/0/0,9/0,8/0,7/")
    cut = EM[:7, :8, :9]
    assert np.array_equal(found, np.stack([cut // 2, np.zeros_like(cut), cut, 255 - cut]))
    assert np.array_equal(raw(names, "/sd/at/0,psd/raw/0/0,9/0,8/0,7/")[1], cut)


def test_channels_of_two_types_are_refused_together(names: Held) -> None:
    with pytest.raises(BadRequest, match=r"at/psd and at/wide together.*uint8, the other uint16.*hdf5"):
        ask(names, "/sd/at/psd,wide/npz/0/0,9/0,8/0,7/")


def test_no_channel_means_the_default_one(names: Held) -> None:
    assert np.array_equal(raw(names, "/sd/at/raw/0/0,9/0,8/0,7/")[0], EM[:7, :8, :9])


def test_unknown_names(names: Held) -> None:
    for path in ("/sd/nobody/em/raw/0/0,9/0,8/0,7/", "/sd/k/red/raw/0/0,9/0,8/0,7/"):
        with pytest.raises(NotFound, match="there are"):
            ask(names, path)
        assert status(names, path)[0] == 404


@settings(max_examples=100)
@given(st.data())
def test_the_id_of_a_voxel_and_the_ids_of_a_box(names: Held, data: st.DataObject) -> None:
    z, y, x = (data.draw(st.integers(0, n - 1)) for n in IDS.shape)
    assert ask(names, f"/sd/own/ids/id/0/{x + 5}/{y}/{z + 1}/") == str(IDS[z, y, x]).encode()
    box = (slice(z, z + 3), slice(y, y + 5), slice(x, x + 4))
    ends = [min(b.stop, n) for b, n in zip(box, IDS.shape, strict=True)]
    found = ask(names, f"/sd/own/ids/ids/0/{x + 5},{ends[2] + 5}/{y},{ends[1]}/{z + 1},{ends[0] + 1}/").decode()
    assert [int(one) for one in found.split(", ") if one] == [one for one in np.unique(IDS[box]).tolist() if one]


def _hdf5(body: bytes) -> Array:
    import h5py

    with h5py.File(io.BytesIO(body)) as file:
        return np.asarray(file["ids/CUTOUT"])


def _blosc(body: bytes) -> Array:
    from numcodecs import blosc

    return np.asarray(pickle.loads(blosc.decompress(body)))


READERS: dict[str, Callable[[bytes], Array]] = {
    "raw": lambda body: np.frombuffer(body, "u8"),
    "npz": lambda body: np.load(io.BytesIO(zlib.decompress(body))),
    "zip": lambda body: np.frombuffer(zlib.decompress(body), "u8"),
    "blosc": _blosc,
    "blaze": _blosc,
    "hdf5": _hdf5,
    "tiff": lambda body: tifffile.imread(io.BytesIO(body), key=range(len(IDS))),
}


@pytest.mark.parametrize("service", [*READERS, "ids"])
def test_a_filter_keeps_ids_in_every_service(names: Held, service: str) -> None:
    one, two = (int(v) for v in np.unique(IDS)[[3, 9]])
    body = ask(names, f"/sd/own/ids/{service}/0/5,80/0,65/1,21/filter/{one},{two},{2**64 - 1}/")
    if service == "ids":
        assert body.decode() == f"{one}, {two}"
        return
    wanted = np.where(np.isin(IDS, [one, two]), IDS, 0)
    assert np.array_equal(READERS[service](body).ravel(), wanted.ravel())


def test_an_image_has_no_ids(names: Held) -> None:
    for path in ("raw/0/10,20/0,9/1,2/filter/3/", "ids/0/10,20/0,9/1,2/", "xyanno/3/0/10,20/0,9/1/"):
        with pytest.raises(BadRequest, match="it is of type image, which has none"):
            ask(names, "/sd/k/em/" + path)


# --- limits and mistakes ----------------------------------------------------------------------------------------------


def test_more_than_the_limit_is_413_before_anything_is_read(names: Held) -> None:
    path = "/sd/bock11/image/raw/0/0,100000/0,100000/3000,4000/"
    code, words = status(names, path)
    assert (code, words["error"]) == (413, "TooLarge")
    assert words["asked"] == "10 TB of bock11/image would be read"
    with pytest.raises(TooLarge, match="a request may read 100 B") as caught:
        ask(names, "/sd/k/em/raw/0/10,20/0,20/1,2/", Limits(nbytes=100))
    assert (caught.value.nbytes, caught.value.limit) == (200, 100)
    ask(names, "/sd/k/em/raw/0/10,20/0,10/1,2/", Limits(nbytes=100))


def test_the_limit_counts_what_is_read_to_be_made_coarser_and_every_channel(names: Held) -> None:
    with pytest.raises(TooLarge, match=r"6\.4 kB of flat/em"):
        ask(names, "/sd/flat/em/raw/2/2,22/0,20/1,2/", Limits(nbytes=400))
    with pytest.raises(TooLarge, match="a request may read 50 B"):
        ask(names, "/sd/at/psd,glut/raw/0/0,10/0,10/0,1/", Limits(nbytes=100))


def test_a_store_that_breaks_is_told_without_its_address(tmp_path: Path) -> None:
    url = tmp_path / "secret.zarr"
    volume = ingest(EM, url, voxel_size=(30, 3, 3))
    chunk = max(
        (one for one in url.rglob("*") if one.is_file() and one.name != "zarr.json"), key=lambda p: p.stat().st_size
    )
    chunk.write_bytes(b"\xff" * chunk.stat().st_size)
    names = Held([Channel("k", "em", "image", volume)])
    found = respond("/sd/k/em/raw/0/0,150/0,130/0,20/", names)
    body = found.read().decode()
    assert found.status == 502
    assert json.loads(body)["asked"] == "voxels of k/em cannot be read"
    assert "secret" not in body
    assert "Traceback" not in body


def test_a_mistake_of_the_servers_own_is_not_described(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Held):
        def channel(self, token: str, name: str) -> Channel:
            raise KeyError("/srv/secret")

    found = respond("/sd/k/em/raw/0/0,1/0,1/0,1/", Broken([]))
    assert found.status == 500
    assert b"secret" not in found.read()
    assert "a request failed" in caplog.text
