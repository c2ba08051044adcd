from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from ndlab.errors import ReadOnly, Unsupported
from ndlab.geometry import Box
from ndlab.store.kv import Kv
from ndlab.store.zarr_python import KvStore, ZarrPythonArray
from ndlab.volume import open as open_volume
from tests.servers import FolderServer, serving
from tests.store.making import make, texture

LZ4 = {"id": "lz4"}


def test_zarr_python_works_over_any_kv(tmp_path: Path) -> None:
    """The store passes zarr-python's own reading and writing, listings included."""
    values = texture((20, 30), "u2")
    group = zarr.create_group(KvStore(Kv.open(tmp_path / "a"), read_only=False))
    array = group.create_array("x/y", shape=values.shape, dtype=values.dtype, chunks=(8, 8), shards=(16, 16))
    array[...] = values
    array[3:5, 4:6] = 7
    values[3:5, 4:6] = 7
    again: Any = zarr.open_group(KvStore(Kv.open(tmp_path / "a")), mode="r")
    np.testing.assert_array_equal(again["x/y"][...], values)
    np.testing.assert_array_equal(again["x/y"][3, 2:20], values[3, 2:20])
    assert [name for name, _ in again.members()] == ["x"]
    plain: Any = zarr.open_group(tmp_path / "a", mode="r")
    np.testing.assert_array_equal(plain["x/y"][...], values)


def test_a_read_only_store_refuses(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a", data=texture((8, 8)), chunks=(4, 4))
    array = zarr.open_array(KvStore(Kv.open(tmp_path / "a")), mode="r")
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0
    assert str(KvStore(Kv.open(tmp_path / "a"))) == f"{tmp_path}/a"
    assert KvStore(Kv.open(tmp_path / "a")) == KvStore(Kv.open(tmp_path / "a"))
    assert len({KvStore(Kv.open(tmp_path / "a")), KvStore(Kv.open(tmp_path / "a"))}) == 1


def test_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    values = texture((20, 40, 60), "u2")
    make(tmp_path / "a", dtype="u2", codec=LZ4)
    open_volume(tmp_path / "a").write(None, values)
    with serving(FolderServer(tmp_path)) as server:
        volume = open_volume(f"{server.url}/a")
        assert isinstance(volume._array, ZarrPythonArray)
        np.testing.assert_array_equal(volume[3:9, 5:30].read(), values[3:9, 5:30])
        with pytest.raises(ReadOnly, match="read-only"):
            volume.write(None, values)


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")
@pytest.mark.parametrize("axes", ["zyx", "xyz", "xzy"])
def test_axis_order_both_ways(tmp_path: Path, axes: str) -> None:
    values = texture((8, 16, 32), "u2")
    order = ["zyx".index(a) for a in axes]
    shape = [values.shape[i] for i in order]
    codec: Any = {"name": "numcodecs.lz4", "configuration": {}}
    zarr.create_array(
        tmp_path / "a", shape=shape, dtype="u2", chunks=(8, 8, 8), dimension_names=tuple(axes), compressors=codec
    )
    volume = open_volume(tmp_path / "a", voxel_size=(1, 1, 1))
    assert isinstance(volume._array, ZarrPythonArray)
    volume.write(None, values)
    reference: Any = zarr.open_array(tmp_path / "a", mode="r")
    np.testing.assert_array_equal(reference[...], values.transpose(order))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(volume)).read(), values)
    volume.write(Box((0, 8, 16), (8, 16, 24)), 5)
    assert (volume.read()[:, 8:16, 16:24] == 5).all()


@pytest.mark.parametrize("shard", [None, (16, 32, 32)])
def test_boxes_that_cut_a_piece_are_refused_and_nothing_changes(tmp_path: Path, shard: Any) -> None:
    """zarr-python reads, changes and writes back without looking whether somebody else did the same."""
    make(tmp_path / "a", levels=2, codec=LZ4, shard=shard)
    volume = open_volume(tmp_path / "a")
    unit = shard or (8, 16, 16)
    assert (volume.chunks, volume.shards) == ((8, 16, 16), shard)
    volume.write(Box((0, 0, 0), unit), 3)
    volume.write(Box((16, 32, 32), (20, 40, 60)), 4)  # the last piece is cut by the volume, not by the box
    before = volume.read()
    for box in [Box((0, 0, 0), (4, 16, 16)), Box((0, 0, 8), unit), Box((16, 32, 32), (20, 40, 59))]:
        with pytest.raises(
            ReadOnly, match=r"only whole pieces of .* voxels are safe.*write boxes on that grid"
        ) as caught:
            volume.write(box, 9)
        assert caught.value.unit == unit
    with pytest.raises(Unsupported, match="others' voxels could be lost"):
        volume.write(Box((0, 0, 0), unit), 9, mode="nonzero")
    np.testing.assert_array_equal(volume.read(), before)
    assert volume.version == 2


def test_a_chunk_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    make(tmp_path / "a", codec=LZ4, shard=None)
    volume = open_volume(tmp_path / "a")
    volume.write(None, texture((20, 40, 60)))
    path = tmp_path / "a" / "0" / "c" / "0" / "0" / "0"
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(Unsupported, match=r"/a/0 cannot be decoded"):
        volume.read()
