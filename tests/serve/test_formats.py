"""Every format decodes to the voxels that were cut."""

from __future__ import annotations

import io
import pickle
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ndlab.errors import BadRequest, TooLarge
from ndlab.serve import formats
from ndlab.serve.answer import answer
from ndlab.serve.grammar import parse
from ndlab.serve.source import Channel
from ndlab.volume import Volume
from tests.serve.named import Array, Held, ask

SHAPE = (3, 5, 6, 7)
DTYPES = ["u1", "u2", "u4", "u8", "f4"]
CUT = "0/1,6/0,4/2,5/"
PART = (slice(2, 5), slice(0, 4), slice(1, 6))


def _values(dtype: str) -> Array:
    """Return smooth values, so that JPEG can hold them, that no smaller type would hold."""
    t, z, y, x = np.indices(SHAPE)
    ramp = 60 * t + 10 * z + 6 * y + 4 * x
    scale = {1: 1, 2: 100, 4: 10_000_000, 8: 10**16}[np.dtype(dtype).itemsize]
    return np.asarray(ramp * scale).astype(dtype)


@pytest.fixture(scope="module")
def names() -> Held:
    channels = []
    for dtype in DTYPES:
        volume = Volume.from_array(_values(dtype), (10, 10, 10), axes="tzyx")
        channels += [Channel("k", dtype, "timeseries", volume), Channel("k", dtype + "b", "timeseries", volume)]
    ids = Volume.from_array(_values("u8")[0], (10, 10, 10), kind="labels")
    rgba = Volume.from_array(_values("u4")[0], (10, 10, 10))
    return Held([*channels, Channel("k", "ids", "annotation", ids), Channel("k", "rgba", "image", rgba)])


def _unpacked(body: bytes) -> Array:
    """Do what blosc.unpack_array does: decompress, then unpickle."""
    from numcodecs import blosc

    found: Array = pickle.loads(blosc.decompress(body))
    return found


def _loaded(body: bytes) -> Array:
    found: Array = np.load(io.BytesIO(zlib.decompress(body)), allow_pickle=False)
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("time", ["", "1,3/"])
def test_value_identical_formats(names: Held, dtype: str, time: str) -> None:
    whole = _values(dtype)
    wanted = (whole[(slice(1, 3), *PART)] if time else whole[(0, *PART)])[np.newaxis]
    path = f"/sd/k/{dtype}/%s/{CUT}{time}"
    assert _loaded(ask(names, path % "npz")).dtype == dtype
    assert np.array_equal(_loaded(ask(names, path % "npz")), wanted)
    for service in ("blosc", "blaze"):
        found = _unpacked(ask(names, path % service))
        assert found.dtype == dtype
        assert np.array_equal(found, wanted)
    assert np.array_equal(np.frombuffer(zlib.decompress(ask(names, path % "zip")), dtype), wanted.ravel())
    assert np.array_equal(np.frombuffer(ask(names, path % "raw"), dtype), wanted.ravel())


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiff_has_a_page_for_every_slice(names: Held, dtype: str) -> None:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(ask(names, f"/sd/k/{dtype}/tiff/{CUT}1,3/"))) as file:
        assert len(file.pages) == 6
        pages = np.stack([page.asarray() for page in file.pages])
    assert pages.dtype == dtype
    assert np.array_equal(pages.reshape(2, 3, 4, 5), _values(dtype)[(slice(1, 3), *PART)])


def test_two_channels_in_one_tiff_follow_each_other(names: Held) -> None:
    import tifffile

    found = tifffile.imread(io.BytesIO(ask(names, f"/sd/k/u2,u2b/tiff/{CUT}")), key=range(6))
    assert np.array_equal(found, np.concatenate([_values("u2")[(0, *PART)]] * 2))


def test_pil_reads_the_tiff_too(names: Held) -> None:
    from PIL import Image

    with Image.open(io.BytesIO(ask(names, f"/sd/k/u1/tiff/{CUT}"))) as image:
        image.seek(2)
        assert np.array_equal(np.asarray(image), _values("u1")[0, 4, 0:4, 1:6])


def test_hdf5_has_one_layout_for_every_channel(names: Held) -> None:
    import h5py

    body = ask(names, f"/sd/k/u2,0,ids,f4/hdf5/{CUT}")
    with h5py.File(io.BytesIO(body)) as file:
        assert set(file) == {"u2", "ids", "f4"}
        for name, kind, values in (
            ("u2", b"timeseries", _values("u2")[0]),
            ("ids", b"annotation", _values("u8")[0]),
            ("f4", b"timeseries", _values("f4")[0]),
        ):
            group = file[name]
            assert set(group) == {"CUTOUT", "CHANNELTYPE", "DATATYPE"}
            assert group["CUTOUT"].compression == "gzip"
            assert group["CUTOUT"].dtype == values.dtype
            assert np.array_equal(group["CUTOUT"][...], values[PART])
            assert group["CHANNELTYPE"][0] == kind
            assert group["DATATYPE"][0] == values.dtype.name.encode()


def test_hdf5_of_times(names: Held) -> None:
    import h5py

    with h5py.File(io.BytesIO(ask(names, f"/sd/k/u1/hdf5/{CUT}0,2/"))) as file:
        assert np.array_equal(file["u1/CUTOUT"][...], _values("u1")[(slice(0, 2), *PART)])


def _jpeg(body: bytes) -> Array:
    from PIL import Image

    with Image.open(io.BytesIO(body)) as image:
        assert image.format == "JPEG"
        return np.asarray(image).astype(int)


def test_jpeg_is_the_slices_below_each_other(names: Held) -> None:
    found = _jpeg(ask(names, "/sd/k/u1/jpeg/0/0,7/0,6/0,5/"))
    assert found.shape == (30, 7)
    assert np.abs(found - _values("u1")[0].reshape(30, 7)).max() < 12


def test_jpeg_of_wider_types_is_windowed(names: Held) -> None:
    wanted = _values("u1")[0].reshape(30, 7).astype(int)
    found = _jpeg(ask(names, "/sd/k/u2/jpeg/0/0,7/0,6/0,5/window/0,25500/"))
    assert np.abs(found - wanted).max() < 12
    default = _jpeg(ask(names, "/sd/k/f4/jpeg/0/0,7/0,6/0,5/2,3/"))
    assert default.max() - default.min() > 60  # by the window of that time point, not black


def test_jpeg_of_packed_colours(names: Held) -> None:
    assert _jpeg(ask(names, "/sd/k/rgba/jpeg/0/0,7/0,6/0,5/")).shape == (30, 7, 3)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("ids/jpeg/0/0,7/0,6/0,5/", "a JPEG of ids of k/ids"),
        ("u1,u1b/jpeg/0/0,7/0,6/0,5/", "a JPEG of 2 channels"),
        ("ids/npz/0/0,7/0,6/0,5/window/0,9/", "a window over ids of k/ids"),
        ("ids/hdf5/0/0,7/0,6/0,5/window/0,9/", "a window over ids of k/ids"),
        ("ids/diff/0/0,7/0,6/0,5/0,1/", "differences of ids of k/ids"),
        ("u1/diff/0/0,7/0,6/0,5/", "differences over times None"),
        ("u1/diff/0/0,7/0,6/0,5/1,2/", r"differences over times \(1, 2\)"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(names: Held, path: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        ask(names, "/sd/k/" + path)


def test_a_window_makes_bytes_of_a_cut(names: Held) -> None:
    found = _loaded(ask(names, "/sd/k/u2/npz/0/0,7/0,6/0,5/window/0,25500/"))
    assert found.dtype == np.uint8
    assert np.array_equal(found[0], _values("u1")[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_diff_is_how_much_a_time_is_above_the_one_before(names: Held, dtype: str) -> None:
    found = _unpacked(ask(names, f"/sd/k/{dtype},{dtype}b/diff/{CUT}0,3/"))
    assert found.dtype == np.float32
    assert found.shape == (2, 2, 3, 4, 5)
    wanted = np.diff(_values(dtype).astype("f4"), axis=0)[(slice(None), *PART)]
    assert np.array_equal(found[0], wanted)
    assert np.array_equal(found[1], wanted)  # the original refused every channel but the first


def test_a_falling_unsigned_series_has_negative_differences() -> None:
    falling = np.array([[[[9]]], [[[4]]], [[[5]]]], "u1")
    names = Held([Channel("k", "t", "timeseries", Volume.from_array(falling, (1, 1, 1), axes="tzyx"))])
    assert _unpacked(ask(names, "/sd/k/t/diff/0/0,1/0,1/0,1/0,3/")).ravel().tolist() == [-5, 1]


def test_content_types_and_shapes(names: Held) -> None:
    types = {
        service: answer(parse(f"/sd/k/u2/{service}/{CUT}"), names).content_type
        for service in ("hdf5", "npz", "blosc", "zip", "raw", "jpeg", "tiff")
    }
    assert types == {
        "hdf5": "application/x-hdf5", "jpeg": "image/jpeg", "tiff": "image/tiff",
        **dict.fromkeys(("npz", "blosc", "zip", "raw"), "application/octet-stream"),
    }  # fmt: skip
    headers = answer(parse(f"/sd/k/u2/raw/{CUT}"), names).headers
    assert headers == {"X-Ndlab-Shape": "1,3,4,5", "X-Ndlab-Dtype": "uint16"}


# --- packing alone ----------------------------------------------------------------------------------------------------


@given(
    hnp.arrays(
        st.sampled_from([np.dtype(t) for t in ("u1", "<u2", ">u2", "<f4", ">i8", "?")]),
        hnp.array_shapes(min_dims=3, max_dims=5, max_side=6),
        elements={"allow_nan": False},
    )
)
def test_any_array_survives_every_exact_packing(values: Array) -> None:
    assert np.array_equal(_loaded(b"".join(formats.npz_of(values))), values)
    assert np.array_equal(_unpacked(formats.blosc_of(values)), values)
    plain = values.astype(values.dtype.newbyteorder("<"))
    assert b"".join(formats.raw_of(values)) == plain.tobytes()
    assert zlib.decompress(b"".join(formats.zip_of(values))) == plain.tobytes()


def test_arrays_larger_than_a_piece_and_not_in_c_order() -> None:
    values = np.random.default_rng(0).integers(0, 9, (7, 800, 900), np.uint16).transpose(2, 0, 1)
    assert values.nbytes > 2 * formats._PIECE
    assert b"".join(formats.raw_of(values)) == values.tobytes()
    assert np.array_equal(_loaded(b"".join(formats.npz_of(values))), values)


def test_the_pickle_in_a_blosc_frame_is_one_that_old_clients_read() -> None:
    from numcodecs import blosc

    pickled = blosc.decompress(formats.blosc_of(np.arange(5, dtype="u2")))
    assert pickled[:2] == b"\x80\x02"  # protocol 2: the newest that Python 2 knows
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in pickled
    assert b"numpy._core" not in pickled


def test_what_a_blosc_frame_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_BLOSC_MOST", 1000)
    with pytest.raises(TooLarge, match=r"2 kB as blosc.*a Blosc frame holds 1 kB.*npz"):
        formats.blosc_of(np.zeros(2000, "u1"))


def test_a_jpeg_taller_than_the_format_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"70000 slices of 1 × 1 in one JPEG. a side has at most 65535"):
        formats.jpeg_of(np.zeros((70000, 1, 1), "u1"))
