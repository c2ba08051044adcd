"""`ndlab annotations`: the real command in a process of its own, against what Python says of the same set."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ndlab.annotations import Annotations, Generic, Node, Segment, Skeleton, Synapse
from ndlab.annotations.exchange.documents import to_plain
from ndlab.cli import conditions, main
from ndlab.errors import BadRequest
from ndlab.geometry import Box


def shell(*given: object, code: int = 0) -> str:
    """Run the real command, and return what it printed; what it says on standard error where it fails."""
    command = [sys.executable, "-m", "ndlab", "annotations", *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def ndlab(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The same within this process, which is a second faster."""

    def run(*given: object, code: int = 0) -> str:
        assert main(["annotations", *map(str, given)]) == code
        told = capsys.readouterr()
        return told.out if code == 0 else told.err

    return run


Run = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty synapses with keys, in places, and what else there may be."""
    path = tmp_path_factory.mktemp("cli") / "spines"
    rng = np.random.default_rng(3)
    ann = Annotations.create(path, voxel_size=(40, 4, 4), author="ada")
    ann.add(
        Synapse(
            confidence=i / 40, presegments=(i % 5 + 1,), segments=[(i % 3 + 1, "pre")], weight=float(i - 20),
            centroid=rng.uniform(0, 400, 3).tolist(), status=i % 4, author="ben" if i % 2 else "ada",
            keys={"tracer": "AB" if i % 3 else "CD", "n": i, "sure": i % 2 == 0, "status": "mine"} | (
                {"text": str(i)} if i < 5 else {}
            ),
        )
        for i in range(40)
    )  # fmt: skip
    ann.add([Segment(id=100, segmentclass="axon"), Generic(id=2**64 - 1)])
    ann.update(7, status="ignored", note="by hand", reviewed=True)
    ann.close()
    return path


CASES: list[tuple[list[str], dict[str, Any]]] = [
    (["kind=synapse", "confidence__gt=0.7"], {"kind": "synapse", "confidence__gt": 0.7}),
    (["kind=SYNAPSE", "weight__lt=-3.5"], {"kind": "synapse", "weight__lt": -3.5}),
    (["kind__in=segment,generic"], {"kind__in": ["segment", "generic"]}),
    (["kind__ne=synapse"], {"kind__ne": "synapse"}),
    (["status=locked"], {"status": "locked"}),
    (["status__in=locked,2"], {"status__in": ["locked", 2]}),
    (["author__startswith=a"], {"author__startswith": "a"}),
    (["presegments=3"], {"presegments": 3}),
    (["segments=2:pre"], {"segments": (2, "pre")}),
    (["segments__in=2,3"], {"segments__in": [2, 3]}),
    (["centroid__isnull=false"], {"centroid__isnull": False}),
    (["bounds__isnull=true", "kind=synapse"], {"bounds__isnull": True, "kind": "synapse"}),
    (["tracer=AB", "n__ge=30"], {"tracer": "AB", "n__ge": 30}),
    (["n=5"], {"n": 5}),
    (["n__in=1,2,x"], {"n__in": [1, 2, "x"]}),
    (["text=3"], {"text": 3}),
    (['text="3"'], {"text": "3"}),
    (["sure=true"], {"sure": True}),
    (["reviewed__isnull=false"], {"reviewed__isnull": False}),
    (["key:status=mine", "status=2"], {"keys": {"status": "mine"}, "status": 2}),
    (["id__ge=100"], {"id__ge": 100}),
    ([f"id={2**64 - 1}"], {"id": 2**64 - 1}),
    (["time__gt=2020-01-01"], {"time__gt": datetime(2020, 1, 1, tzinfo=UTC)}),
    (["time__lt=2020-01-01T00:00:00+02:00"], {"time__lt": datetime(2020, 1, 1, tzinfo=UTC)}),
    (["z__lt=100.5"], {"z__lt": 100.5}),
]


@pytest.mark.parametrize(("words", "asked"), CASES, ids=[" ".join(words) for words, _ in CASES])
def test_conditions_mean_what_where_means(folder: Path, words: list[str], asked: dict[str, Any]) -> None:
    ann = Annotations.open(folder)
    assert conditions.where(ann, words).ids().tolist() == ann.where(**asked).ids().tolist()


@pytest.mark.parametrize(
    ("box", "nm", "expected"),
    [
        (None, "0:200,:,:", Box.nm((0, -1e9, -1e9), (200, 1e9, 1e9))),
        (None, ":120.5,40:,:300", Box.nm((-1e9, 40, -1e9), (120.5, 1e9, 300))),
        ("0:5,:,:", None, Box.nm((0, -1e9, -1e9), (200, 1e9, 1e9))),
        ("3,10:,:50", None, Box.nm((120, 40, -1e9), (160, 1e9, 200))),
        (":,:,:", None, Box.nm((-1e9,) * 3, (1e9,) * 3)),
    ],
)
def test_boxes_mean_what_within_means(folder: Path, box: Any, nm: Any, expected: Any) -> None:
    ann = Annotations.open(folder)
    found = conditions.chosen(ann, ["kind=synapse"], box, nm, 0, "position").ids().tolist()
    assert found == ann.where(kind="synapse").within(expected, "position").ids().tolist()
    assert found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["confidence"], "it is name=value"),
        (["=3"], "it is name=value"),
        (["confidence__gt=high"], "its value is a number"),
        (["presegments=x"], "a whole number"),
        (["segments=x:pre"], "id:flow"),
        (["centroid=1,2"], "three numbers z,y,x"),
        (["bounds__isnull=maybe"], "true or false"),
        (["time__gt=yesterday"], "a time is written"),
        (["kind=synapse", "kind=segment"], "type kind__in=synapse,segment"),
        (["confidense=1"], "did you mean confidence"),
        (["confidence__above=1"], "no operator 'above'"),
        (["kind=spine"], "the kinds are"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(folder: Path, words: list[str], said: str) -> None:
    ann = Annotations.open(folder)
    with pytest.raises(BadRequest, match=said):
        conditions.where(ann, words).count()


def test_query_prints_a_table_csv_json_ids_or_a_number(folder: Path, ndlab: Run) -> None:
    ann = Annotations.open(folder)
    query = ann.where(kind="synapse", confidence__gt=0.5).sort("-confidence")
    asked = [folder, "kind=synapse", "confidence__gt=0.5", "--sort=-confidence"]
    told = shell("query", folder, "--limit", 3, *asked[1:], "--columns", "id,confidence,tracer")
    assert [line.split() for line in told.splitlines()] == [
        ["id", "confidence", "tracer"], *([str(o.id), f"{o.confidence:.3f}", o.keys["tracer"]] for o in query.limit(3)),
    ]  # fmt: skip
    everything = ndlab("query", folder, "id__in=1,7,100", "--limit", "9").splitlines()
    assert len(everything) == 4
    assert {"segmentclass", "presegments", "keys"} <= set(everything[0].split())  # with gaps, for they are of two kinds
    whole = ndlab("query", *asked)
    assert len(whole.splitlines()) == 1 + query.count()
    assert "centroid" not in whole
    assert "seeds" not in whole.splitlines()[0]  # a column that says nothing
    rows = list(csv.DictReader(io.StringIO(ndlab("query", *asked, "--csv"))))
    assert [int(row["id"]) for row in rows] == query.ids().tolist()
    assert json.loads(rows[0]["keys"]) == next(iter(query)).keys
    assert json.loads(shell("query", "kind=synapse", *asked[0:1], *asked[2:], "--json")) == [
        to_plain(one) for one in query
    ]
    assert ndlab("query", *asked, "--ids").split() == [str(one) for one in query.ids()]
    assert ndlab("query", *asked, "--count") == f"{query.count()}\n"
    assert ndlab("query", folder, "n=7", "--as-of", 1, "--count") == "1\n"
    assert ndlab("query", folder, "reviewed=true", "--as-of", 2, "--count") == "0\n"
    assert ndlab("query", folder, "--as-of", "2001-01-01", "--count") == "0\n"
    assert ndlab("query", folder, "--box", "0:5,:,:", "--by", "position", "--count") == (
        f"{ann.within(Box.nm((0, -1e9, -1e9), (200, 1e9, 1e9)), 'position').count()}\n"
    )
    assert ndlab("query", folder, "confidence__gt=2") == ""


def test_a_mistake_is_one_line_and_status_2(folder: Path, tmp_path: Path, ndlab: Run) -> None:
    for words, said in (
        (["query", folder, "confidense=1"], "did you mean confidence"),
        (["query", folder, "--nm", "0:4000,5,:"], "three ranges start:stop in nm"),
        (["query", folder, "--box", "9:5,:,:"], "ends before it starts"),
        (["query", folder, "--box", "0:5,:,:", "--level", "3"], "1 levels are known"),
        (["query", tmp_path], "no annotations at"),
        (["query", folder, "--as-of", "99"], "the last one is 3"),
        (["export", folder, tmp_path / "a.xlsx"], "the formats are .csv"),
        (["history", "postgresql://ada:secret@127.0.0.1:9/none"], "does not answer"),
        (["import", folder / "none.csv", folder], "no file at"),
        (["import", folder, tmp_path / "new", "--rename", "a"], "COLUMN=FIELD"),
    ):
        told = ndlab(*words, code=2)
        assert said in told
        assert told.count("\n") == 1
        assert "secret" not in told
    assert "did you mean" in shell("query", folder, "confidense=1", code=2)


def test_what_is_exported_comes_back(folder: Path, tmp_path: Path, ndlab: Run) -> None:
    ann = Annotations.open(folder)
    for suffix, run in (("csv", ndlab), ("json", ndlab), ("jsonl", ndlab), ("parquet", shell)):
        path = tmp_path / f"sure.{suffix}"
        told = run("export", folder, path, "kind=synapse", "confidence__gt=0.5", "--json")
        assert json.loads(told) == {"file": str(path), "objects": 19}
        again = tmp_path / f"again_{suffix}"
        said = run("import", path, again, "--create", "--voxel-size", "0.04x0.004x0.004um", "--author", "ben",
                     "--note", "moved", "--json")  # fmt: skip
        assert json.loads(said)["objects"] == 19
        back = Annotations.open(again)
        assert back.calibration.voxel_size == (40, 4, 4)
        assert {one.id: one for one in back} == {one.id: one for one in ann.where(kind="synapse", confidence__gt=0.5)}
        (written,) = back.history()
        assert (written.author, written.note, written.operation) == ("ben", "moved", "add")
    assert pq.read_table(tmp_path / "sure.parquet").num_rows == 19
    assert "overwrite=True" in ndlab("export", folder, tmp_path / "sure.csv", code=2)
    ndlab("export", folder, tmp_path / "sure.csv", "n=3", "--force")
    assert len((tmp_path / "sure.csv").read_text().splitlines()) == 2


def test_a_table_of_another_program_and_a_skeleton_are_imported(tmp_path: Path, ndlab: Run) -> None:
    path = tmp_path / "table.csv"
    path.write_text("pre;post;z;y;x;roi\n7;8;0;4;8;LH\n8;9;40;4;8;\n")
    said = ndlab("import", path, tmp_path / "ann", "--create", "--kind", "synapse", "--delimiter", ";", "--rename",
                 "pre=presegments", "post=postsegments")  # fmt: skip
    assert "2 objects" in said
    ann = Annotations.open(tmp_path / "ann")
    made = [one for one in ann if isinstance(one, Synapse)]
    assert [(o.presegments, o.postsegments, o.keys) for o in made] == [((7,), (8,), {"roi": "LH"}), ((8,), (9,), {})]
    told = ndlab("query", tmp_path / "ann", "id=1").splitlines()
    assert told[0].split()[-4:] == ["z", "y", "x", "keys"]  # z is 0, which is a place
    tree = [Skeleton(id=50), Node(id=51, skeleton=50, location=(0, 0, 0)),
            Node(id=52, skeleton=50, parent=51, location=(8, 8, 16))]  # fmt: skip
    ann.add(tree)
    swc = tmp_path / "tree.swc"
    ndlab("export", tmp_path / "ann", swc, "id__in=50,51,52", "--scale", "8")
    ndlab("import", swc, tmp_path / "ann", "--scale", "8")
    new = ann.where(kind="node", id__gt=52)
    assert sorted(tuple(one.position or ()) for one in new) == [(0, 0, 0), (8, 8, 16)]
    assert "there are some already" in ndlab("import", path, tmp_path / "ann", "--create", code=2)


def test_history_tells_and_undo_takes_back(tmp_path: Path, ndlab: Run) -> None:
    ann = Annotations.create(tmp_path / "ann", author="ada")
    ann.add([Segment(id=1), Segment(id=2)])
    Annotations.open(tmp_path / "ann", author="ben").update(1, status="locked", note="by hand", seen=True)
    ann.merge([1, 2])
    told = shell("history", tmp_path / "ann").splitlines()
    assert [line.split()[0] for line in told] == ["3", "2", "1"]
    assert "ben: update, 1 object  by hand" in told[1]
    assert [one["number"] for one in json.loads(ndlab("history", tmp_path / "ann", "--by", "ada", "--json"))] == [3, 1]
    life = ndlab("history", tmp_path / "ann", "--id", 1)
    assert "    made" in life
    assert "    status: none -> locked" in life
    assert "    keys: none -> {'seen': True}" in life
    assert "    taken away" in ndlab("history", tmp_path / "ann", "--id", 2, "--limit", 1)
    assert json.loads(ndlab("history", tmp_path / "ann", "--id", 1, "--json"))[0]["before"] is None
    assert "changed later" in ndlab("undo", tmp_path / "ann", 2, code=2)
    taken = json.loads(shell("undo", tmp_path / "ann", "--author", "cyd", "--json"))
    assert (taken["number"], taken["operation"]) == (3, "merge")
    assert 2 in ann
    assert "taken back" in ndlab("undo", tmp_path / "ann", "--by", "ben")
    assert ann.get(1).status == 0
    assert ann.history(limit=2)[1].author == "cyd"
    ndlab("undo", tmp_path / "ann", 1)
    assert "nothing is left to take back" not in ndlab("history", tmp_path / "ann")
    ndlab("undo", tmp_path / "ann", code=1)
    assert len(ann) == 0
