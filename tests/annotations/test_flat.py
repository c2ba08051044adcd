"""Flat synapse tables: every way to write a position, every file they come in, and none of them cut off."""

from __future__ import annotations

import csv
import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ndlab.annotations import Annotations
from ndlab.errors import BadMetadata, BadRequest, NdlabError
from ndlab.geometry import Box

VOXEL = (40.0, 4.0, 4.0)  # (z, y, x) of MICrONS' viewer
FILES = ["csv", "csv.gz", "parquet", "feather"]
FORMS = ["list", "text", "columns"]


def cave(count: int, seed: int = 0) -> pd.DataFrame:
    """Make a table with the columns of CAVE's synapses_pni_2, positions as lists."""
    rng = np.random.default_rng(seed)
    pre = rng.integers(0, 300_000, (count, 3))
    post = pre + rng.integers(-50, 50, (count, 3))
    return pd.DataFrame({
        "id": rng.permutation(np.arange(1, count + 1)) + 2**40,
        "created": pd.Timestamp("2020-11-04T13:02:08"), "valid": ["t", "f"] * (count // 2) + ["t"] * (count % 2),
        "pre_pt_position": pre.tolist(), "post_pt_position": post.tolist(),
        "ctr_pt_position": ((pre + post) // 2).tolist(), "size": rng.integers(50, 90_000, count),
        "pre_pt_supervoxel_id": rng.integers(2**56, 2**57, count), "pre_pt_root_id": rng.integers(2**59, 2**60, count),
        "post_pt_supervoxel_id": rng.integers(2**56, 2**57, count),
        "post_pt_root_id": np.where(rng.random(count) < 0.1, 0, rng.integers(2**59, 2**60, count)),
    })  # fmt: skip


def formed(frame: pd.DataFrame, form: str) -> pd.DataFrame:
    """Write positions in one of the ways in which tables have them."""
    made = frame.copy()
    for name in [n for n in frame.columns if n.endswith("_position")]:
        values = made.pop(name)
        if form == "columns":
            for i, axis in enumerate("xyz"):
                made[f"{name}_{axis}"] = [one[i] for one in values]
        else:
            made[name] = ["[{:d} {:d} {:d}]".format(*one) for one in values] if form == "text" else values
    return made


def saved(frame: pd.DataFrame, path: Path) -> Path:
    """Write a table with pandas or pyarrow."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=1000)
    elif path.suffix == ".feather":
        pf.write_feather(pa.Table.from_pandas(frame, preserve_index=False), path, chunksize=1000)
    else:
        frame.to_csv(path, index=False)
    return path


def compare(ann: Annotations, frame: pd.DataFrame) -> None:
    """Check every object against its row."""
    assert len(ann) == len(frame)
    values: Any
    for values in frame.itertuples():
        one = ann.get(values.id)
        assert one.centroid == tuple(c * v for c, v in zip(values.ctr_pt_position[::-1], VOXEL, strict=True))
        for side in ("pre", "post"):
            place = getattr(values, f"{side}_pt_position")
            said = [one.keys[f"{side}_{axis}"] for axis in "zyx"]
            assert said == [c * v for c, v in zip(place[::-1], VOXEL, strict=True)]
            assert one.keys[f"{side}_pt_supervoxel_id"] == getattr(values, f"{side}_pt_supervoxel_id")
        assert one.presegments == (values.pre_pt_root_id,)
        assert one.postsegments == ((values.post_pt_root_id,) if values.post_pt_root_id else ())
        assert (one.keys["size"], one.keys["valid"]) == (values.size, values.valid == "t")
        assert one.keys["created"].replace(" ", "T") == "2020-11-04T13:02:08"


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("form", FORMS)
def test_every_file_and_form_gives_every_value(tmp_path: Path, suffix: str, form: str) -> None:
    frame = cave(250)
    ann = Annotations.temporary()
    ids = ann.load(saved(formed(frame, form), tmp_path / f"a.{suffix}"), "synapse", unit=VOXEL, rows=250)
    assert ids.tolist() == frame["id"].tolist()
    compare(ann, frame)


@settings(max_examples=15, phases=[Phase.generate], deadline=None)
@given(
    places=st.lists(st.tuples(*[st.floats(-1e9, 1e9)] * 6), min_size=1, max_size=5), suffix=st.sampled_from(FILES),
    form=st.sampled_from(FORMS), roots=st.tuples(st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1)),
)  # fmt: skip
def test_r57_positions_and_roots_of_any_size_come_through(
    tmp_path_factory: Any, places: list[Any], suffix: str, form: str, roots: tuple[int, int]
) -> None:
    frame = pd.DataFrame({
        "id": range(1, len(places) + 1), "pre_pt_root_id": roots[0], "post_pt_root_id": roots[1],
        "pre_pt_position": [list(p[:3]) for p in places], "post_pt_position": [list(p[3:]) for p in places],
    })  # fmt: skip
    path = tmp_path_factory.mktemp("flat") / f"a.{suffix}"
    if form == "text":
        for side in ("pre", "post"):
            frame[f"{side}_pt_position"] = [repr(one) for one in frame[f"{side}_pt_position"]]
    else:
        frame = formed(frame, form)
    ann = Annotations.temporary()
    ann.load(saved(frame, path), "synapse", unit="nm")
    for i, place in enumerate(places, 1):
        one = ann.get(i)
        assert [one.keys[f"{s}_{a}"] for s in ("pre", "post") for a in "xyz"] == list(place)
        assert (one.presegments, one.postsegments) == ((roots[0],), (roots[1],))
        assert one.centroid == tuple((a + b) / 2 for a, b in zip(place[2::-1], place[:2:-1], strict=True))
    ann.close()


def test_other_ways_to_write_a_position(tmp_path: Path) -> None:
    texts = ["(1, 2, 3)", "1 2 3", "[ 1,2,3 ]", "POINTZ (1 2 3)", "1.0;2e0;3", ""]
    pd.DataFrame({"pt_position": texts}).to_csv(tmp_path / "a.csv", index=False)
    ann = Annotations.temporary()
    ann.load(tmp_path / "a.csv", "synapse", unit=VOXEL)
    assert [one.position for one in ann] == [(120.0, 8.0, 4.0)] * 5 + [None]
    struct = pa.table({"pre_position": pa.array([{"x": 1, "y": 2, "z": 3}]), "tags": pa.array([[1, 2]])})
    pq.write_table(struct, tmp_path / "a.parquet")
    (one,) = ann.load(tmp_path / "a.parquet", "synapse", unit=VOXEL).tolist()
    assert (ann.get(one).centroid, ann.get(one).keys["tags"]) == ((120.0, 8.0, 4.0), "[1, 2]")
    nuclei = pd.DataFrame({"id": [99], "pt_position": ["[1 2 3]"], "pt_root_id": [2**60], "volume": [5.5]})
    nuclei.to_csv(tmp_path / "nuclei.csv", index=False)
    ann.load(tmp_path / "nuclei.csv", "organelle", unit=VOXEL)
    assert (ann.get(99).segment, ann.get(99).centroid, ann.get(99).keys) == (2**60, (120.0, 8.0, 4.0), {"volume": 5.5})


@pytest.mark.parametrize("suffix", FILES)
def test_a_table_that_was_cut_off_is_refused_whole(tmp_path: Path, suffix: str) -> None:
    frame = cave(2_000)
    path = saved(formed(frame, "columns"), tmp_path / f"a.{suffix}")
    ann = Annotations.temporary()
    with pytest.raises(BadMetadata, match=r"announced with 2001 rows.*2000 are there"):
        ann.load(path, "synapse", unit=VOXEL, rows=2_001)
    with pytest.raises(BadMetadata, match="announced with 1999 rows"):
        ann.load(path, "synapse", unit=VOXEL, rows=1_999)
    data = path.read_bytes()
    for cut in (len(data) // 2, len(data) - 3):
        path.write_bytes(data[:cut])
        with pytest.raises(NdlabError):
            ann.load(path, "synapse", unit=VOXEL)
    assert len(ann) == 0
    assert ann.history() == []


def test_a_table_as_long_as_the_servers_limit_is_not_believed(tmp_path: Path, monkeypatch: Any) -> None:
    from ndlab.annotations.exchange import flat

    monkeypatch.setattr(flat, "_CUT", (50,))
    path = saved(formed(cave(50), "text"), tmp_path / "a.csv")
    ann = Annotations.temporary()
    with pytest.raises(BadMetadata, match=r"exactly 50 rows.*rows=50"):
        ann.load(path, "synapse", unit=VOXEL)
    assert len(ann) == 0
    assert ann.load(path, "synapse", unit=VOXEL, rows=50).size == 50


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("pt_position\n[1 2]\n", {}, r"pt_position '\[1 2\]' of row 0"),
        ("pt_position\n[1 2 3]\nnowhere\n", {}, "'nowhere' of row 1"),
        ("pt_position\n0101000080\n", {}, "three numbers"),
        ("pre_x,pre_y,pre_z\n1,2,3\n1,a,3\n", {}, "pre_y 'a' of row 1"),
        ("x,y,z\n1,2,3\n", {"unit": "voxel"}, "unit='voxel'"),
        ("x,y,z\n1,2,3\n", {"unit": (4, 4)}, "three sizes"),
        ("x,y,z\n1,2,3\n", {"unit": (4, 4, 0)}, "greater than 0"),
        ("x,y,z\n1,2,3\n", {"rows": -1}, "how many rows"),
        ("x,y,z\n1,2,3", {}, "ends within a line"),
    ],
)
def test_a_bad_table_is_named_and_nothing_is_stored(tmp_path: Path, text: str, options: Any, said: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    ann = Annotations.temporary()
    with pytest.raises((BadRequest, BadMetadata), match=said):
        ann.load(tmp_path / "a.csv", "synapse", **{"unit": "nm", **options})
    assert len(ann) == 0
    with pytest.raises(BadRequest, match="pass unit="):
        ann.load(tmp_path / "a.csv", "synapse", rows=1)


def test_a_large_table_passes_in_pieces(tmp_path: Path) -> None:
    """Memory holds a piece: the batches of the reader are few rows, however large those of the file."""
    from ndlab.annotations.exchange import load

    frame = formed(cave(45_000), "columns")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pf.write_feather(table, tmp_path / "a.feather", chunksize=45_000)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=45_000)
    frame.to_csv(tmp_path / "a.csv", index=False)
    for suffix in ("feather", "parquet", "csv"):
        sizes = [len(piece["id"]) for piece in load(tmp_path / f"a.{suffix}", unit="nm")]
        assert (sum(sizes), max(sizes)) == (45_000, 20_000)


@pytest.mark.parametrize("name", ["722817260", "754534424"])
def test_hemibrain_synapses_in_voxels_of_8_nm(shared_data: Path, tmp_path: Path, name: str) -> None:
    table = shared_data / "tables" / "hemibrain_da1_pn" / "synapses" / f"{name}.csv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    ann = Annotations.temporary(voxel_size=(8, 8, 8))
    with pytest.raises(BadMetadata, match=f"{len(rows)} are there"):
        ann.load(table, "synapse", unit=(8, 8, 8), rows=len(rows) + 1)
    ids = ann.load(table, "synapse", unit=(8, 8, 8), rows=len(rows))
    assert ids.size == len(rows)
    first = ann.get(int(ids[0]))
    assert first.centroid == tuple(8.0 * float(rows[0][axis]) for axis in "zyx")
    assert first.keys == {"connector_id": 0, "node_id": int(rows[0]["node_id"]), "type": "pre", "roi": rows[0]["roi"]}
    assert first.confidence == float(rows[0]["confidence"])
    box = ann.within(Box((15_000, 0, 0), (16_000, 10**6, 10**6)), "position").count()
    assert box == sum(15_000 <= float(row["z"]) < 16_000 for row in rows)
    packed = tmp_path / "a.csv.gz"
    with table.open("rb") as source, gzip.open(packed, "wb") as dest:
        shutil.copyfileobj(source, dest)
    again = Annotations.temporary()
    again.load(packed, "synapse", unit=(8, 8, 8), rows=len(rows))
    assert [one.position for one in again] == [one.position for one in ann]


def test_kasthuri_and_weiler_tables_in_their_units(shared_data: Path) -> None:
    ann = Annotations.temporary()
    names = {"SynapseID": "id", "FromSegmentID": "pre_root_id", "ToSegmentID": "post_root_id", "xPosition": "x",
             "yPosition": "y", "zPosition": "z"}  # fmt: skip
    table = shared_data / "kasthuri2015" / "kasthuri2015_synapse_table.csv"
    ann.load(table, "synapse", unit="um", rename=names, rows=1700)
    one = ann.get(1)
    assert one.centroid == pytest.approx((31380, 48020, 26640))
    assert (one.presegments, one.postsegments) == ((16492,), (10017,))
    other = Annotations.temporary()
    for query, rows in (("3", 29_744), ("7", 35_227)):
        path = shared_data / "tables" / "weiler14_synapse_points" / f"Ex10R55_resultVol_{query}xyz.csv"
        found = other.load(path, "synapse", unit=(70, 100, 100), rename={"col": "x", "row": "y"}, rows=rows)
        assert found.size == rows
    assert other.get(1).centroid == (0.0, 21_200.0, 159_700.0)
