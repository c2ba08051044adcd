"""Objects over HTTP by the founding grammar: each call against dicts and arrays that know nothing of the server."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ndlab.serve.limits import Limits
from tests.serve.ramon_client import OFFSET, SHAPE, Objects, file_of, objects_of, served, tree
from tests.serve.ramon_model import Model, metadata, placed
from tests.serve.sites import Client

FULL = f"0/{OFFSET[2]},{OFFSET[2] + SHAPE[2]}/{OFFSET[1]},{OFFSET[1] + SHAPE[1]}/{OFFSET[0]},{OFFSET[0] + SHAPE[0]}/"
Array = np.ndarray[Any, Any]
Voxel = tuple[int, ...]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ramon")


@pytest.fixture(scope="module")
def asking(folder: Path) -> Iterator[Client]:
    with served(folder) as ask:
        yield ask


@pytest.fixture
def nd(asking: Client) -> Objects:
    """Give a channel with nothing in it."""
    objects = Objects(asking)
    if ids := objects.query():
        objects.good(f"{','.join(map(str, ids))}/", "DELETE")
    return objects


def box(start: Voxel, stop: Voxel) -> list[Voxel]:
    return list(map(tuple, np.argwhere(np.ones([b - a for a, b in zip(start, stop, strict=True)])) + np.array(start)))


def cutout(start: Voxel, mask: Array, **more: Any) -> dict[str, Any]:
    corner = [a + o for a, o in zip(start, OFFSET, strict=True)][::-1]
    return {"RESOLUTION": 0, "XYZOFFSET": corner, "CUTOUT": np.asarray(mask, "u4"), **more}


# --- kinds and fields -------------------------------------------------------------------------------------------------

KINDS: dict[int, dict[str, Any]] = {
    1: {},
    2: {"WEIGHT": 2.5, "SYNAPSE_TYPE": 3, "SEEDS": [5, 6], "SEGMENTS": [7, 8], "PRESEGMENTS": [7],
        "POSTSEGMENTS": [8, 9], "CENTROID": [20, 30, 10]},
    3: {"PARENT": 4, "POSITION": [8, 9, 10], "CUBE_LOCATION": 2, "SOURCE": 5},
    4: {"SEGMENTCLASS": 2, "PARENTSEED": 3, "NEURON": 5},
    5: {},
    6: {"ORGANELLECLASS": 1, "SEGMENT": 4, "PARENTSEED": 3, "SEEDS": [1, 2, 3], "CENTROID": [50, 60, 20]},
    7: {"NODETYPE": 2, "LOCATION": [1.5, 2.5, 3.25], "PARENTID": 8, "RADIUS": 12.5, "SKELETONID": 9},
    8: {"SKELETONTYPE": 1, "ROOTNODE": 6},
    9: {"PARENT": 3},
}  # fmt: skip
COMMON = {"STATUS": 2, "CONFIDENCE": 0.75, "AUTHOR": "Ana", "KVPAIRS": {"tracer": "AB", "note": 'a, "b"\nc'}}


def plain(value: Any) -> Any:
    """Return what a data set holds, one value alone where it has one."""
    items = np.asarray(value).tolist()
    return [one.decode() if isinstance(one, bytes) else one for one in items]


@pytest.mark.parametrize("code", sorted(KINDS))
def test_r42_every_type_comes_back_with_every_field(nd: Objects, code: int) -> None:
    one = {"ANNOTATION_TYPE": code, "METADATA": COMMON | KINDS[code]}
    (number,) = nd.post({"noid.0": one})
    found = nd.get(number)[number]
    assert found["ANNOTATION_TYPE"].tolist() == [code]
    said = found["METADATA"]
    for name, value in {**COMMON, **KINDS[code]}.items():
        if name == "KVPAIRS":
            assert plain(said[name]) == ['tracer,AB\r\nnote,"a, ""b""\nc"\r\n']
        else:
            assert plain(said[name]) == (value if isinstance(value, list) else [value]), name
    # The same as JSON, in both of its forms, posted again as another object.
    plain_one = nd("%d/json/" % number).json[str(number)]  # noqa: UP031
    for kept in (plain_one, {"type": plain_one["type"], "metadata": plain_one["metadata"]},
                 {k: v for k, v in plain_one.items() if k not in ("type", "metadata")}):  # fmt: skip
        (again,) = map(int, nd.good("json/", "POST", json.dumps({"0": kept}).encode()).decode().split(","))
        twin = nd.get(again)[again]
        assert {k: plain(v) for k, v in twin["METADATA"].items()} == {k: plain(v) for k, v in said.items()}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
                    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), max_size=4),
    st.floats(0, 1), st.integers(0, 3), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9),
)  # fmt: skip
def test_any_text_survives_hdf5_and_json(nd: Objects, keys: Any, confidence: float, status: int, author: str) -> None:
    fields = {"KVPAIRS": keys, "CONFIDENCE": confidence, "STATUS": status} | ({"AUTHOR": author} if author else {})
    (number,) = nd.post({"x": {"ANNOTATION_TYPE": 1, "METADATA": fields}})
    said = nd(f"{number}/json/").json[str(number)]["metadata"]
    assert said["kvpairs"] == keys
    assert (said["confidence"], said["status"]) == (confidence, status)
    assert not author or said["author"] == author
    before = nd.get(number)[number]["METADATA"]
    body = json.dumps({str(number): {"type": "generic", "metadata": said}}).encode()
    nd.good("update/json/", "POST", body)
    after = nd.get(number)[number]["METADATA"]
    assert {k: plain(v) for k, v in after.items()} == {k: plain(v) for k, v in before.items()}


def test_numbers_stay_numbers_when_a_file_of_text_brings_them_back(nd: Objects) -> None:
    keys = {"length": 2.5, "count": 3, "good": True, "text": "3", "gone": 1}
    body = json.dumps({"0": {"type": "segment", "metadata": {"kvpairs": keys}}}).encode()
    one = int(nd.good("json/", "POST", body))
    (said,) = plain(nd.get(one)[one]["METADATA"]["KVPAIRS"])
    assert "good,true" in said
    back = {"METADATA": {"KVPAIRS": said.replace("count,3", "count,4").replace("gone,1\r\n", "")}}
    nd.good("update/", "POST", file_of({one: back}))
    found = nd(f"{one}/json/").json[str(one)]["metadata"]["kvpairs"]
    assert found == {"length": 2.5, "count": "4", "good": True, "text": "3"}
    # A query says every value as text, and means the number, too.
    assert [nd.query(path) for path in ("length/2.5/", "length/2.50/", "good/true/", "text/3/", "count/3/")] == [
        [one], [one], [one], [one], []]  # fmt: skip


def test_r43_derived_fields_are_computed_and_refuse_to_be_set(nd: Objects) -> None:
    rng = np.random.default_rng(1)
    kinds = [5] * 3 + [4] * 8 + [2] * 20 + [6] * 6 + [8] * 2 + [7] * 9 + [9] * 4
    ids = list(range(1, len(kinds) + 1))
    of = {code: [i for i, kind in zip(ids, kinds, strict=True) if kind == code] for code in set(kinds)}
    objects: dict[int, dict[str, Any]] = {}
    for one, kind in zip(ids, kinds, strict=True):
        pick = {code: int(rng.choice(of[code])) for code in of}
        some = {name: sorted(rng.choice(of[4], 2, replace=False).tolist()) for name in ("pre", "post", "seg")}
        objects[one] = {"ANNOTATION_TYPE": kind, "METADATA": {
            4: {"NEURON": pick[5]}, 6: {"SEGMENT": pick[4]}, 7: {"SKELETONID": pick[8], "PARENTID": pick[7]},
            9: {"PARENT": pick[9]}, 2: {"PRESEGMENTS": some["pre"], "POSTSEGMENTS": some["post"],
                                        "SEGMENTS": np.array([[some["seg"][0], 1], [some["seg"][1], 3]])},
        }.get(kind, {})}  # fmt: skip
    assert nd.post(objects) == sorted(ids, key=str)

    def who(kind: int, name: str, one: int) -> list[int]:
        return [i for i in of[kind] if objects[i]["METADATA"].get(name) == one]

    def synapses(one: int, ways: dict[str, Any]) -> list[int]:
        found = {i for i in of[2] for name in ways if name != "flow" and one in objects[i]["METADATA"][name]}
        found |= {i for i in of[2] for s, flow in objects[i]["METADATA"]["SEGMENTS"].tolist()
                  if s == one and flow in ways["flow"]}  # fmt: skip
        return sorted(found)

    wanted = {one: {"synapses": synapses(one, {"PRESEGMENTS": 1, "POSTSEGMENTS": 1, "flow": (0, 1, 2, 3)}),
                    "presynapses": synapses(one, {"PRESEGMENTS": 1, "flow": (1, 3)}),
                    "postsynapses": synapses(one, {"POSTSEGMENTS": 1, "flow": (2, 3)}),
                    "organelles": who(6, "SEGMENT", one)} for one in of[4]}  # fmt: skip
    wanted |= {one: {"segments": who(4, "NEURON", one)} for one in of[5]}
    wanted |= {one: {"nodes": who(7, "SKELETONID", one)} for one in of[8]}
    wanted |= {one: {"children": who(7, "PARENTID", one)} for one in of[7]}
    wanted |= {one: {"children": who(9, "PARENT", one)} for one in of[9]}
    said, files = nd(",".join(map(str, wanted)) + "/json/").json, nd.get(list(wanted))
    for one, derived in wanted.items():
        for name, numbers in derived.items():
            assert said[str(one)]["metadata"][name] == numbers, (one, name)
            assert files[one]["METADATA"].get(name.upper(), np.empty(0)).tolist() == numbers
            assert nd.good(f"getField/{one}/{name}/").decode() == ",".join(map(str, numbers))
            assert nd(f"setField/{one}/{name}/5/").status == 403


def test_every_field_is_got_and_set_alone(nd: Objects) -> None:
    """The founding store's own tests set these, field by field."""
    fields = {
        2: {"status": "1", "confidence": "0.25", "author": "Ben", "synapse_type": "7", "weight": "0.5",
            "seeds": "1,2,3", "segments": "4,5", "presegments": "4", "postsegments": "5,6", "centroid": "10,11,12"},
        3: {"parent": "4", "source": "5", "cubelocation": "6", "position": "7,8,9"},
        4: {"segmentclass": "1", "parentseed": "2", "neuron": "3"},
        6: {"parentseed": "2", "organelleclass": "3", "segment": "4", "seeds": "1,2", "centroid": "20,21,22"},
        7: {"nodetype": "3", "skeletonid": "5", "parentid": "6", "radius": "1.5", "location": "0.25,1.0,2.5"},
        8: {"skeletontype": "2", "rootnode": "3"},
        9: {"parent": "7"},
    }  # fmt: skip
    for kind, known in fields.items():
        (one,) = nd.post({"x": {"ANNOTATION_TYPE": kind}})
        for name, value in {**known, "tracer": "A/B c"}.items():
            quoted = value.replace("/", "%2F").replace(" ", "%20")
            assert nd.good(f"setField/{one}/{name}/{quoted}/") == b""
            assert nd.good(f"getField/{one}/{name}/").decode() == value, (kind, name)
    assert nd(f"getField/{one}/othernonesuch/").status == 404
    assert nd(f"setField/{one}/status/aa/").status == 400


# --- paint ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["overwrite", "preserve", "except"])
def test_r45_two_cubes_that_overlap(nd: Objects, option: str) -> None:
    model = Model()
    first, second = box((2, 3, 4), (8, 20, 25)), box((5, 10, 15), (12, 30, 40))
    a, b = nd.post({"a": {"ANNOTATION_TYPE": 4, "RESOLUTION": 0, "VOXELS": placed(first)}, "b": {}})
    model.paint(a, first, "overwrite")
    nd.post({b: cutout((5, 10, 15), np.ones((7, 20, 25)))}, f"{option}/update/")
    model.paint(b, second, option)
    np.testing.assert_array_equal(nd.volume(), model.labels)
    for one in (a, b):
        found = nd.get(one, "voxels/0/")[one]["VOXELS"]
        assert set(map(tuple, found.tolist())) == model.voxels([one])
    listed = tree(nd.good(f"exceptions/{FULL}"))["exceptions"].tolist()
    assert {tuple(row[:3]): [i for i in row[3:] if i] for row in listed} == model.exceptions()
    assert bool(listed) == (option == "except")
    part = tree(nd.good("exceptions/0/19,25/12,17/9,11/"))["exceptions"].tolist()
    inside = [at for at in model.exceptions() if 19 <= at[0] < 25 and 12 <= at[1] < 17 and 9 <= at[2] < 11]
    assert sorted(tuple(row[:3]) for row in part) == sorted(inside)


def test_r46_update_dataonly_and_reduce(nd: Objects) -> None:
    model, voxels = Model(), box((2, 3, 4), (6, 9, 12))
    (one,) = nd.post({"x": {**metadata(confidence=0.5, kvpairs={"a": "1"}), "RESOLUTION": 0, "VOXELS": placed(voxels)}})
    model.paint(one, voxels, "overwrite")
    nd.post({one: metadata(confidence=0.75)}, "update/")
    said = nd(f"{one}/json/").json[str(one)]
    assert (said["ann_confidence"], said["metadata"]["kvpairs"]) == (0.75, {"a": "1"})
    np.testing.assert_array_equal(nd.volume(), model.labels)
    more = box((10, 20, 30), (11, 22, 33))
    nd.post({one: {**metadata(confidence=0.1), "RESOLUTION": 0, "VOXELS": placed(more)}}, "dataonly/")
    model.paint(one, more, "overwrite")
    assert nd(f"{one}/json/").json[str(one)]["ann_confidence"] == 0.75
    np.testing.assert_array_equal(nd.volume(), model.labels)
    shaved = box((0, 0, 0), (3, 6, 8))
    nd.post({one: {"RESOLUTION": 0, "VOXELS": placed(shaved)}}, "reduce/")
    model.paint(one, shaved, "reduce")
    np.testing.assert_array_equal(nd.volume(), model.labels)
    assert set(map(tuple, nd.get(one, "voxels/0/")[one]["VOXELS"].tolist())) == model.voxels([one])


def test_r47_reserved_ids_are_contiguous_and_nobody_elses(nd: Objects) -> None:
    found: list[range] = []

    def take() -> None:
        for _ in range(5):
            first, count = nd("reserve/100/").json
            found.append(range(first, first + count))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len({i for some in found for i in some}) == 8 * 5 * 100
    (new,) = nd.post({"x": {}})
    assert not any(new in some for some in found)


def test_r48_merged_ids_become_the_first_at_every_level(nd: Objects) -> None:
    model = Model()
    parts = [box((2, 4 * i, 8), (10, 4 * i + 6, 40)) for i in range(3)]
    keys = [{f"k{i}": str(i), "same": str(i)} for i in range(3)]
    ids = nd.post({f"x{i}": {"ANNOTATION_TYPE": 4, **metadata(kvpairs=keys[i]), "RESOLUTION": 0, "VOXELS": placed(part)}
                   for i, part in enumerate(parts)}, "except/")  # fmt: skip
    for one, part in zip(ids, parts, strict=True):
        model.paint(one, part, "except")
    (synapse,) = nd.post({"s": {"ANNOTATION_TYPE": 2, **metadata(presegments=[ids[1]], postsegments=[ids[2]])}})
    assert nd(f"merge/{ids[0]},{ids[1]},{ids[2]}/global/0/").json == ids[0]
    model.rename(ids[1:], ids[0])
    np.testing.assert_array_equal(nd.volume(), model.labels)
    assert [nd(f"{one}/").status for one in ids] == [200, 404, 404]
    said = nd(f"{ids[0]}/json/").json[str(ids[0])]["metadata"]
    assert said["kvpairs"] == {"same": "0", "k0": "0", "k1": "1", "k2": "2"}
    assert said["synapses"] == [synapse]
    assert set(map(tuple, nd.get(ids[0], "voxels/0/")[ids[0]]["VOXELS"].tolist())) == model.voxels([ids[0]])
    assert set(np.unique(level_1(nd))) == {0, ids[0]}


def level_1(nd: Objects) -> Array:
    """Labels of level 1, where x and y are half as fine."""
    said = nd.good("raw/1/3,51/1,41/4,28/")
    return np.frombuffer(said, "<u4").reshape(24, 40, 48)


def test_r49_deleted_ids_are_gone_from_every_level(nd: Objects) -> None:
    a, b = nd.post({"a": cutout((2, 2, 2), np.ones((6, 30, 30))), "b": cutout((12, 30, 40), np.ones((6, 30, 30)))})
    assert {a, b} <= set(np.unique(level_1(nd)))
    assert nd.good(f"{a}/", "DELETE") == b"Success"
    assert set(np.unique(nd.volume())) == {0, b}
    assert set(np.unique(level_1(nd))) == {0, b}
    assert nd.query() == [b]
    assert [nd(f"{a}/{form}").status for form in ("", "json/", "voxels/0/", "boundingbox/0/")] == [404] * 4
    assert nd(f"{a}/", "DELETE").status == 404


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 2**32), st.floats(0.001, 0.3), st.sampled_from([0, 1]))
def test_r50_r51_the_forms_agree_and_equal_numpy(nd: Objects, seed: int, dense: float, level: int) -> None:
    rng = np.random.default_rng(seed)
    start = [int(rng.integers(0, n // 2)) for n in SHAPE]
    shape = [int(rng.integers(1, n // 2)) for n in SHAPE]
    mask = rng.random(shape) < dense
    mask[tuple(int(rng.integers(n)) for n in shape)] = True
    (one,) = nd.post({"x": cutout(tuple(start), mask)})
    labels = nd.volume() if level == 0 else level_1(nd)
    offset = np.array([OFFSET[0], OFFSET[1] >> level, OFFSET[2] >> level])
    want = np.argwhere(labels == one)
    if not len(want):  # too little of it for a coarser level
        assert "VOXELS" not in nd.get(one, f"voxels/{level}/")[one]
        nd.good(f"{one}/", "DELETE")
        return
    low, high = want.min(0), want.max(0) + 1
    voxels = nd.get(one, f"voxels/{level}/")[one]["VOXELS"]
    np.testing.assert_array_equal(voxels[:, ::-1], want + offset)
    bound = nd.get(one, f"boundingbox/{level}/")[one]
    assert bound["XYZOFFSET"].tolist() == (low + offset)[::-1].tolist()
    assert bound["XYZDIMENSION"].tolist() == (high - low)[::-1].tolist()
    tight = nd.get(one, f"cutout/{level}/")[one]
    assert tight["XYZOFFSET"].tolist() == bound["XYZOFFSET"].tolist()
    np.testing.assert_array_equal(tight["CUTOUT"], np.where(labels == one, one, 0)[tuple(map(slice, low, high))])
    a, b = (rng.integers(0, n, 2) for n in labels.shape[:2])
    lo = [min(a), min(b), 3]
    hi = [max(a) + 1, max(b) + 1, 30]
    (z0, y0, x0), (z1, y1, x1) = np.array(lo) + offset, np.array(hi) + offset
    boxed = nd.get(one, f"cutout/{level}/{x0},{x1}/{y0},{y1}/{z0},{z1}/")[one]
    np.testing.assert_array_equal(boxed["CUTOUT"], np.where(labels == one, one, 0)[tuple(map(slice, lo, hi))])
    assert boxed["XYZOFFSET"].tolist() == [x0, y0, z0]
    again = np.zeros_like(labels)
    for part in nd.get(one, f"cuboids/{level}/")[one]["CUBOIDS"].values():
        assert part["CUBOID"].any()
        at = part["XYZOFFSET"][::-1].astype(int) - offset
        again[tuple(slice(o, o + n) for o, n in zip(at, part["CUBOID"].shape, strict=True))] = part["CUBOID"]
    np.testing.assert_array_equal(again == one, labels == one)
    alone = nd.get(one)[one]
    assert set(alone) == {"ANNOTATION_TYPE", "METADATA"}
    nd.good(f"{one}/", "DELETE")


def test_cuboids_and_cutouts_are_posted_again_as_they_were_got(nd: Objects) -> None:
    rng = np.random.default_rng(2)
    (one,) = nd.post({"x": cutout((1, 2, 3), rng.random((20, 70, 80)) < 0.01)})
    before = nd.volume()
    for form in ("cuboids/0/", "cutout/0/", "voxels/0/"):
        kept = nd.good(f"{one}/{form}")
        nd.good(f"{one}/", "DELETE")
        assert not nd.volume().any()
        assert nd.good("overwrite/", "POST", kept).decode() == str(one)
        np.testing.assert_array_equal(nd.volume(), before)


def test_voxels_of_a_coarser_level_are_all_the_finer_ones_in_them(nd: Objects) -> None:
    a, b = nd.post({"a": {"RESOLUTION": 1, "VOXELS": np.array([[3, 1, 4], [10, 11, 12]], "u4")},
                    "b": {"RESOLUTION": 1, "XYZOFFSET": [20, 20, 8], "CUTOUT": np.ones((2, 3, 4), "u4")}})  # fmt: skip
    want = np.zeros(SHAPE, "u4")
    want[0, 0:2, 0:2] = a
    want[8, 20:22, 14:16] = a
    want[4:6, 38:44, 34:42] = b
    np.testing.assert_array_equal(nd.volume(), want)


def test_r52_a_neurons_voxels_are_its_segments_under_its_id(nd: Objects) -> None:
    model = Model()
    (neuron,) = nd.post({"n": {"ANNOTATION_TYPE": 5}})
    parts = [box((2, 3, 4), (6, 20, 25)), box((5, 18, 20), (12, 30, 40)), box((20, 60, 80), (22, 70, 90))]
    ids = nd.post({f"s{i}": {"ANNOTATION_TYPE": 4, **metadata(neuron=neuron if i < 2 else 0), "RESOLUTION": 0,
                             "VOXELS": placed(part)} for i, part in enumerate(parts)}, "except/")  # fmt: skip
    for one, part in zip(ids, parts, strict=True):
        model.paint(one, part, "except")
    want = model.voxels(ids[:2])
    voxels = nd.get(neuron, "voxels/0/")[neuron]["VOXELS"].tolist()
    assert len(voxels) == len(want)
    assert set(map(tuple, voxels)) == want
    tight = nd.get(neuron, "cutout/0/")[neuron]
    assert set(np.unique(tight["CUTOUT"])) == {0, neuron}
    at = np.argwhere(tight["CUTOUT"])[:, ::-1] + tight["XYZOFFSET"]
    assert set(map(tuple, at.tolist())) == want
    low, high = np.min(list(want), 0), np.max(list(want), 0) + 1
    bound = nd.get(neuron, "boundingbox/0/")[neuron]
    assert (bound["XYZOFFSET"].tolist(), bound["XYZDIMENSION"].tolist()) == (low.tolist(), (high - low).tolist())
    corner, size = (nd.ask(f"{nd.json_at}/{neuron}/boundingbox/0/").json[str(neuron)][k] for k in ("bbcorner", "bbdim"))
    assert (corner, size) == (low.tolist(), (high - low).tolist())
    coarse = nd.get(neuron, "voxels/1/")[neuron]["VOXELS"]
    assert len(coarse) == np.isin(level_1(nd), ids[:2]).sum()
    for kind in (3, 5):
        (bare,) = nd.post({"x": {"ANNOTATION_TYPE": kind}})
        assert nd(f"{bare}/boundingbox/0/").status in (400, 404)
        assert nd("update/", "POST", file_of({bare: {"RESOLUTION": 0, "VOXELS": placed([(1, 1, 1)])}})).status == 400


# --- queries ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def thousand(asking: Client) -> tuple[Objects, dict[int, dict[str, Any]]]:
    """Store 1000 random objects, each with a voxel where it stands."""
    nd = Objects(asking)
    if old := nd.query():
        nd.good(f"{','.join(map(str, old))}/", "DELETE")
    rng = np.random.default_rng(4)
    at = rng.permutation(int(np.prod(SHAPE)))[:1000]
    objects: dict[str, dict[str, Any]] = {}
    for i in range(1000):
        keys = {str(k): str(v) for k, v in zip(rng.choice(list("abcde"), 2, False), rng.integers(0, 3, 2), strict=True)}
        kind = int(rng.choice([1, 2, 4, 6]))
        fields: dict[str, Any] = {"STATUS": int(rng.integers(0, 4)), "CONFIDENCE": round(float(rng.random()), 3),
                                  "KVPAIRS": keys}  # fmt: skip
        if kind == 4:
            fields["NEURON"] = int(rng.integers(0, 4))
        where = placed([tuple(int(v) for v in np.unravel_index(at[i], SHAPE))])
        objects[f"noid.{i:04d}"] = {"ANNOTATION_TYPE": kind, "METADATA": fields, "RESOLUTION": 0, "VOXELS": where}
    ids = nd.post(objects)
    return nd, {one: objects[f"noid.{i:04d}"] for i, one in enumerate(ids)}


_VALUE = st.sampled_from("0123")
PREDICATES = st.one_of(
    st.tuples(st.just("type"), st.sampled_from(["1", "2", "4", "6", "9", "synapse"])),
    st.tuples(st.just("status"), _VALUE),
    st.tuples(st.sampled_from("abcdef"), _VALUE),
    st.tuples(st.sampled_from(["confidence/lt", "confidence/gt"]), st.floats(0, 1).map(lambda v: f"{v:.3f}")),
    st.tuples(st.just("seg_neuron"), _VALUE),
)


def meets(one: dict[str, Any], name: str, value: str) -> bool:
    said = one["METADATA"]
    match name:
        case "type":
            return bool(one["ANNOTATION_TYPE"] == (2 if value == "synapse" else int(value)))
        case "status":
            return bool(said["STATUS"] == int(value))
        case "confidence/lt":
            return bool(said["CONFIDENCE"] < float(value))
        case "confidence/gt":
            return bool(said["CONFIDENCE"] > float(value))
        case "seg_neuron":
            return bool(said.get("NEURON") == int(value))
    return bool(said["KVPAIRS"].get(name) == value)


@settings(max_examples=60, deadline=None)
@given(st.lists(PREDICATES, max_size=4), st.none() | st.integers(0, 30), st.none() | st.integers(0, 10**6))
def test_r53_queries_mean_every_predicate_at_once(
    thousand: Any, asked: Any, limit: int | None, corner: int | None
) -> None:
    """The founding store joined two predicates on one row, and found nothing."""
    nd, objects = thousand
    want = [i for i, one in sorted(objects.items()) if all(meets(one, *each) for each in asked)]
    body = None
    if corner is not None:
        rng = np.random.default_rng(corner)
        start = np.array([rng.integers(0, n) for n in SHAPE])
        size = np.array([rng.integers(1, n - a + 1) for n, a in zip(SHAPE, start, strict=True)])
        low = (start + OFFSET)[::-1]
        high = low + size[::-1]
        want = [i for i in want if (low <= objects[i]["VOXELS"]).all() and (objects[i]["VOXELS"] < high).all()]
        out = io.BytesIO()
        with h5py.File(out, "w") as file:
            for name, values in {"RESOLUTION": [0], "XYZOFFSET": low, "CUTOUTSIZE": size[::-1]}.items():
                file[name] = np.array(values, "u4")
        body = out.getvalue()
    path = "".join(f"{name}/{value}/" for name, value in asked)
    tail = "" if limit is None else f"limit/{limit}/"
    assert nd.query(path + tail, body) == want[:limit]
    if asked and body is None:
        assert nd.ask(f"{nd.json_at}/query/{path}").json == want


def test_r54_top_keys_are_the_most_frequent_first(thousand: Any) -> None:
    nd, objects = thousand
    for kind in (None, 2, 4):
        counts: dict[str, int] = {}
        for one in objects.values():
            if kind in (None, one["ANNOTATION_TYPE"]):
                for key in one["METADATA"]["KVPAIRS"]:
                    counts[key] = counts.get(key, 0) + 1
        want = [[key, n] for key, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
        tail = "" if kind is None else f"type/{kind}/"
        assert nd.ask(f"{nd.json_at}/topkeys/3/{tail}").json == want[:3]
        assert nd.ask(f"{nd.json_at}/topkeys/99/{tail}").json == want


def test_objects_are_got_by_a_list_in_the_body(thousand: Any) -> None:
    nd, objects = thousand
    wanted = list(objects)[::2]
    for body in (json.dumps(wanted).encode(), None):
        if body is None:
            out = io.BytesIO()
            with h5py.File(out, "w") as file:
                file["ANNOIDS"] = np.array(wanted, "u4")
            body = out.getvalue()
        found = objects_of(nd.good("objects/nodata/", "POST", body))
        assert sorted(found) == sorted(wanted)
        assert list(json.loads(nd.good("objects/json/", "POST", body))) == [str(one) for one in wanted]


# --- tables and skeletons ---------------------------------------------------------------------------------------------


def test_r57_an_object_as_csv(nd: Objects) -> None:
    import csv

    (one,) = nd.post({"x": {"ANNOTATION_TYPE": 2, **metadata(weight=0.5, presegments=[7, 8], author="Ana, B"),
                            "RESOLUTION": 0, "VOXELS": placed(box((2, 3, 4), (4, 6, 8)))}})  # fmt: skip
    rows = dict(csv.reader(io.StringIO(nd.good(f"csv/{one}/0/").decode())))
    assert rows["ANNOTATION_TYPE"] == "2"
    assert (rows["WEIGHT"], rows["PRESEGMENTS"], rows["AUTHOR"]) == ("0.5", "[7 8]", "Ana, B")
    assert (rows["XYZOFFSET"], rows["XYZDIMENSION"], rows["RESOLUTION"]) == ("[10 5 6]", "[4 3 2]", "0")
    assert nd.ask(f"/sd/p/csv/{one}/0/").body == nd.good(f"csv/{one}/0/")


def test_r55_swc_comes_back_with_the_same_branches(nd: Objects) -> None:
    rng = np.random.default_rng(5)
    trees: list[list[tuple[Any, ...]]] = []
    number = 0
    for size in (40, 1, 12):
        lines: list[tuple[Any, ...]] = []
        for i in range(size):
            parent = -1 if i == 0 else lines[int(rng.integers(i))][0]
            number += 1
            lines.append((number, int(rng.integers(0, 8)), *rng.random(3).round(3).tolist(), 0.5 + i, parent))
        trees.append(lines)
    mixed = [line for some in trees for line in some]
    text = "# by hand\n" + "\n".join(" ".join(map(str, line)) for line in mixed) + "\n"
    skeletons = [int(one) for one in nd.good("swc/", "POST", text.encode()).decode().split(",")]
    assert len(skeletons) == 3
    nodes = nd("query/type/7/")
    ids = tree(nodes.body)["ANNOIDS"].tolist()
    assert len(ids) == 53
    # Ids of a file are taken in one go for each tree.
    assert max(ids) - min(skeletons) == 53 + 3 - 1

    def shape(body: str) -> list[Any]:
        """Each node by what it is and the chain of those that it descends from."""
        rows = [line.split() for line in body.splitlines() if line and not line.startswith("#")]
        by = {row[0]: row for row in rows}

        def chain(row: list[str]) -> Any:
            up = by.get(row[6])
            return (int(row[1]), *(round(float(v), 6) for v in row[2:6]), chain(up) if up else None)

        return sorted((chain(row) for row in rows), key=repr)

    assert shape(nd.good("swc/").decode()) == shape(text)
    for one, lines in zip(skeletons, trees, strict=True):
        alone = nd.good(f"swc/{one}/").decode()
        assert shape(alone) == shape("\n".join(" ".join(map(str, line)) for line in lines))
        assert "# by hand" in alone
    before = nd.query()
    for wrong in (
        "1 2 3\n",
        "1 1 0 0 0 1 2\n2 1 0 0 0 1 1\n",
        "1 1 0 0 0 1 -1\n2 1 0 0 0 1 9\n",
        "",
        "a b c d e f g\n",
    ):
        said = nd("swc/", "POST", wrong.encode())
        assert said.status == 400, wrong
        assert b"/tmp" not in said.body
    assert nd.query() == before
    assert nd(f"swc/{ids[0]}/").status == 404


# --- any order of calls -----------------------------------------------------------------------------------------------


class Calls(RuleBasedStateMachine):
    """Calls in any order, each against the model."""

    nd: Objects

    @initialize()
    def start(self) -> None:
        if ids := self.nd.query():
            self.nd.good(f"{','.join(map(str, ids))}/", "DELETE")
        self.model = Model()

    def _some(self, data: st.DataObject, least: int = 1, most: int = 3) -> list[int]:
        return data.draw(
            st.lists(st.sampled_from(sorted(self.model.objects)), min_size=least, max_size=most, unique=True)
        )

    def _voxels(self, data: st.DataObject) -> list[Voxel]:
        low = data.draw(st.tuples(*(st.integers(0, 9) for _ in SHAPE)))
        return box(low, tuple(a + data.draw(st.integers(1, 4)) for a in low))

    @rule(data=st.data(), mode=st.sampled_from(["overwrite", "preserve", "except"]))
    def post(self, data: st.DataObject, mode: str) -> None:
        sent = {}
        for i in range(data.draw(st.integers(1, 3))):
            voxels = self._voxels(data) if data.draw(st.booleans()) else []
            keys = data.draw(st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")))
            sent[f"noid.{i}"] = {
                "ANNOTATION_TYPE": 4,
                **metadata(kvpairs=keys),
                "RESOLUTION": 0,
                "VOXELS": placed(voxels),
            }
            sent[f"noid.{i}"]["voxels"] = voxels
        bare = {name: {k: v for k, v in one.items() if k != "voxels"} for name, one in sent.items()}
        ids = self.nd.post(bare, f"{mode}/")
        for one, (_, said) in zip(ids, sorted(sent.items()), strict=True):
            assert one not in self.model.objects
            self.model.objects[one] = dict(said["METADATA"]["KVPAIRS"])
            self.model.paint(one, said["voxels"], mode)

    @precondition(lambda self: self.model.objects)
    @rule(
        data=st.data(),
        mode=st.sampled_from(["overwrite", "preserve", "except", "reduce"]),
        way=st.sampled_from(["update", "dataonly"]),
    )
    def paint(self, data: st.DataObject, mode: str, way: str) -> None:
        (one,) = self._some(data, most=1)
        voxels = self._voxels(data)
        option = f"{mode}/" + ("" if mode == "reduce" else f"{way}/")
        assert self.nd.post({one: {"RESOLUTION": 0, "VOXELS": placed(voxels)}}, option) == [one]
        self.model.paint(one, voxels, mode)

    @precondition(lambda self: self.model.objects)
    @rule(data=st.data(), value=st.sampled_from("xyz"))
    def key(self, data: st.DataObject, value: str) -> None:
        (one,) = self._some(data, most=1)
        self.nd.good(f"setField/{one}/a/{value}/")
        self.model.objects[one]["a"] = value

    @precondition(lambda self: self.model.objects)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        ids = self._some(data)
        self.nd.good(f"{','.join(map(str, ids))}/", "DELETE")
        self.model.rename(ids, 0)
        for one in ids:
            del self.model.objects[one]

    @precondition(lambda self: len(self.model.objects) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        first, *others = self._some(data, 2, 4)
        self.nd.good(f"merge/{','.join(map(str, [first, *others]))}/global/0/")
        self.model.rename(others, first)
        for one in others:
            self.model.objects[first] = {**self.model.objects.pop(one), **self.model.objects[first]}

    @precondition(lambda self: self.model.objects)
    @rule(data=st.data())
    def refused(self, data: st.DataObject) -> None:
        """Something wrong in the last of several objects: none is written."""
        (one,) = self._some(data, most=1)
        outside = {"RESOLUTION": 0, "VOXELS": [[0, 0, 0]]}
        for options, file in (("overwrite/", {"a": metadata(kvpairs={"a": "q"}), "b": outside}),
                              ("update/", {one: metadata(kvpairs={"a": "q"}), 10**6: {}}),
                              ("overwrite/", {"a": cutout((0, 0, 0), np.ones((1, 1, 1))), str(one): {}})):  # fmt: skip
            assert self.nd(options, "POST", file_of(file)).status in (400, 404, 409)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.nd.query() == sorted(self.model.objects)
        np.testing.assert_array_equal(self.nd.volume(), self.model.labels)
        if self.model.objects:
            said = self.nd(f"{','.join(map(str, self.model.objects))}/json/").json
            assert {int(i): one["metadata"]["kvpairs"] for i, one in said.items()} == self.model.objects
            found = self.nd.get(list(self.model.objects), "voxels/0/")
            for one, values in found.items():
                at = values.get("VOXELS", np.empty((0, 3), "u4"))
                assert set(map(tuple, at.tolist())) == self.model.voxels([one]), one


def test_calls_in_any_order_are_what_the_model_says(nd: Objects) -> None:
    machine = type("Calls", (Calls,), {"nd": nd})
    run_state_machine_as_test(machine, settings=settings(max_examples=8, stateful_step_count=12, deadline=None))


def test_many_who_post_at_once_over_each_other_lose_nothing(nd: Objects) -> None:
    cubes: dict[int, set[Voxel]] = {}

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(6):
            low = rng.integers(0, 12, 3)
            voxels = box(tuple(low.tolist()), tuple((low + rng.integers(1, 6, 3)).tolist()))
            (one,) = nd.post({"x": {"ANNOTATION_TYPE": 4, "RESOLUTION": 0, "VOXELS": placed(voxels)}})
            cubes[one] = set(voxels)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert nd.query() == sorted(cubes)
    assert len(cubes) == 36
    labels = nd.volume()
    assert set(map(tuple, np.argwhere(labels).tolist())) == set().union(*cubes.values())
    for at in np.argwhere(labels).tolist():
        assert tuple(at) in cubes[int(labels[tuple(at)])]
    for number, found in nd.get(sorted(cubes), "voxels/0/").items():
        shown = {(x + OFFSET[2], y + OFFSET[1], z + OFFSET[0]) for z, y, x in np.argwhere(labels == number).tolist()}
        assert {tuple(v) for v in found.get("VOXELS", np.empty((0, 3), "u4")).tolist()} == shown


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as ask:
        nd = Objects(ask)
        (one,) = nd.post({"x": cutout((1, 2, 3), np.ones((2, 2, 2)))})
    with served(tmp_path) as ask:
        nd = Objects(ask)
        assert nd.query() == [one]
        assert (nd.volume() == one).sum() == 8


def test_a_cut_out_that_is_too_large_is_refused_in_words(folder: Path, asking: Client) -> None:
    nd = Objects(asking)
    (one,) = nd.post({"x": {"RESOLUTION": 0, "VOXELS": placed([(0, 0, 0), (23, 79, 95)])}})
    with served(folder, limits=Limits(nbytes=100_000)) as small:
        said = Objects(small)(f"{one}/cutout/0/")
        assert said.status == 413
        assert "a request may read" in said.json["exists"]
        assert Objects(small)(f"{one}/voxels/0/").status == 200
        large = file_of({"x": cutout((0, 0, 0), np.ones(SHAPE))})
        assert Objects(small)("overwrite/", "POST", large).status == 413
    nd.good(f"{one}/", "DELETE")
