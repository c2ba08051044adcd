"""Precomputed annotations, read back by TensorStore and `struct`, and by ndlab itself."""

from __future__ import annotations

import gzip
import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ndlab.annotations import Annotations, Generic, Node, Segment, Synapse
from ndlab.annotations.exchange import export
from ndlab.annotations.exchange.precomputed.spatial import lots
from ndlab.errors import BadMetadata, BadRequest, Conflict, NotFound, Problems, ReadOnly, Unsupported
from ndlab.geometry import Box
from tests.annotations.layers import Layer
from tests.annotations.objects import ids as any_id

RNG = np.random.default_rng(7)
pytestmark = pytest.mark.filterwarnings("ignore:.*what precomputed annotations do not hold.*time")


def points(count: int, seed: int = 0) -> dict[str, Any]:
    """Two clouds of synapses, one a hundred times as dense as the other, and far-off single ones."""
    rng = np.random.default_rng(seed)
    places = np.concatenate([
        rng.uniform((0, 0, 0), (20_000, 100_000, 120_000), (count // 2, 3)),
        rng.normal((9_000, 30_000, 90_000), 900, (count - count // 2, 3)),
    ])  # fmt: skip
    return {
        "id": rng.permutation(np.arange(1, count + 1)).astype(np.uint64) * np.uint64(2**40 + 1),
        "z": places[:, 0], "y": places[:, 1], "x": places[:, 2],
        "confidence": rng.uniform(0, 1, count), "size": rng.integers(0, 60_000, count),
        "presegments": rng.integers(1, 40, count).astype(np.uint64) + np.uint64(720575940600000000),
        "postsegments": rng.integers(0, 3_000, count).astype(np.uint64),
        "roi": [("LH", "PN", None)[i % 3] for i in range(count)], "autapse": [i % 7 == 0 for i in range(count)],
    }  # fmt: skip


def parquet(path: Path, table: dict[str, Any]) -> Path:
    pq.write_table(pa.table(table), path, row_group_size=5_000)
    return path


@pytest.fixture(scope="module", params=[True, False], ids=["sharded", "unsharded"])
def written(request: Any, tmp_path_factory: Any) -> tuple[Layer, dict[str, Any], int]:
    """10^5 points from Parquet in shards, and a thousand in a file each."""
    folder = tmp_path_factory.mktemp("layer")
    table = points(100_000 if request.param else 1_000)
    limit = 500 if request.param else 20
    path = export(
        parquet(folder / "points.parquet", table), f"precomputed://{folder}/layer", limit=limit, sharded=request.param,
        relationships=["presegments", "postsegments"], properties=["confidence", "size", "roi", "autapse"],
    )  # fmt: skip
    assert sorted(one.name for one in folder.iterdir()) == ["layer", "points.parquet"]
    return Layer(path), table, limit


def test_r57_by_id_returns_every_point_with_everything(written: Any) -> None:
    layer, table, _ = written
    found = layer.by_id()
    assert sorted(found) == sorted(table["id"].tolist())
    names = [one["id"] for one in layer.info["properties"]]
    assert sorted(names) == ["autapse", "confidence", "roi", "size"]
    labels = {one["id"]: one.get("enum_labels") for one in layer.info["properties"]}
    for row in RNG.integers(0, len(table["id"]), 500).tolist():
        (x, y, z, *values), related = found[int(table["id"][row])]
        assert (x, y, z) == tuple(float(np.float32(table[axis][row])) for axis in "xyz")
        said = dict(zip(names, values, strict=True))
        assert said["confidence"] == float(np.float32(table["confidence"][row]))
        assert said["size"] == table["size"][row]
        assert labels["roi"][said["roi"]] == (table["roi"][row] or "")
        assert labels["autapse"][said["autapse"]] == str(table["autapse"][row]).lower()
        post = int(table["postsegments"][row])
        assert related == [[int(table["presegments"][row])], [post] if post else []]


def test_the_levels_hold_every_point_once_and_keep_to_the_limit(written: Any) -> None:
    layer, table, limit = written
    by_id = layer.by_id()
    drawn = dict(zip(table["id"].tolist(), lots(table["id"]), strict=True))
    seen: set[int] = set()
    before = -1.0
    assert len(layer.info["spatial"]) > 3
    assert layer.info["spatial"][0]["grid_shape"] == [1, 1, 1]
    for number, said in enumerate(layer.info["spatial"]):
        extent = np.array(layer.info["upper_bound"]) - layer.info["lower_bound"]
        assert np.array_equal(np.array(said["chunk_size"]) * said["grid_shape"], extent)
        level = layer.level(number)
        assert max(map(len, level.values())) <= said["limit"] == limit
        shown: list[int] = []
        for cell, there in level.items():
            low, high = layer.box(number, cell)
            assert all(values == by_id[one][0] for one, values in there.items())
            places = np.array([values[:3] for values in there.values()])
            assert (low <= places).all()
            assert (places < high).all()
            shown += there
        assert seen.isdisjoint(shown)
        assert len(set(shown)) == len(shown)
        seen.update(shown)
        # A level shows an interval of lots: whatever lies anywhere has the same chance.
        assert before < min(drawn[one] for one in shown)
        before = max(drawn[one] for one in shown)
    assert seen == set(by_id)


def test_a_level_is_a_random_part_and_as_full_as_the_limit_lets_it_be(written: Any) -> None:
    layer, table, limit = written
    dense = set(table["id"][len(table["id"]) // 2 :].tolist())
    found = 0
    for number in range(3):
        level = layer.level(number)
        assert max(map(len, level.values())) > 0.8 * limit
        found += sum(one in dense for cell in level.values() for one in cell)
    shown = sum(len(cell) for number in range(3) for cell in layer.level(number).values())
    assert abs(found / shown - 0.5) < 4 * math.sqrt(0.25 / shown)


def test_a_relationship_lists_what_brute_force_finds(written: Any) -> None:
    layer, table, _ = written
    by_id = layer.by_id()
    for number, name in enumerate(["presegments", "postsegments"]):
        index = layer.related(number)
        expected: dict[int, set[int]] = {}
        for segment, one in zip(table[name].tolist(), table["id"].tolist(), strict=True):
            if segment:
                expected.setdefault(segment, set()).add(one)
        assert {segment: set(found) for segment, found in index.items()} == expected
        assert all(values == by_id[one][0] for found in index.values() for one, values in found.items())


def test_the_shards_are_few_and_their_parts_have_gzipped_indexes(written: Any) -> None:
    layer, table, _ = written
    files = [path for path in layer.folder.rglob("*") if path.is_file()]
    if "sharding" not in layer.info["by_id"]:
        assert len(files) > len(table["id"])
        return
    assert len(files) < 40
    said = layer.info["spatial"][0]["sharding"]
    assert said["hash"] == "murmurhash3_x86_128"
    assert (said["data_encoding"], said["minishard_index_encoding"]) == ("gzip", "gzip")


GEOMETRY = ["line", "box", "ellipsoid"]


@pytest.mark.parametrize("geometry", GEOMETRY)
def test_what_is_large_is_in_every_cell_that_it_meets(tmp_path: Path, geometry: str) -> None:
    rng = np.random.default_rng(3)
    start, size = rng.uniform(0, 1000, (3, 1500)), rng.exponential(60, (3, 1500))
    end = start + size * rng.choice([-1, 1], (3, 1500)) if geometry == "line" else start + size
    groups = {"line": ("pre_{}", "post_{}"), "box": ("{}0", "{}1"), "ellipsoid": ("{}", "r{}")}[geometry]
    table = {groups[0].format(axis): start[i] for i, axis in enumerate("xyz")}
    second = size if geometry == "ellipsoid" else end
    table |= {groups[1].format(axis): second[i] for i, axis in enumerate("xyz")}
    source = parquet(tmp_path / "a.parquet", table)
    path = export(source, f"precomputed://{tmp_path}/layer", geometry=geometry, properties=[], limit=100,
                  radius=("rz", "ry", "rx"))  # fmt: skip
    layer = Layer(path)
    by_id = {one: np.array(values) for one, (values, _) in layer.by_id().items()}
    assert sorted(by_id) == list(range(1, 1501))
    assert np.array_equal(by_id[5], np.concatenate([start[:, 4], second[:, 4]]).astype(np.float32))
    assert len(layer.info["spatial"]) > 2
    seen: set[int] = set()
    for number in range(len(layer.info["spatial"])):
        level = layer.level(number)
        assert max(map(len, level.values())) <= 100
        shown = {one for cell in level.values() for one in cell}
        assert seen.isdisjoint(shown)
        seen |= shown
        there = {(cell, one) for cell, found in level.items() for one in found}
        grid = layer.info["spatial"][number]["grid_shape"]
        for one in sorted(shown)[:60]:
            for cell in np.ndindex(*grid):
                low, high = layer.box(number, cell)
                margin = nearness(geometry, by_id[one], low, high)
                if abs(margin - 1) > 1e-3:  # on the edge either is right
                    assert ((cell, one) in there) == (margin < 1)
    assert seen == set(by_id)


def nearness(geometry: str, values: Any, low: Any, high: Any) -> float:
    """Measure by dense sampling how far a shape is from a cell: less than 1 if they meet, 2 if not."""
    first, second = values[:3], values[3:]
    if geometry == "box":
        return 0.0 if (first < high).all() and (second > low).all() else 2.0
    if geometry == "ellipsoid":
        away = (first - np.clip(first, low, high)) / np.maximum(second, 1e-9)
        return float((away**2).sum())
    at = first + (second - first) * np.linspace(0, 1, 4001)[:, None]
    gap = np.maximum(np.maximum(low - at, at - high), 0).max(1).min()
    step = np.abs(second - first).max() / 4000
    return 0.0 if gap == 0 else (1.0 if gap <= step else 2.0)


# --- objects -----------------------------------------------------------------------------------------------------

coordinates = st.floats(-1e6, 1e6, width=32)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)
key_values = st.fixed_dictionaries({}, optional={
    "tracer": words, "größe": st.integers(1 - 2**24, 2**24 - 1), "PSD size": st.integers(0, 9),
    "score": st.floats(width=32, allow_nan=False, allow_infinity=False), "seen": st.booleans(),
})  # fmt: skip
synapses = st.builds(
    Synapse, id=any_id, centroid=st.tuples(coordinates, coordinates, coordinates),
    confidence=st.floats(0, 1, width=32), weight=st.floats(-1e6, 1e6, width=32), synapse_type=st.integers(0, 2**31 - 1),
    status=st.integers(0, 3), author=st.sampled_from(["ada", "ben"]), seeds=st.lists(any_id, max_size=3),
    presegments=st.lists(any_id, max_size=3), postsegments=st.lists(any_id, max_size=2), keys=key_values,
)  # fmt: skip


@settings(max_examples=25, phases=[Phase.generate], deadline=None)
@given(made=st.lists(synapses, min_size=1, max_size=8, unique_by=lambda one: one.id), sharded=st.booleans())
@pytest.mark.filterwarnings("ignore:.*do not hold")
def test_r57_a_layer_brings_back_every_object(tmp_path_factory: Any, made: list[Any], sharded: bool) -> None:
    folder = tmp_path_factory.mktemp("layers")
    ann, again = Annotations.temporary(author="ada"), Annotations.temporary(author="ben")
    ann.add(made)
    path = ann.where(kind="synapse").export(f"precomputed://{folder}/layer", limit=2, sharded=sharded)
    assert again.load(f"precomputed://{path}").size == len(made)
    for one in ann:
        other = again.get(one.id)
        for name in ("centroid", "confidence", "weight", "synapse_type", "status", "author", "seeds", "presegments",
                     "postsegments", "keys"):  # fmt: skip
            assert getattr(other, name) == getattr(one, name), name
    ann.close()
    again.close()


def test_kinds_bounds_and_radii_come_back_too(tmp_path: Path) -> None:
    ann = Annotations.temporary()
    ann.add([
        Node(location=(1, 2, 3), radius=4.5, node_type=2, skeleton=99), Node(location=(4, 5, 6), radius=1, parent=1),
        Segment(bounds=Box.nm((0, 1, 2), (3, 4, 5)), neuron=7), Generic(bounds=Box.nm((0, 0, 0), (9, 9, 9))),
    ])  # fmt: skip
    nodes = ann.where(kind="node").export(f"precomputed://{tmp_path}/nodes", geometry="ellipsoid")
    boxes = ann.where(bounds__isnull=False).export(f"precomputed://{tmp_path}/boxes", geometry="box")
    again = Annotations.temporary()
    again.load(f"precomputed://{nodes}")
    again.load(f"precomputed://{boxes}")
    for one in ann:
        other = again.get(one.id)
        assert type(other) is type(one)
        for name in ("position", "bounds", "radius", "node_type", "skeleton", "parent", "neuron"):
            assert getattr(other, name, None) == getattr(one, name, None)


def test_straight_from_the_parquet_of_an_export(tmp_path: Path) -> None:
    ann = Annotations.temporary(voxel_size=(40, 4, 4))
    table = points(4_000)
    ann.add_table(table, "synapse")
    query = ann.where(kind="synapse")
    one = Layer(query.export(f"precomputed://{tmp_path}/one", limit=100))
    file = query.export(tmp_path / "points.parquet")
    two = Layer(export(file, f"precomputed://{tmp_path}/two", limit=100))
    assert one.by_id().keys() == two.by_id().keys()
    assert {"size", "roi", "autapse", "confidence"} <= {p["id"] for p in two.info["properties"]}
    assert one.info["spatial"] == two.info["spatial"]
    for number in range(len(one.info["spatial"])):
        assert {c: set(f) for c, f in one.level(number).items()} == {c: set(f) for c, f in two.level(number).items()}


def test_the_same_annotations_give_the_same_bytes(tmp_path: Path) -> None:
    source = parquet(tmp_path / "a.parquet", points(2_000))
    folders = [export(source, f"precomputed://{tmp_path}/{n}", limit=100, properties=["size"]) for n in "ab"]
    files = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders]
    assert files[0] == files[1]


def test_types_that_are_said_are_kept_to(tmp_path: Path) -> None:
    table = {"z": [0.0, 1.0], "y": [0.0, 1.0], "x": [0.0, 1.0], "colour": ["#ff0080", "#010203"],
             "faint": ["#ff008010", "#01020304"], "n": [3, 300], "w": [0.5, None]}  # fmt: skip
    source = parquet(tmp_path / "a.parquet", table)
    types = {"colour": "rgb", "faint": "rgba", "n": "int16", "w": "float32"}
    layer = Layer(export(source, f"precomputed://{tmp_path}/a", properties=types, unit=(40, 4, 8)))
    assert layer.info["dimensions"] == {"x": [8e-9, "m"], "y": [4e-9, "m"], "z": [40e-9, "m"]}
    assert [p["type"] for p in layer.info["properties"]] == ["float32", "int16", "rgb", "rgba"]
    values = layer.by_id()
    assert values[1][0] == (0, 0, 0, 0.5, 3, 255, 0, 128, 255, 0, 128, 16)
    assert math.isnan(values[2][0][3])
    with pytest.raises(BadRequest, match="holds 3 to 300, the type 0 to 255"):
        export(source, f"precomputed://{tmp_path}/b", properties={"n": "uint8"})
    with pytest.raises(BadRequest, match="colour is #rrggbb"):
        export(source, f"precomputed://{tmp_path}/b", properties={"faint": "rgb"})
    with pytest.raises(Problems, match="'uint64' is no type"):
        export(source, f"precomputed://{tmp_path}/b", properties={"n": "uint64"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.parquet"]


def test_what_does_not_fit_is_said_before_a_byte_is_written(tmp_path: Path) -> None:
    ann = Annotations.temporary()
    ann.add([Synapse(centroid=(1, 2, 3), keys={"big": 2**40, "mixed": 1, "status": "odd"}, segments=[(7, "pre")]),
             Synapse(centroid=(4, 5, 6), keys={"mixed": "a"})])  # fmt: skip
    said = ["big: it holds whole numbers of more than 24 bits, and gaps", "mixed: it holds text and whole",
            "free key status", "segments: the flow", "time: it holds timestamp"]  # fmt: skip
    with pytest.warns(UserWarning, match="do not hold") as seen:
        ann.where(kind="synapse").export(f"precomputed://{tmp_path}/a")
    assert all(part in str(seen[0].message) for part in said)
    with pytest.raises(Problems, match="mixed: it holds"):
        ann.where(kind="synapse").export(f"precomputed://{tmp_path}/b", properties=["mixed"])
    ann.add([Synapse()])
    with pytest.raises(BadRequest, match=r"row 2 as a point.*where"):
        ann.where(kind="synapse").export(f"precomputed://{tmp_path}/b", properties=[])
    with pytest.raises(BadRequest, match="pre_x"):
        ann.where(kind="synapse").export(f"precomputed://{tmp_path}/b", geometry="line")
    with pytest.raises(BadRequest, match="geometry='sphere'"):
        ann.export(f"precomputed://{tmp_path}/b", geometry="sphere")
    with pytest.raises(BadRequest, match="limit=0"):
        ann.export(f"precomputed://{tmp_path}/b", limit=0)
    with pytest.raises(BadRequest, match="positions are in nm"):
        ann.export(f"precomputed://{tmp_path}/b", unit=(40, 4, 4))
    with pytest.raises(BadRequest, match="options colour"):
        ann.export(f"precomputed://{tmp_path}/b", colour="red")
    with pytest.raises(Unsupported, match="local folders"):
        ann.export("precomputed://gs://bucket/a")
    with pytest.raises(Conflict, match="overwrite=True"):
        ann.where(kind="synapse").limit(2).export(f"precomputed://{tmp_path}/a")
    (tmp_path / "mine").mkdir()
    with pytest.raises(Conflict, match="another place"):
        ann.where(kind="synapse").limit(2).export(f"precomputed://{tmp_path}/mine", overwrite=True)
    with pytest.raises(ReadOnly, match="make it first"):
        ann.export(f"precomputed://{tmp_path}/none/a")
    with pytest.raises(NotFound, match="no annotations at"):
        ann.load(f"precomputed://{tmp_path}/none")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "mine"]
    ann.where(kind="synapse").limit(1).export(f"precomputed://{tmp_path}/a", properties=[], overwrite=True)
    assert len(Layer(tmp_path / "a").by_id()) == 1


def test_ids_are_given_once(tmp_path: Path) -> None:
    table = {"id": [1, 2, 2], "z": [0.0, 1, 2], "y": [0.0, 1, 2], "x": [0.0, 1, 2]}
    with pytest.raises(Conflict, match=r"e\.g\. 2"):
        export(parquet(tmp_path / "a.parquet", table), f"precomputed://{tmp_path}/a")
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


def test_many_in_one_place_end_in_cells_that_say_so(tmp_path: Path) -> None:
    table = {axis: np.full(900, 5.0) for axis in "xyz"}
    with pytest.warns(UserWarning, match="share a cell"):
        path = export(parquet(tmp_path / "a.parquet", table), f"precomputed://{tmp_path}/a", limit=10)
    layer = Layer(path)
    assert sum(len(f) for n in range(len(layer.info["spatial"])) for f in layer.level(n).values()) == 900
    none = Annotations.temporary().where(kind="synapse").export(f"precomputed://{tmp_path}/none")
    assert Layer(none).by_id() == {}


def test_a_layer_that_lost_some_is_refused(tmp_path: Path) -> None:
    path = export(parquet(tmp_path / "a.parquet", points(500)), f"precomputed://{tmp_path}/a", properties=[])
    info = json.loads((path / "info").read_text())
    info["ndlab"]["annotations"] += 1
    (path / "info").write_text(json.dumps(info))
    ann = Annotations.temporary()
    with pytest.raises(BadMetadata, match="announces 501"):
        ann.load(f"precomputed://{path}", "synapse")
    assert len(ann) == 0


def test_what_neuroglancers_own_writer_wrote_is_read(tmp_path: Path) -> None:
    import neuroglancer
    from neuroglancer.write_annotations import AnnotationWriter

    space = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units=["nm", "nm", "nm"], scales=[4, 4, 40])
    spec = neuroglancer.AnnotationPropertySpec
    properties = [spec(id="size", type="float32"), spec(id="n", type="uint8")]
    writer = AnnotationWriter(space, "point", relationships=["segment"], properties=properties)
    for i in range(1, 6):
        writer.add_point((i, 2 * i, 3 * i), id=i, size=i / 2, n=i, segment=[7, i])
    writer.write(tmp_path / "theirs")
    ann = Annotations.temporary()
    assert ann.load(f"precomputed://{tmp_path}/theirs", "synapse", rename={"segment": "presegments"}).size == 5
    one = ann.get(3)
    assert (one.centroid, one.presegments, one.keys) == ((360.0, 24.0, 12.0), (7, 3), {"size": 1.5, "n": 3})


def test_what_was_written_for_h01_is_read(shared_data: Path) -> None:
    folder = shared_data / "stores" / "neuroglancer__precomputed_annotations"
    ann = Annotations.temporary()
    (one,) = ann.load(f"precomputed://{folder}", "organelle").tolist()
    assert one == 3867588737
    data = gzip.decompress((folder / "by_id" / "3867588737.gz").read_bytes())
    *_, label, count, skeleton = struct.unpack("<3fiIQ", data)
    assert (ann.get(one).keys, count) == ({"class_label": "dendrite", "skeleton_id": skeleton}, 1)
    assert json.loads((folder / "info").read_text())["properties"][0]["enum_labels"][label] == "dendrite"
