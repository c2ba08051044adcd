"""Files in and out: every format brings back what was written, and real tables are read whole."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ndlab.annotations import Annotation, Annotations, Generic, Node, Skeleton, Synapse
from ndlab.annotations.exchange.parquet import curve
from ndlab.errors import BadMetadata, BadRequest, Conflict, NotFound, Problems, ReadOnly
from ndlab.geometry import Box, morton_encode
from tests.annotations.objects import any_object
from tests.annotations.places import Fresh
from tests.annotations.test_query import random_objects

FORMATS = ["csv", "json", "jsonl", "parquet"]


def unique(made: list[Annotation]) -> list[Annotation]:
    return list({one.id or -i: one for i, one in enumerate(made)}.values())


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=10, phases=[Phase.generate])
@given(made=st.lists(any_object, min_size=1, max_size=6).map(unique))
def test_r57_a_file_brings_back_every_object(tmp_path_factory: Any, suffix: str, made: list[Annotation]) -> None:
    folder = tmp_path_factory.mktemp("files")
    ann, again = Annotations.temporary(author="ada"), Annotations.temporary(author="ben")
    ann.reserve(40)  # so that ids given out are none of their own
    ann.add([one for one in made if one.id not in range(1, 41)] or [Generic()])
    path = ann.export(folder / f"all.{suffix}")
    ids = again.load(path).tolist()
    assert sorted(ids) == ann.where().ids().tolist()
    assert {one.id: one for one in again} == {one.id: one for one in ann}
    ann.close()
    again.close()


@pytest.mark.parametrize("suffix", FORMATS)
def test_r57_a_thousand_objects_and_a_filter(fresh: Fresh, tmp_path: Path, suffix: str) -> None:
    ann, again = fresh(), fresh()
    ann.add(random_objects())
    query = ann.where(kind="synapse", confidence__gt=0.5)
    again.load(query.export(tmp_path / f"some.{suffix}"))
    assert {one.id: one for one in again} == {one.id: one for one in query}
    assert again.history()[0].note == f"load some.{suffix}"
    with pytest.raises(Conflict, match="overwrite=True"):
        query.export(tmp_path / f"some.{suffix}")
    query.limit(0).export(tmp_path / f"some.{suffix}", overwrite=True)
    assert fresh().load(tmp_path / f"some.{suffix}").size == 0
    with pytest.raises(Conflict, match="are taken"):
        again.load(ann.export(tmp_path / f"all.{suffix}"))
    assert again.count() == query.count()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"all.{suffix}", f"some.{suffix}"]


def test_r57_csv_with_an_independent_reader(fresh: Fresh, tmp_path: Path) -> None:
    ann = fresh()
    ann.add([Synapse(id=2**64 - 1, segments=[(7, "pre"), (9, "post")], seeds=[3, 4], keys={"a": 'x,"y"\nz', "n": 5})])
    text = ann.where(kind="synapse").export(tmp_path / "one.csv").read_text()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["id"] == "18446744073709551615"
    assert (row["segments"], row["seeds"], row["z"]) == ("7:pre 9:post", "3 4", "")
    assert json.loads(row["keys"]) == {"a": 'x,"y"\nz', "n": 5}


def test_parquet_groups_are_compact_regions_with_bounds(fresh: Fresh, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 1000, (8000, 3))
    ann = fresh(voxel_size=(40, 4, 4))
    ann.add_table(dict(zip("zyx", points.T, strict=True)), "synapse")
    query = ann.where(kind="synapse")
    path = query.export(tmp_path / "points.parquet", row_group=125)
    file = pq.ParquetFile(path)
    assert file.num_row_groups == 64
    assert json.loads(file.schema_arrow.metadata[b"ndlab"])["space"]["levels"][0]["voxel_size"] == [40, 4, 4]
    paths = [file.metadata.row_group(0).column(c).path_in_schema for c in range(file.metadata.num_columns)]
    columns = [paths.index(n) for n in "zyx"]
    stats = [[file.metadata.row_group(g).column(c).statistics for c in columns] for g in range(64)]
    sizes = np.array([[s.max - s.min for s in group] for group in stats])
    assert np.median(sizes.prod(axis=1)) < 1000**3 / 20  # in the order of ids each would be nearly the whole
    hits = [g for g in stats if all(s.min < 200 and s.max >= 0 for s in g)]
    assert len(hits) <= 8
    filters = [(n, "<", 200.0) for n in "zyx"]
    inside = pq.read_table(path, filters=filters)
    assert inside.num_rows == int((points < 200).all(axis=1).sum())
    assert sorted(inside.column("id").to_pylist()) == ann.within(Box.nm((0, 0, 0), (200, 200, 200))).ids().tolist()
    # A reader of a box is shown by the bounds alone which groups it has to look at.
    (fragment,) = ds.dataset(path).get_fragments()
    corner = (ds.field("z") < 200) & (ds.field("y") < 200) & (ds.field("x") < 200)
    assert [one.row_groups[0].id for one in fragment.split_by_row_group(corner)] == [
        i for i, g in enumerate(stats) if all(s.min < 200 for s in g)
    ]
    free = ann.where(kind="synapse").columns("id", "z", "y", "x", "tracer").export(tmp_path / "free.parquet")
    assert pq.read_table(free).column("id").to_pylist() == pq.read_table(path).column("id").to_pylist()
    by_id = ann.where(kind="synapse").sort("-id").export(tmp_path / "sorted.parquet")
    assert pq.read_table(by_id).column("id").to_pylist() == list(range(8000, 0, -1))
    chosen = ann.where(kind="synapse").columns("id", "z").export(tmp_path / "chosen.parquet")
    assert pq.read_table(chosen).column_names == ["id", "z"]


def test_the_curve_is_mortons_and_ends_with_what_is_nowhere() -> None:
    points = np.array([[3, 1, 2], [0, 0, 0], [np.nan, 0, 0], [7, 7, 7]], float)
    side = (1 << 21) - 1
    codes = curve(points * side / 7, np.zeros(3), np.full(3, float(side)))
    scaled = [[int(v * side / 7) for v in p] for p in ([3, 1, 2], [0, 0, 0], [7, 7, 7])]
    assert [int(c) for c in codes[[0, 1, 3]]] == [morton_encode(p) for p in scaled]
    assert int(codes[2]) == 2**64 - 1


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "id,confidence\n1,0.5\n2,1.5\n", r"confidence of row 1 is 1.5"),
        ("a.csv", "id,confidence\n1,high\n", "line 2, column confidence: 'high'"),
        ("a.csv", "id,confidence\n1\n", "line 2 has 1 columns"),
        ("a.csv", "id,id\n1,1\n", "each once"),
        ("a.csv", "", "a name for each column"),
        ("a.csv", "id\n1\n1\n", "id 1 is given twice"),
        ("a.csv", "id,z\n1,4\n", "a position has the columns z"),
        ("a.csv", "z,y,x\n1,,2\n", "gaps in some"),
        ("a.csv", "status\ndone\n", "Status 'done'"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "{}", "no list of objects"),
        ("a.json", '[{"kind": "spine"}]', "object 0.*the kinds are"),
        ("a.json", '[{"kind": "synapse", "time": "yesterday"}]', "is no object"),
        ("a.jsonl", '{"kind": "synapse"}\n{', "line 2 is no JSON"),
        ("a.parquet", "PAR", "no Parquet"),
        ("a.xlsx", "", "formats are"),
    ],
)
def test_a_bad_file_is_named_and_nothing_is_stored(tmp_path: Path, name: str, text: str, said: str) -> None:
    ann = Annotations.temporary()
    path = write(tmp_path / name, text)
    kind = None if "json" in name else "synapse"
    with pytest.raises((BadMetadata, BadRequest, Problems), match=said):
        ann.load(path, kind)
    assert len(ann) == 0
    assert ann.history() == []


def test_a_file_that_is_not_there_and_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    ann = Annotations.temporary()
    with pytest.raises(NotFound, match="no file at"):
        ann.load(tmp_path / "none.csv")
    with pytest.raises(ReadOnly, match="cannot be written"):
        ann.export(tmp_path / "none" / "a.csv")
    with pytest.raises(BadRequest, match="a table without kind"):
        ann.load(write(tmp_path / "a.csv", "id\n1\n"))
    with pytest.raises(BadRequest, match="rename of nothing"):
        ann.load(tmp_path / "a.csv", "synapse", rename={"nothing": "z"})


SWC = "# made by hand\n# second line\n3 1 0 0 0 2 -1\n1 3 10 20 30 1.5 3\n2 6 11 21 31 1 1\n7 0 5 5 5 1 -1\n"


def topology(text: str) -> dict[tuple[float, ...], tuple[float, ...] | None]:
    """Place and type of each node, and the place and type of its parent."""
    rows = {r[0]: r for r in ([float(v) for v in line.split()] for line in text.splitlines() if line[0] != "#")}
    return {tuple(r[1:6]): tuple(rows[r[6]][1:6]) if r[6] != -1 else None for r in rows.values()}


def test_r55_swc_round_trip_keeps_the_tree(fresh: Fresh, tmp_path: Path) -> None:
    ann = fresh()
    ann.add([Generic()])
    skeleton, *nodes = ann.load(write(tmp_path / "cell.swc", SWC), scale=8).tolist()
    assert nodes == list(range(skeleton + 1, skeleton + 5))  # reserved in one piece
    one = ann.get(skeleton)
    assert isinstance(one, Skeleton)
    assert one.keys == {"swc_name": "cell", "swc_comments": "made by hand\nsecond line"}
    assert one.nodes == tuple(nodes)
    root, first, second, lone = ann.get(nodes)
    assert one.rootnode == root.id
    assert (first.parent, second.parent, root.parent, lone.parent) == (root.id, first.id, 0, 0)
    assert (first.location, first.radius, first.node_type) == ((240.0, 160.0, 80.0), 12.0, 3)
    assert root.children == (first.id,)
    text = ann.where(id=skeleton).export(tmp_path / "again.swc", scale=8).read_text()
    assert topology(text) == topology(SWC)
    assert text.startswith("# made by hand\n# second line\n1 1 ")
    assert ann.history()[0].objects == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 0 0 0 0 1 -1\n2 0 0 0 0 1 9\n", "line 2: its parent 9 is not there"),
        ("1 0 0 0 0 1 2\n2 0 0 0 0 1 1\n", "line 1: it is its own ancestor"),
        ("1 0 0 0 0 1 1\n", "its own parent"),
        ("1 0 0 0 0 1 -1\n1 0 0 0 0 1 -1\n", "node 1 is on line 1, too"),
        ("1 0 0 0 x 1 -1\n", "not numbers"),
        ("1 0 0 0\n", "4 of 7 values"),
        ("1 0 0 0 nan 1 -1\n", "no such lengths"),
        ("# nothing\n", "holds no node"),
    ],
)
def test_r55_a_bad_swc_is_named_line_by_line(tmp_path: Path, text: str, said: str) -> None:
    ann = Annotations.temporary()
    with pytest.raises(Problems, match=said):
        ann.load(write(tmp_path / "bad.swc", text))
    assert len(ann) == 0


def test_r55_swc_is_of_one_skeleton_in_a_stated_unit(fresh: Fresh, tmp_path: Path) -> None:
    ann = fresh()
    path = write(tmp_path / "cell.swc", SWC)
    ann.load(path)
    ann.load(path)
    with pytest.raises(BadRequest, match="a file holds one"):
        ann.export(tmp_path / "both.swc")
    with pytest.raises(BadRequest, match="size of the file's unit in nm"):
        ann.load(path, scale=0)
    nodes = ann.where(kind="node").ids().tolist()
    ann.update(nodes[0], parent=nodes[2])
    with pytest.raises(BadRequest, match="own ancestors"):
        ann.where(kind="skeleton").limit(1).export(tmp_path / "cycle.swc")


@pytest.mark.parametrize("name", ["722817260", "754534424"])
def test_r55_hemibrain_skeletons_and_synapses(fresh: Fresh, shared_data: Path, tmp_path: Path, name: str) -> None:
    folder = shared_data / "tables" / "hemibrain_da1_pn"
    ann = fresh(voxel_size=(8, 8, 8))
    source = (folder / "swc" / f"{name}.swc").read_text()
    lines = [line for line in source.splitlines() if line.strip() and not line.startswith("#")]
    ids = ann.load(folder / "swc" / f"{name}.swc", scale=8)
    assert ids.size == len(lines) + 1
    assert ann.counts() == {"node": len(lines), "skeleton": 1}
    again = ann.where(kind="skeleton").export(tmp_path / "again.swc", scale=8).read_text()
    assert topology(again) == topology(source)
    table = folder / "synapses" / f"{name}.csv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    synapses = ann.load(table, "synapse")
    assert synapses.size == len(rows) == ann.count("synapse")
    pre = ann.where(kind="synapse", type="pre")
    assert pre.count() == sum(row["type"] == "pre" for row in rows)
    sure = ann.where(kind="synapse", confidence__gt=0.9, roi="LH(R)").count()
    assert sure == sum(float(row["confidence"]) > 0.9 and row["roi"] == "LH(R)" for row in rows)
    box = ann.where(kind="synapse").within(Box.nm((15000, 0, 0), (16000, 1e6, 1e6)), "position").count()
    assert box == sum(15000 <= float(row["z"]) < 16000 for row in rows)


def test_fib25_skeletons(shared_data: Path) -> None:
    ann = Annotations.temporary()
    counted = 0
    paths = sorted((shared_data / "tables" / "fib25_neurons" / "skeletons").glob("*.swc"))
    for path in paths:
        counted += sum(1 for line in path.read_text().splitlines() if line.strip() and not line.startswith("#"))
        ann.load(path, scale=10)
    assert ann.counts() == {"node": counted, "skeleton": len(paths)}
    assert sum(len(ann.derived(one, "nodes")) for one in ann.where(kind="skeleton")) == counted


def test_the_kasthuri_tables(fresh: Fresh, shared_data: Path) -> None:
    """1700 synapses as synapses, and the 6708 objects of the segmentation with their hierarchy and boxes."""
    folder = shared_data / "kasthuri2015"
    ann = fresh(voxel_size=(30, 6, 6))
    table = folder / "kasthuri2015_synapse_table.csv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    import pandas as pd

    frame = pd.read_csv(table).rename(columns={"SynapseID": "id"})
    names = list(frame.columns)
    frame = frame.rename(columns={names[1]: "presegments", names[2]: "postsegments"})
    for axis, name in zip("xyz", names[3:6], strict=True):
        frame[axis] = frame.pop(name) * 1000
    ids = ann.add_table(frame, "synapse")
    assert ids.tolist() == [int(row["SynapseID"]) for row in rows]
    assert ann.count("synapse") == 1700
    to: dict[int, set[int]] = {}
    for row in rows:
        to.setdefault(int(row["ToSegmentID"]), set()).add(int(row["SynapseID"]))
    most = max(to, key=lambda one: len(to[one]))
    assert set(ann.where(postsegments=most).ids().tolist()) == to[most]
    assert ann.get(1).position == pytest.approx((31380, 48020, 26640))
    objects = vast(folder / "Threecylindermerge_May08_db14_export.txt")
    other = fresh(voxel_size=(30, 6, 6))
    assert other.add(objects).size == 6708
    assert other.where(bounds__isnull=False).count() == 6264
    children: dict[int, set[int]] = {}
    for one in objects:
        children.setdefault(int(one.keys["parent_nr"]), set()).add(one.id)
    for parent in sorted(children)[1:20]:
        assert set(other.where(parent_nr=parent).ids().tolist()) == children[parent]


def vast(path: Path) -> list[Annotation]:
    """Read the objects of a VAST export: numbers, then a name in quotes; pixels of 6 nm, sections of 30 nm."""
    made: list[Annotation] = []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("%"):
            continue
        front, _, rest = line.partition('"')
        values = [int(float(v)) for v in front.split()]
        x1, y1, z1, x2, y2, z2 = values[-6:]
        bounds = None
        if x1 >= 0:
            bounds = Box.nm((z1 * 30, y1 * 6, x1 * 6), ((z2 + 1) * 30, (y2 + 1) * 6, (x2 + 1) * 6))
        if values[0] == 0:  # the background is no object
            values[0] = 100_000
        made.append(Generic(id=values[0], bounds=bounds, keys={"name": rest.rstrip('"'), "parent_nr": values[-11]}))
    return made


def test_the_kasthuri_sheet_through_its_published_columns(shared_data: Path) -> None:
    from ndlab.samples.tables import kasthuri_synapses

    frame = kasthuri_synapses().rename(
        columns={"synapse_id": "id", "axon_id": "presegments", "dendrite_id": "postsegments"}
    )
    for axis in "xyz":
        frame[axis] = frame.pop(f"{axis}_um") * 1000
    ann = Annotations.temporary(voxel_size=(30, 6, 6))
    ann.add_table(frame, "synapse")
    assert len(ann) == 1700
    assert ann.where(axon_type="excitatory").count() == 1610
    assert ann.where(axon_type__isnull=True).count() == 1
    assert ann.where(in_cylinder_1=True).count() == 806
    assert ann.where(postsegments=16).count() == int((frame.postsegments == 16).sum())
    assert dict(ann.top_keys(100))["vesicles"] == int(frame.vesicles.notna().sum())
    assert (shared_data / "kasthuri2015").is_dir()
    assert isinstance(ann.get(5), Synapse)
    assert not isinstance(ann.get(5), Node)
