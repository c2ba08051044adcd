"""Voxels that are posted: the formats, the founding rules of writing, and everything that is refused."""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numcodecs import blosc

from ndlab.errors import BadRequest, NdlabError, OutOfBounds, ReadOnly, TooLarge
from ndlab.serve.names import Folder
from ndlab.serve.resources import resource
from ndlab.serve.source import Channel
from ndlab.serve.writes import FORMATS, Array, decode, write

LIMIT = 1 << 20


def npz(values: Array) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return zlib.compress(out.getvalue())


def packed(values: Array, protocol: int = 2) -> bytes:
    """Return what blosc.pack_array of the old clients made."""
    return bytes(blosc.compress(pickle.dumps(values, protocol), b"lz4", 5, 1))


def tiff(values: Array) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, values, photometric="minisblack")
    return out.getvalue()


def hdf5(values: Array, names: Sequence[str] = ()) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name, part in zip(names, values, strict=False) if names else [("", values)]:
            (file.create_group(name) if name else file).create_dataset("CUTOUT", data=part, compression="gzip")
    return out.getvalue()


ENCODE = {"npz": npz, "blosc": packed, "tiff": tiff, "hdf5": hdf5}


@given(arrays(st.sampled_from([np.uint8, np.uint16, np.float32]), array_shapes(min_dims=3, max_dims=3, max_side=6)))
def test_every_format_gives_back_what_was_posted(values: Array) -> None:
    for name in FORMATS:
        found = decode(name, ENCODE[name](values), ["em"], LIMIT)
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found.reshape(values.shape), values)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_blosc_of_every_pickle_protocol(protocol: int) -> None:
    values = np.arange(24, dtype="u8").reshape(2, 3, 4)
    np.testing.assert_array_equal(decode("blosc", packed(values, protocol), ["em"], LIMIT), values)


class Harm:
    """What a pickle could do, were it trusted."""

    def __reduce__(self) -> Any:
        return print, ("harm",)


def test_a_pickle_that_is_no_array_is_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    body = bytes(blosc.compress(pickle.dumps(Harm()), b"lz4", 5, 1))
    with pytest.raises(BadRequest, match=r"names builtins\.print"):
        decode("blosc", body, ["em"], LIMIT)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_that_are_something_else_are_refused(name: str) -> None:
    for body in (b"", b"nonsense" * 20, b"\0" * 64):
        with pytest.raises(BadRequest, match=name):
            decode(name, body, ["em"], LIMIT)


@pytest.mark.parametrize("name", FORMATS)
def test_a_body_that_inflates_is_stopped(name: str) -> None:
    values = np.zeros((4, 1 << 10, 1 << 10), "u1")
    with pytest.raises(TooLarge, match=str(LIMIT)):
        decode(name, ENCODE[name](values), ["em"], LIMIT)


def test_objects_are_refused() -> None:
    out = io.BytesIO()
    np.save(out, np.array([[[Harm]]], dtype=object), allow_pickle=True)
    with pytest.raises(BadRequest, match="npz"):
        decode("npz", zlib.compress(out.getvalue()), ["em"], LIMIT)


@pytest.fixture
def channels(tmp_path: Path) -> dict[str, Channel]:
    """Return channels of a data set with an offset of (z 4, y 2, x 6) and three time points."""
    names = Folder(str(tmp_path))
    space = {"imagesize": [70, 66, 20], "voxelres": [4, 4, 40], "offset": [6, 2, 4], "timerange": [0, 2]}
    resource(names, "POST", ("dataset", "toy"), {**space, "scalinglevels": 1})
    resource(names, "POST", ("dataset", "toy", "project", "p"), {})
    kinds = {"em": ("image", "uint8"), "two": ("image", "uint8"), "ids": ("annotation", "uint32")}
    for name, (kind, dtype) in kinds.items():
        fields = {"channel_type": kind, "datatype": dtype}
        resource(names, "POST", ("dataset", "toy", "project", "p", "channel", name), fields)
    return {name: names.channel("p", name) for name in kinds}


def test_zeros_of_an_image_never_erase(channels: dict[str, Channel]) -> None:
    em = channels["em"]
    first = np.full((2, 3, 4), 7, "u1")
    second = np.array(first)
    second[0] = 0
    second[1] = 9
    assert write([em], 0, (4, 2, 6), (6, 5, 10), first) == 24
    write([em], 0, (4, 2, 6), (6, 5, 10), second)
    found = em.volume.read(t=0)
    assert np.unique(found[0, :3, :4]).tolist() == [7]
    assert np.unique(found[1, :3, :4]).tolist() == [9]
    assert found.sum() == 12 * 7 + 12 * 9


def test_labels_follow_their_conflict_option(channels: dict[str, Channel]) -> None:
    ids = channels["ids"]
    one, two = np.zeros((1, 1, 4), "u4"), np.full((1, 1, 4), 2, "u4")
    one[..., :2] = 1
    where = (ids,), 0, (4, 2, 6), (5, 3, 10)
    write(*where, one)
    write(*where, two, conflict="preserve")
    assert ids.volume.read(t=0)[0, 0, :4].tolist() == [1, 1, 2, 2]
    write(*where, two)
    assert ids.volume.read(t=0)[0, 0, :4].tolist() == [2, 2, 2, 2]


def test_several_channels_and_times_in_one_write(channels: dict[str, Channel]) -> None:
    both = [channels["em"], channels["two"]]
    values = np.random.default_rng(0).integers(1, 255, (2, 2, 3, 4, 5), "u1")
    write(both, 0, (10, 20, 30), None, values, times=(1, 3))
    for one, part in zip(both, values, strict=True):
        read = one.volume.read()
        np.testing.assert_array_equal(read[1:3, 6:9, 18:22, 24:29], part)
        assert not read[0].any()


def test_a_level_counts_from_its_own_offset(channels: dict[str, Channel]) -> None:
    em = channels["em"]
    factors = [round(a / b) for a, b in zip(em.volume.level(1).voxel_size, em.volume.voxel_size, strict=True)]
    start = [o // f for o, f in zip((4, 2, 6), factors, strict=True)]
    write([em], 1, start, None, np.full((1, 2, 2), 5, "u1"))
    assert em.volume.level(1).read(t=0)[0, :2, :2].tolist() == [[5, 5], [5, 5]]


def test_everything_is_checked_before_a_voxel_is_written(channels: dict[str, Channel]) -> None:
    em, two = channels["em"], channels["two"]
    ones = np.ones((2, 3, 4), "u1")
    locked = Channel(two.token, two.name, two.kind, two.volume, None, True)
    refused: list[tuple[type[NdlabError], str, Any]] = [
        (OutOfBounds, "spans x 6,70, y 2,66, z 4,20", lambda: write([em], 0, (3, 2, 6), None, ones)),
        (OutOfBounds, "leaves channel 'em'", lambda: write([em], 0, (19, 2, 6), None, ones)),
        (BadRequest, "as many voxels", lambda: write([em], 0, (4, 2, 6), (5, 5, 10), ones)),
        (BadRequest, "it holds uint8", lambda: write([em], 0, (4, 2, 6), None, ones.astype("u2"))),
        (BadRequest, "2 channels", lambda: write([em, two], 0, (4, 2, 6), None, ones)),
        (BadRequest, "3 to 5 axes", lambda: write([em], 0, (4, 2, 6), None, ones[0])),
        (OutOfBounds, "time points 3", lambda: write([em], 0, (4, 2, 6), None, ones, times=(3, 4))),
        (OutOfBounds, "level", lambda: write([em], 7, (4, 2, 6), None, ones)),
        (ReadOnly, "read-only", lambda: write([em, locked], 0, (4, 2, 6), None, np.stack([ones, ones]))),
    ]
    for kind, words, call in refused:
        with pytest.raises(kind, match=words):
            call()
    assert not any(one.volume.read().any() for one in channels.values())
