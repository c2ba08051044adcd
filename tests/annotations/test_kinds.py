"""The nine kinds: their fields, what they refuse, and how they come back from a store."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.annotations import (
    KINDS,
    ROI,
    Annotation,
    Annotations,
    Flow,
    Generic,
    Neuron,
    Node,
    Organelle,
    OrganelleClass,
    Segment,
    SegmentClass,
    Skeleton,
    Status,
    Synapse,
)
from ndlab.annotations.ids import signed, unsigned
from ndlab.errors import BadRequest, ReadOnly
from ndlab.geometry import Box
from tests.annotations.objects import any_object
from tests.annotations.places import Fresh, new, release

# RAMON as the founding system had it: code, and the fields beyond the common ones.
RAMON = {
    "generic": (1, []),
    "synapse": (2, ["weight", "synapse_type", "seeds", "segments", "presegments", "postsegments", "centroid"]),
    "seed": (3, ["parent", "position", "cube_location", "source"]),
    "segment": (4, ["segmentclass", "parentseed", "neuron"]),
    "neuron": (5, []),
    "organelle": (6, ["organelleclass", "segment", "centroid", "parentseed", "seeds"]),
    "node": (7, ["node_type", "location", "parent", "radius", "skeleton"]),
    "skeleton": (8, ["skeleton_type", "rootnode"]),
    "roi": (9, ["parent"]),
}
DERIVED = {
    "segment": ("synapses", "presynapses", "postsynapses", "organelles"),
    "neuron": ("segments",),
    "node": ("children",),
    "skeleton": ("nodes",),
    "roi": ("children",),
}


def test_r42_there_are_nine_kinds_with_exactly_these_fields() -> None:
    common = ["id", "status", "confidence", "author", "time", "bounds", "keys"]
    assert {kind.kind: (kind.code, [f.name for f in fields(kind)][len(common) :]) for kind in KINDS.values()} == RAMON
    assert all([f.name for f in fields(kind)][: len(common)] == common for kind in KINDS.values())
    assert {kind.kind: kind.derived for kind in KINDS.values() if kind.derived} == DERIVED


def test_r42_codes_are_the_founding_ones() -> None:
    assert [s.name for s in Status] == ["UNPROCESSED", "LOCKED", "PROCESSED", "IGNORED"]
    assert [f.name for f in Flow] == ["UNKNOWN", "PRE", "POST", "BIDIRECTIONAL"]
    assert [c.name for c in SegmentClass] == ["UNKNOWN", "AXON", "DENDRITE", "SOMA"]
    assert [c.name for c in OrganelleClass] == [
        "UNKNOWN", "MITOCHONDRION", "VESICLE", "AXOPLASMIC_RETICULUM", "MICROTUBULE", "NUCLEUS",
    ]  # fmt: skip
    assert [int(s) for s in Status] == [0, 1, 2, 3]


MADE = st.lists(any_object, min_size=1, max_size=5, unique_by=lambda one: one.id or object())


@given(made=MADE)
def test_r42_every_object_comes_back_as_it_was(made: list[Annotation]) -> None:
    comes_back(new("sqlite", author="ada"), made)


@settings(max_examples=15)
@given(made=MADE)
def test_r42_every_object_comes_back_from_a_server(made: list[Annotation]) -> None:
    comes_back(new("postgresql", author="ada"), made)


def comes_back(ann: Annotations, made: list[Annotation]) -> None:
    # An id of one's own may be the very one that is given out.
    made = [replace(one, id=one.id or 2**63 + i) for i, one in enumerate(made)]
    given_ids = ann.add(made)
    back = ann.get(given_ids)
    for one, again in zip(made, back, strict=True):
        time = again.time if one.time is None else one.time
        assert again == replace(one, author=one.author or "ada", time=time)
        assert type(again) is type(one)
        assert [type(v) for v in again.keys.values()] == [type(v) for v in one.keys.values()]
    release(ann)


def test_r42_unknown_fields_become_key_values(fresh: Fresh) -> None:
    ann = fresh()
    (one,) = ann.add_table({"neuron": [5], "tracer": ["AB"], "spine_volume": [40749], "checked": [True]}, "segment")
    assert ann.get(int(one)) == replace(ann.get(int(one)), neuron=5)
    assert ann.get(int(one)).keys == {"tracer": "AB", "spine_volume": 40749, "checked": True}
    ann.update(one, tracer="CD", reviewed=False, checked=None)
    assert ann.get(int(one)).keys == {"tracer": "CD", "spine_volume": 40749, "reviewed": False}


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (Synapse, {"confidence": 1.5}, "Synapse confidence 1.5. it lies between 0 and 1"),
        (Synapse, {"confidence": float("nan")}, "finite"),
        (Synapse, {"status": "done"}, "Status 'done'. it is one of 0 unprocessed, 1 locked, 2 processed, 3 ignored"),
        (Synapse, {"status": True}, "Status True"),
        (Synapse, {"id": -1}, "id -1"),
        (Synapse, {"id": 2**64}, r"2\*\*64 - 1"),
        (Synapse, {"id": 1.5}, "whole number"),
        (Synapse, {"presegments": [0]}, "0 is the background"),
        (Synapse, {"presegments": "12"}, "an id is a whole number"),
        (Synapse, {"segments": [7]}, "pairs of id and flow"),
        (Synapse, {"segments": [(7, "sideways")]}, "Flow 'sideways'"),
        (Synapse, {"centroid": (1, 2)}, r"three numbers \(z, y, x\) \[nm\]"),
        (Synapse, {"centroid": (1, 2, float("inf"))}, "finite"),
        (Synapse, {"synapse_type": -1}, "whole number from 0"),
        (Synapse, {"bounds": Box((0, 0, 0), (1, 1, 1))}, "box in nm"),
        (Synapse, {"time": datetime(2026, 1, 1)}, "with a time zone"),
        (Synapse, {"author": "a\0b"}, "NUL"),
        (Synapse, {"author": "\ud800"}, "surrogate"),
        (Synapse, {"keys": {"a": [1]}}, "text, a number or a bool"),
        (Synapse, {"keys": {"": 1}}, "1 to 200 letters"),
        (Synapse, {"keys": {"a": 2**64}}, "64 bits"),
        (Synapse, {"keys": {"a": float("nan")}}, "finite"),
        (Synapse, {"keys": 5}, "mapping"),
        (Node, {"radius": -1}, "0 or more"),
        (Organelle, {"organelleclass": 6}, "OrganelleClass 6"),
    ],
)
def test_r42_what_is_no_value_is_refused_before_it_is_stored(kind: Any, values: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        kind(**values)


def test_the_segment_classes_are_open_and_the_base_is_no_kind() -> None:
    assert Segment(segmentclass=17).segmentclass == 17
    with pytest.raises(BadRequest, match="of no kind"):
        Annotation()


def test_a_time_of_another_zone_is_kept_in_utc() -> None:
    there = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    one = Generic(time=there)
    assert one.time == there
    assert one.time is not None
    assert one.time.tzinfo is UTC


def test_r43_derived_fields_equal_brute_force_and_cannot_be_set(fresh: Fresh) -> None:
    ann = fresh()
    neuron, other = (int(i) for i in ann.add([Neuron(), Neuron()]))
    a, b, c = (int(i) for i in ann.add([Segment(neuron=neuron), Segment(neuron=neuron), Segment(neuron=other)]))
    made = [
        Synapse(presegments=[a], postsegments=[b, c]),
        Synapse(segments=[(a, "post"), (b, "pre")]),
        Synapse(segments=[(a, "bidirectional")]),
        Synapse(segments=[(a, "unknown")]),
        Synapse(seeds=[a]),  # a seed of that number, no segment
    ]
    s1, s2, s3, s4, _ = (int(i) for i in ann.add(made))
    o1, _ = (int(i) for i in ann.add([Organelle(segment=a), Organelle(segment=b)]))
    segment = ann.get(a)
    assert segment.synapses == (s1, s2, s3, s4)
    assert segment.presynapses == (s1, s3)
    assert segment.postsynapses == (s2, s3)
    assert segment.organelles == (o1,)
    assert (ann.get(b).presynapses, ann.get(c).postsynapses) == ((s2,), (s1,))
    assert (ann.get(neuron).segments, ann.get(other).segments) == ((a, b), (c,))
    skeleton, root, child, region, inner = (
        int(i) for i in ann.add([Skeleton(rootnode=11), Node(), Node(), ROI(), ROI()])
    )
    ann.update([root, child], skeleton=skeleton)
    ann.update(child, parent=root)
    ann.update(inner, parent=region)
    assert (ann.get(skeleton).nodes, ann.get(root).children, ann.get(child).children) == ((root, child), (child,), ())
    assert (ann.get(region).children, ann.get(inner).children) == ((inner,), ())
    for one, name in ((segment, "synapses"), (ann.get(neuron), "segments"), (ann.get(root), "children")):
        values: dict[str, Any] = {name: ()}
        with pytest.raises(ReadOnly, match=f"setting {name} of a .* computed, and read-only"):
            setattr(one, name, ())
        with pytest.raises(ReadOnly, match=f"update of {name}"):
            ann.update(one.id, **values)
        with pytest.raises(TypeError, match=name):
            replace(one, **{name: ()})
    with pytest.raises(ReadOnly, match=r"write ann.update\(3, neuron=...\)"):
        segment.neuron = 9
    with pytest.raises(BadRequest, match=r"that no store gave.*ann.add"):
        _ = Segment(id=a).synapses
    assert ann.derived(a, "presynapses") == (s1, s3)
    assert ann.as_of(3).get(a).presynapses == (s1, s3)
    assert ann.as_of(2).get(a).presynapses == ()


def test_an_object_travels_without_its_store(fresh: Fresh) -> None:
    ann = fresh()
    ann.add([Segment(neuron=3)])
    one = ann.get(1)
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    with pytest.raises(BadRequest, match="no store gave"):
        _ = again.synapses


@given(number=st.integers(0, 2**64 - 1))
def test_ids_of_64_bits_map_exactly_to_signed_numbers(number: int) -> None:
    stored = signed(number)
    assert -(2**63) <= stored < 2**63
    assert unsigned(stored) == number
    assert stored == number or number >= 2**63


def test_the_largest_ids_are_stored_ordered_and_named(fresh: Fresh) -> None:
    ann = fresh()
    made = [2**64 - 1, 2**63, 2**63 - 1, 5]
    ann.add([Segment(id=i, neuron=i) for i in made])
    assert ann.where().ids().tolist() == sorted(made)
    assert ann.where().sort("-neuron").ids().tolist() == sorted(made, reverse=True)
    for edge in (*made, 6, 2**63 + 1):
        for operator, holds_ in (("gt", int.__gt__), ("ge", int.__ge__), ("lt", int.__lt__), ("le", int.__le__)):
            asked: dict[str, Any] = {f"neuron__{operator}": edge}
            found = ann.where(**asked).ids().tolist()
            assert found == sorted(i for i in made if holds_(i, edge)), (operator, edge)
    assert ann.where(neuron=2**63).ids().tolist() == [2**63]
    assert ann.where(id__in=[5, 2**64 - 1]).ids().tolist() == [5, 2**64 - 1]
    assert ann.to_arrow().column("neuron").to_pylist() == sorted(made)
    assert ann.to_pandas().id.dtype == "uint64"
