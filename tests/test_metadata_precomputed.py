"""Precomputed ``info`` files, read and written; TensorStore's own driver is the oracle for what is written."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadMetadata, BadRequest, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata import Multiscale, Scale, read_ome, read_precomputed, write_ome, write_precomputed

# Corner (160, 0, -64) nm in (z, y, x). In voxels of each level: 160/40 = 4 and -64/4 = -16; -64/8 = -8; -64/16 = -4;
# then 160/80 = 2 and -64/32 = -2.
SIZES = [(40, 4, 4), (40, 8, 8), (40, 16, 16), (80, 32, 32)]
SHAPES = [(30, 500, 640), (30, 250, 320), (30, 125, 160), (15, 63, 80)]
CHUNKS = [(16, 64, 64)] * 4
OFFSETS_XYZ = [[-16, 0, 4], [-8, 0, 4], [-4, 0, 4], [-2, 0, 2]]
CORNER = (160, 0, -64)
PYRAMID = Multiscale(("z", "y", "x"), tuple(Scale("", Calibration(size, CORNER)) for size in SIZES))


def info(**more: Any) -> dict[str, Any]:
    scales = [
        {
            "key": f"s{i}",
            "size": list(shape[::-1]),
            "resolution": list(size[::-1]),
            "voxel_offset": offset,
            "chunk_sizes": [[64, 64, 16]],
            "encoding": "raw",
        }
        for i, (size, shape, offset) in enumerate(zip(SIZES, SHAPES, OFFSETS_XYZ, strict=True))
    ]
    return {"type": "image", "data_type": "uint8", "num_channels": 1, "scales": scales, **more}


def with_scale(**members: Any) -> dict[str, Any]:
    changed = info()
    changed["scales"][0] |= members
    return changed


# ----------------------------------------------------------------------------------------------------- reading
def test_voxel_offset_is_the_corner_at_every_level() -> None:
    given_info = info()
    before = copy.deepcopy(given_info)
    m = read_precomputed(given_info, where="em")
    assert given_info == before
    assert [s.path for s in m.scales] == ["s0", "s1", "s2", "s3"]
    assert [s.calibration for s in m.scales] == [Calibration(size, CORNER) for size in SIZES]
    assert (m.axes, m.kind, m.version, m.notes) == (("z", "y", "x"), "image", "precomputed", ())


@given(
    resolution=st.tuples(*[st.integers(1, 10**6).map(lambda n: n / 1000)] * 3),
    offset=st.tuples(*[st.integers(-(10**6), 10**6)] * 3),
    index=st.tuples(*[st.integers(0, 10**6)] * 3),
)
def test_voxel_centres_are_where_neuroglancer_puts_them(
    resolution: tuple[float, ...], offset: tuple[int, ...], index: tuple[int, ...]
) -> None:
    scale = {"key": "0", "size": [1, 1, 1], "chunk_sizes": [[1, 1, 1]], "encoding": "raw"}
    scale |= {"resolution": list(resolution), "voxel_offset": list(offset)}
    m = read_precomputed(info() | {"scales": [scale]}, where="em")
    c = m.scales[0].calibration
    assert c is not None
    for got, r, o, i in zip(c.centre(index[::-1])[::-1], resolution, offset, index, strict=True):
        assert got == pytest.approx((o + i + 0.5) * r, rel=1e-9)


def test_centre_and_corner_agree_between_the_two_formats() -> None:
    attrs = write_ome(read_precomputed(info(), where="em"))
    (m,) = read_ome(attrs, where="em.zarr")
    assert [s.calibration for s in m.scales] == [Calibration(size, CORNER) for size in SIZES]
    # By hand: the centre of voxel 0 is at corner + half a voxel; at level 3 that is (200, 16, -48).
    last = attrs["ome"]["multiscales"][0]["datasets"][3]["coordinateTransformations"][1]
    assert last == {"type": "translation", "translation": [200, 16, -48]}


def test_offset_is_optional_and_channels_add_an_axis() -> None:
    one = with_scale()
    del one["scales"][0]["voxel_offset"]
    one["scales"] = one["scales"][:1]
    m = read_precomputed(one | {"num_channels": 3, "type": "segmentation"}, where="em")
    assert m.axes == ("c", "z", "y", "x")
    assert m.kind == "labels"
    assert m.scales[0].calibration == Calibration((40, 4, 4))


def test_mesh_folders_are_kept_and_written_back() -> None:
    m = read_precomputed(info(type="segmentation", data_type="uint64", mesh="mesh", skeletons="sk"), where="em")
    assert m.extra == {"mesh": "mesh", "skeletons": "sk"}
    assert write_precomputed(m, SHAPES, "uint64", CHUNKS)["mesh"] == "mesh"


def test_hidden_scales_are_left_out_and_noted() -> None:
    changed = info()
    changed["scales"][1]["hidden"] = True
    m = read_precomputed(changed, where="em")
    assert [s.path for s in m.scales] == ["s0", "s2", "s3"]
    assert m.notes == ("1 hidden scale(s) left out",)


def test_levels_that_begin_elsewhere_are_noted() -> None:
    changed = info()
    changed["scales"][1]["voxel_offset"] = [-9, 0, 4]
    m = read_precomputed(changed, where="em")
    assert m.notes == ("level 1 begins (0.0, 0.0, -8.0) nm in (z, y, x) from level 0, says the store",)


@pytest.mark.parametrize("encoding", ["compresso", "jxl", "kempressed", "fpzip", "zfpc", "crackle", None])
def test_encodings_that_are_not_decoded_are_named(encoding: str | None) -> None:
    with pytest.raises(
        Unsupported, match=f"scale 's0' of em has the encoding {encoding!r}.*ndlab decodes raw"
    ) as caught:
        read_precomputed(with_scale(encoding=encoding), where="em")
    assert caught.value.feature == f"encoding {encoding}"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (info(**{"@type": "neuroglancer_annotations_v1"}), "em is neuroglancer_annotations_v1"),
        (info(graph={"chunk_size": [1, 1, 1]}), "em is a graphene volume"),
    ],
)
def test_layers_that_are_no_volume_are_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        read_precomputed(changed, where="em")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "the info of em lacks type, data_type, scales"),
        (info(scales=[]), "the info of em lacks scales"),
        (info(type="mesh"), "the info of em has the type 'mesh'"),
        (info(num_channels=0), "num_channels of em is 0"),
        (with_scale(resolution=[4, 4, 0]), r"the resolution of scale 's0' of em is \[4, 4, 0\].*positive"),
        (with_scale(resolution=[4, 4]), r"resolution of scale 's0' of em is \[4, 4\].*three numbers in \(x, y, z\)"),
        (with_scale(resolution="4 4 40"), "three numbers"),
        (with_scale(size=[0, 1, 1]), "size of scale 's0' of em"),
        (with_scale(size=None), "size of scale 's0' of em is None"),
        (with_scale(resolution=[64, 64, 40]), r"level 1 \('s1'\) of em is not coarser than level 0 \('s0'\)"),
        (with_scale(key="s1"), "lists the level 's1' twice"),
    ],
)
def test_contradictions(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BadMetadata, match=message):
        read_precomputed(changed, where="em")


# ----------------------------------------------------------------------------------------------------- writing
def test_what_is_written_as_a_whole() -> None:
    m = Multiscale(("z", "y", "x"), (Scale("", Calibration((40, 4.5, 4), (80, 0, -8))),))
    assert write_precomputed(m, [(30, 500, 640)], np.uint8, [(16, 64, 128)], encoding="jpeg") == {
        "@type": "neuroglancer_multiscale_volume",
        "type": "image",
        "data_type": "uint8",
        "num_channels": 1,
        "scales": [
            {
                "key": "4_4.5_40",
                "size": [640, 500, 30],
                "voxel_offset": [-2, 0, 2],
                "chunk_sizes": [[128, 64, 16]],
                "resolution": [4, 4.5, 40],
                "encoding": "jpeg",
            }
        ],
    }


@pytest.mark.parametrize(
    ("encoding", "dtype", "channels", "kind"),
    [
        ("raw", "uint8", 1, "image"),
        ("raw", "float32", 2, "image"),
        ("raw", "int16", 1, "image"),
        ("raw", "uint64", 1, "labels"),
        ("jpeg", "uint8", 1, "image"),
        ("jpeg", "uint8", 3, "image"),
        ("png", "uint16", 1, "image"),
        ("compressed_segmentation", "uint32", 1, "labels"),
        ("compressed_segmentation", "uint64", 1, "labels"),
    ],
)
@pytest.mark.parametrize("sharded", [False, True])
def test_tensorstore_opens_every_level(
    tmp_path: Path, encoding: str, dtype: str, channels: int, kind: Any, sharded: bool
) -> None:
    axes = ("z", "y", "x") if channels == 1 else ("c", "z", "y", "x")
    lead = () if channels == 1 else (channels,)
    m = Multiscale(axes, PYRAMID.scales, kind=kind)
    sharding = {"preshift_bits": 3, "minishard_bits": 0, "shard_bits": 2} if sharded else None
    written = write_precomputed(
        m, [lead + s for s in SHAPES], dtype, [lead + c for c in CHUNKS], encoding=encoding, sharding=sharding
    )
    (tmp_path / "info").write_text(json.dumps(written))
    for level, (size, shape, offset) in enumerate(zip(SIZES, SHAPES, OFFSETS_XYZ, strict=True)):
        spec = {"driver": "neuroglancer_precomputed", "scale_index": level}
        store = ts.open({**spec, "kvstore": {"driver": "file", "path": f"{tmp_path}/"}}, open=True).result()
        assert store.dtype.name == dtype
        assert list(store.domain.origin) == [*offset, 0]
        assert list(store.domain.shape) == [*shape[::-1], channels]
        assert [u.multiplier for u in store.dimension_units[:3] if u] == list(size[::-1])
        assert {u.base_unit for u in store.dimension_units[:3] if u} == {"nm"}
    read = read_precomputed(json.loads((tmp_path / "info").read_text()), where="em")
    assert [s.calibration for s in read.scales] == [s.calibration for s in m.scales]
    assert (read.axes, read.kind) == (axes, kind)


def test_tensorstore_writes_and_reads_voxels_through_it(tmp_path: Path) -> None:
    m = Multiscale(("z", "y", "x"), (Scale("", Calibration((40, 4, 4), (80, 0, -8))),), kind="labels")
    sharding = {"preshift_bits": 1, "minishard_bits": 1, "shard_bits": 1}
    written = write_precomputed(
        m, [(5, 20, 30)], "uint64", [(4, 8, 8)], encoding="compressed_segmentation", sharding=sharding
    )
    (tmp_path / "info").write_text(json.dumps(written))
    store = ts.open(
        {"driver": "neuroglancer_precomputed", "kvstore": {"driver": "file", "path": f"{tmp_path}/"}}, open=True
    ).result()
    voxels = np.arange(5 * 20 * 30, dtype=np.uint64).reshape(5, 20, 30)
    store[..., 0].write(voxels.transpose()).result()
    assert np.array_equal(store[-2:28, 0:20, 2:7, 0].read().result(), voxels.transpose())


@given(
    size=st.tuples(*[st.integers(1, 10**6).map(lambda n: n / 1000)] * 3),
    voxels=st.tuples(*[st.integers(-(10**5), 10**5)] * 3),
)
def test_whole_voxel_offsets_come_back(size: tuple[float, float, float], voxels: tuple[int, int, int]) -> None:
    offset = tuple(round(s * v, 3) + 0.0 for s, v in zip(size, voxels, strict=True))
    m = Multiscale(("z", "y", "x"), (Scale("0", Calibration(size, offset)),))
    written = write_precomputed(m, [(1, 2, 3)], "uint8", [(1, 2, 3)])
    assert written["scales"][0]["voxel_offset"] == list(voxels[::-1])
    assert read_precomputed(json.loads(json.dumps(written)), where="em").scales == m.scales


def test_sharding_fills_in_what_is_left_out_and_keeps_what_is_given() -> None:
    bits = {"preshift_bits": 9, "minishard_bits": 0, "shard_bits": 12}
    m = Multiscale(("z", "y", "x"), (Scale("0", Calibration((1, 1, 1))),))

    def spec(encoding: str, **more: Any) -> Any:
        written = write_precomputed(m, [(9, 9, 9)], "uint8", [(3, 3, 3)], encoding=encoding, sharding=bits | more)
        return written["scales"][0]["sharding"]

    common = {"@type": "neuroglancer_uint64_sharded_v1", "hash": "identity", "minishard_index_encoding": "gzip"}
    assert spec("raw") == common | {"data_encoding": "gzip"} | bits
    assert spec("jpeg") == common | {"data_encoding": "raw"} | bits
    assert spec("raw", hash="murmurhash3_x86_128")["hash"] == "murmurhash3_x86_128"


def test_sharding_per_level() -> None:
    bits = {"preshift_bits": 1, "minishard_bits": 2, "shard_bits": 3}
    written = write_precomputed(PYRAMID, SHAPES, "uint8", CHUNKS, sharding=[bits, bits, None, None])
    assert ["sharding" in s for s in written["scales"]] == [True, True, False, False]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"dtype": "float64"},
            BadRequest,
            r"float64 image in 1 channel\(s\) were to be written as raw. raw takes uint8",
        ),
        ({"dtype": "int64"}, BadRequest, "int64 image"),
        ({"dtype": "uint16", "encoding": "jpeg"}, BadRequest, "jpeg takes uint8 in 1 or 3 channels"),
        ({"dtype": "float32", "encoding": "png"}, BadRequest, "png takes uint8 or uint16"),
        ({"encoding": "compressed_segmentation"}, BadRequest, "compressed_segmentation takes uint32 or uint64"),
        ({"encoding": "zstd"}, Unsupported, "encoding 'zstd' was asked for. ndlab writes raw, jpeg"),
        ({"shapes": SHAPES[:2]}, BadRequest, "4 levels came with 2 shapes"),
        ({"shapes": [s[1:] for s in SHAPES]}, BadRequest, "one number an axis"),
        ({"sharding": {"shard_bits": 3}}, BadRequest, "it needs preshift_bits, minishard_bits, shard_bits"),
        ({"sharding": {"preshift_bits": -1, "minishard_bits": 0, "shard_bits": 3}}, BadRequest, "whole number of 0 to"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    call = {"shapes": SHAPES, "dtype": "uint8", "chunk_sizes": CHUNKS} | change
    with pytest.raises(error, match=message):
        write_precomputed(PYRAMID, **call)


def test_labels_are_never_lossy() -> None:
    m = Multiscale(("z", "y", "x"), PYRAMID.scales, kind="labels")
    with pytest.raises(BadRequest, match=r"uint8 labels in 1 channel\(s\).*never lossy"):
        write_precomputed(m, SHAPES, "uint8", CHUNKS, encoding="jpeg")


def test_an_offset_of_half_a_voxel_is_refused() -> None:
    # -8 nm is a whole number of voxels at 4 and 8 nm, and half a voxel at 16 nm.
    m = Multiscale(("z", "y", "x"), tuple(Scale("", Calibration(size, (80, 0, -8))) for size in SIZES))
    with pytest.raises(BadRequest, match=r"offset \(80.0, 0.0, -8.0\) nm.*\(2.0, 0.0, -0.5\).*version=\"0.5\""):
        write_precomputed(m, SHAPES, "uint8", CHUNKS)


def test_time_and_missing_calibration_are_refused() -> None:
    with pytest.raises(Unsupported, match=r"axes \('t', 'z', 'y', 'x'\).*one time point at a time"):
        write_precomputed(Multiscale(("t", "z", "y", "x"), PYRAMID.scales), SHAPES, "uint8", CHUNKS)
    with pytest.raises(BadRequest, match="without voxel size"):
        write_precomputed(Multiscale(("z", "y", "x"), (Scale("0", None),)), SHAPES[:1], "uint8", CHUNKS[:1])
