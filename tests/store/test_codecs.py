from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest

from ndlab.errors import BadRequest
from ndlab.store.codecs import codecs_v2, codecs_v3
from ndlab.store.engine import TensorStoreArray
from ndlab.store.multiscale import open_store
from ndlab.store.zarr_python import ZarrPythonArray
from ndlab.volume import open as open_volume
from tests.store.making import make, texture

ZSTD: dict[str, Any] = {"name": "zstd", "configuration": {"level": 1, "checksum": False}}


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        (None, []),
        ("none", []),
        ("zstd", [ZSTD]),
        ("zstd 7", [{"name": "zstd", "configuration": {"level": 7, "checksum": False}}]),
        ("gzip", [{"name": "gzip", "configuration": {"level": 1}}]),
        ({"id": "zstd", "level": 3}, [{"name": "zstd", "configuration": {"level": 3, "checksum": False}}]),
        ({"id": "lz4", "acceleration": 2}, [{"name": "numcodecs.lz4", "configuration": {"acceleration": 2}}]),
        (ZSTD, [ZSTD]),
        (
            [{"id": "delta", "dtype": "<u2"}, ZSTD],
            [{"name": "numcodecs.delta", "configuration": {"dtype": "<u2"}}, ZSTD],
        ),
    ],
)
def test_codecs_as_zarr_v3_spells_them(codec: Any, expected: list[dict[str, Any]]) -> None:
    assert codecs_v3(codec) == expected


def test_blosc_does_not_shuffle_unless_asked() -> None:
    """Shuffling loses on electron microscopy and on labels."""
    (found,) = codecs_v3("blosc")
    assert (found["name"], found["configuration"]["cname"], found["configuration"]["shuffle"]) == (
        "blosc", "lz4", "noshuffle",
    )  # fmt: skip
    (found,) = codecs_v3({"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2})
    assert found["configuration"]["shuffle"] == "bitshuffle"
    assert (found["configuration"]["cname"], found["configuration"]["clevel"]) == ("zstd", 3)
    assert codecs_v2("blosc") == [numcodecs.Blosc("lz4", 5, 0)]
    assert codecs_v2("blosc 9") == [numcodecs.Blosc("lz4", 9, 0)]


@pytest.mark.parametrize(
    "codec",
    ["zstd 3", "blosc", {"id": "gzip", "level": 2}, {"id": "bz2", "level": 2}, None,
     {"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": 1}],
)  # fmt: skip
def test_v2_and_v3_mean_the_same(codec: Any) -> None:
    """From v3 back to numcodecs: nothing is lost on the way."""
    assert [one.get_config() for one in codecs_v2(codecs_v3(codec))] == [one.get_config() for one in codecs_v2(codec)]


@pytest.mark.parametrize("codec", ["zstdd", {"id": "no-such-codec"}, {"id": None}, [{"id": "zstd"}, {"id": "nope"}]])
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_unknown_codecs_list_the_known_and_write_nothing(tmp_path: Path, codec: Any, version: str) -> None:
    with pytest.raises(BadRequest, match=r"codec .*known are .*zstd.*pass e\.g\. codec=\"zstd\""):
        make(tmp_path / "a", codec=codec, version=version)
    assert not (tmp_path / "a").exists()


ANY = [
    ("zstd", TensorStoreArray), ("zstd 3", TensorStoreArray), (None, TensorStoreArray), ("gzip", TensorStoreArray),
    ("blosc", TensorStoreArray), ({"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2}, TensorStoreArray),
    ({"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}, TensorStoreArray),
    ({"name": "zstd", "configuration": {"level": 2, "checksum": True}}, TensorStoreArray),
    ({"id": "lz4"}, ZarrPythonArray), ({"id": "lzma"}, ZarrPythonArray),
    ([{"id": "delta", "dtype": "<u2"}, {"id": "zstd", "level": 1}], ZarrPythonArray),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "kind"), ANY, ids=lambda v: json.dumps(v) if not isinstance(v, type) else "")
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_any_codec_can_be_written_whole_chunk_by_whole_chunk(
    tmp_path: Path, codec: Any, kind: Any, version: str
) -> None:
    values = texture((20, 40, 60), "u2")
    stored = make(tmp_path / "a", values.shape, dtype="u2", codec=codec, version=version)
    if version == "0.5" or "checksum" not in json.dumps(codec):  # the engine's Zarr 2 knows zstd without checksums only
        assert isinstance(stored.levels[0].array, kind)
    open_volume(tmp_path / "a").write(None, values)
    array = open_store(tmp_path / "a").levels[0].array
    np.testing.assert_array_equal(array.read((0, 0, 0), values.shape), values)


def test_a_codec_that_does_not_fit_the_voxels(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"codec .* cannot be used for uint8 voxels"):
        make(tmp_path / "a", codec={"id": "zstd", "level": "high"})
    assert not (tmp_path / "a").exists()
