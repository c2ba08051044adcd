"""Asking: every predicate against brute force, boxes, order, tables."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ndlab.annotations import Annotation, Annotations, Generic, Node, Organelle, Segment, Synapse
from ndlab.errors import BadRequest
from ndlab.geometry import Box, Calibration
from ndlab.volume import Volume
from tests.annotations.places import Fresh

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip


def random_objects(count: int = 1000, seed: int = 5) -> list[Annotation]:
    rng = np.random.default_rng(seed)
    made: list[Annotation] = []
    for _ in range(count):
        keys: dict[str, Any] = {}
        if rng.random() < 0.7:
            keys["tracer"] = str(rng.choice(["AB", "ab", "CD", "%", "A_"]))
        if rng.random() < 0.6:
            keys["vesicles"] = [int(rng.integers(0, 9)), float(rng.integers(0, 9)), "5", True][rng.integers(4)]
        if rng.random() < 0.1:
            keys["comment"] = "x" * 300 + str(rng.choice(["left", "right"]))
        point = tuple(rng.uniform(0, 1000, 3).tolist())
        low = rng.uniform(0, 1000, 3)
        size = rng.uniform(0, 10, 3) * 10.0 ** rng.integers(0, 3)
        bounds = Box.nm(low.tolist(), (low + size * rng.integers(0, 2, 3)).tolist()) if rng.random() < 0.7 else None
        shared: dict[str, Any] = {
            "status": int(rng.integers(4)), "confidence": float(rng.integers(0, 11)) / 10,
            "author": str(rng.choice(["ada", "ben"])), "keys": keys, "bounds": bounds,
        }  # fmt: skip
        pick = rng.integers(4)
        if pick == 0:
            pre, post = (tuple(rng.integers(1, 9, rng.integers(0, 3)).tolist()) for _ in "ab")
            made.append(Synapse(presegments=pre, postsegments=post, centroid=point, weight=rng.normal(), **shared))
        elif pick == 1:
            neuron = int(rng.integers(0, 5))
            made.append(Segment(segmentclass=int(rng.integers(0, 4)), neuron=neuron, **shared))
        elif pick == 2:
            made.append(Organelle(organelleclass=int(rng.integers(0, 6)), centroid=point, **shared))
        else:
            made.append(Generic(**shared))
    return made


@pytest.fixture(scope="module")
def thousand(lasting: Fresh) -> tuple[Annotations, list[Annotation]]:
    ann = lasting(voxel_size=(40, 4, 4))
    ids = ann.add(random_objects())
    return ann, ann.get(ids)


def brute(made: list[Annotation], holds: Callable[[Any], bool]) -> list[int]:
    return sorted(one.id for one in made if holds(one))


@pytest.mark.parametrize("name", sorted(COMPARE))
def test_r53_fields_compare_as_python_does(thousand: Any, name: str) -> None:
    ann, made = thousand
    compare = COMPARE[name]
    found = ann.where(**{f"confidence__{name}": 0.4}).ids().tolist()
    assert found == brute(made, lambda one: compare(one.confidence, 0.4))
    found = ann.where(**{f"status__{name}": "processed"}).ids().tolist()
    assert found == brute(made, lambda one: compare(one.status, 2))
    found = ann.where(kind="synapse", **{f"weight__{name}": 0}).ids().tolist()
    assert found == brute(made, lambda one: one.kind == "synapse" and compare(one.weight, 0))
    found = ann.where(**{f"neuron__{name}": 2}).ids().tolist()
    assert found == brute(made, lambda one: one.kind == "segment" and compare(one.neuron, 2))
    found = ann.where(**{f"author__{name}": "ada"}).ids().tolist()
    assert found == brute(made, lambda one: compare(one.author, "ada"))


@pytest.mark.parametrize("name", sorted(COMPARE))
@pytest.mark.parametrize("value", [5, 5.0, "5", "AB", True])
def test_r53_keys_compare_values_of_their_own_sort(thousand: Any, name: str, value: Any) -> None:
    """5 is 5.0 but not "5" and not True; only `ne` holds between sorts."""
    ann, made = thousand
    compare = COMPARE[name]

    def sort(one: Any) -> str:
        return "bool" if isinstance(one, bool) else "text" if isinstance(one, str) else "number"

    for key in ("vesicles", "tracer"):

        def holds(one: Annotation, key: str = key) -> bool:
            if key not in one.keys:
                return False
            have = one.keys[key]
            return name == "ne" if sort(have) != sort(value) else compare(have, value)

        assert ann.where(keys={f"{key}__{name}": value}).ids().tolist() == brute(made, holds), key


def test_r53_several_predicates_are_anded_across_keys(thousand: Any) -> None:
    """The founding system looked for both in one row of key and value, and found nothing."""
    ann, made = thousand
    found = ann.where(kind="synapse", tracer="AB", vesicles__gt=3, confidence__gt=0.3, status="locked").ids().tolist()
    expected = brute(
        made,
        lambda one: (
            one.kind == "synapse"
            and one.keys.get("tracer") == "AB"
            and type(one.keys.get("vesicles")) in (int, float)
            and one.keys["vesicles"] > 3
            and one.confidence > 0.3
            and one.status == 1
        ),
    )
    assert found == expected
    two = ann.where(tracer="AB").where(vesicles="5").ids().tolist()
    assert two == brute(made, lambda one: one.keys.get("tracer") == "AB" and one.keys.get("vesicles") == "5")
    assert two
    assert ann.where(tracer="AB").where(tracer="CD").count() == 0


def test_r53_text_lists_sets_and_absence(thousand: Any) -> None:
    ann, made = thousand
    text = [one for one in made if "tracer" in one.keys]
    assert ann.where(tracer__contains="A").ids().tolist() == brute(text, lambda o: "A" in o.keys["tracer"])
    assert ann.where(tracer__contains="%").ids().tolist() == brute(text, lambda o: "%" in o.keys["tracer"])
    assert ann.where(tracer__startswith="A").ids().tolist() == brute(text, lambda o: o.keys["tracer"][0] == "A")
    assert ann.where(tracer__in=["AB", "%"]).ids().tolist() == brute(text, lambda o: o.keys["tracer"] in ("AB", "%"))
    assert ann.where(tracer__in=[]).count() == 0
    assert ann.where(tracer__isnull=True).ids().tolist() == brute(made, lambda o: "tracer" not in o.keys)
    assert ann.where(tracer__isnull=False).ids().tolist() == brute(text, lambda o: True)
    assert ann.where(author__contains="d").ids().tolist() == brute(made, lambda o: "d" in o.author)
    assert ann.where(kind=["segment", "generic"]).ids().tolist() == brute(
        made, lambda o: o.kind in ("segment", "generic")
    )
    assert ann.where(kind__ne="segment").ids().tolist() == brute(made, lambda o: o.kind != "segment")
    assert ann.where(presegments=3).ids().tolist() == brute(made, lambda o: 3 in getattr(o, "presegments", ()))
    pre = ann.where(presegments__in=[1, 2]).ids().tolist()
    assert pre == brute(made, lambda o: bool({1, 2} & set(getattr(o, "presegments", ()))))
    assert ann.where(bounds__isnull=True).ids().tolist() == brute(made, lambda o: o.bounds is None)
    assert ann.where(centroid__isnull=False).ids().tolist() == brute(
        made, lambda o: getattr(o, "centroid", None) is not None
    )


def test_long_text_is_found_whole(thousand: Any) -> None:
    ann, made = thousand
    left = brute(made, lambda o: str(o.keys.get("comment", "")).endswith("left"))
    assert left
    assert ann.where(comment="x" * 300 + "left").ids().tolist() == left
    assert ann.where(comment__contains="left").ids().tolist() == left
    assert ann.where(comment__startswith="x" * 250).count() > len(left)
    assert ann.where(comment__gt="x" * 300 + "m").ids().tolist() == brute(
        made, lambda o: str(o.keys.get("comment", "")).endswith("right")
    )


def meets(low: Any, high: Any, box: Any) -> bool:
    return all(
        (a < hi and b > lo) if b > a else (lo <= a < hi)
        for a, b, lo, hi in zip(low, high, box.start, box.stop, strict=True)
    )


@pytest.mark.parametrize("seed", range(20))
def test_r53_boxes_in_nm_equal_brute_force(thousand: Any, seed: int) -> None:
    ann, made = thousand
    rng = np.random.default_rng(seed)
    start = rng.uniform(-50, 900, 3)
    box = Box.nm(start.tolist(), (start + rng.uniform(0, 500, 3)).tolist())
    position = brute(made, lambda o: o.position is not None and meets(o.position, o.position, box))
    bounds = brute(made, lambda o: o.bounds is not None and meets(o.bounds.start, o.bounds.stop, box))
    assert ann.within(box, "position").ids().tolist() == position
    assert ann.within(box, "bounds").ids().tolist() == bounds
    assert ann.within(box).ids().tolist() == sorted({*position, *bounds})
    some = ann.where(kind="synapse").within(box).ids().tolist()
    assert some == [i for i in sorted({*position, *bounds}) if ann.get(i).kind == "synapse"]


def test_r53_boxes_of_voxels_are_half_open_at_every_level(fresh: Fresh) -> None:
    volume = Volume.from_array(np.zeros((8, 64, 64), "u1"), (40, 4, 4), offset=(80, 0, 0))
    ann = fresh(volume)
    at = [(80, 0, 0), (119.9, 3.9, 3.9), (120, 4, 4), (79.9, 0, 0)]
    ann.add([Node(location=one) for one in at])
    assert ann.within(Box((0, 0, 0), (1, 1, 1))).ids().tolist() == [1, 2]
    assert ann.within(Box((1, 1, 1), (2, 2, 2))).ids().tolist() == [3]
    assert ann.within(Box((0, 0, 0), (0, 1, 1))).count() == 0
    with pytest.raises(BadRequest, match=r"level 3.*1 levels are known"):
        ann.within(Box((0, 0, 0), (1, 1, 1), 3))
    two = fresh(Calibration((40, 4, 4)))
    assert two.calibration.voxel_size == (40, 4, 4)
    with pytest.raises(BadRequest, match=r"voxel size is not known.*Box.nm"):
        fresh().within(Box((0, 0, 0), (1, 1, 1)))
    with pytest.raises(BadRequest, match="'position', 'bounds', 'any' or 'paint'"):
        ann.within(Box((0, 0, 0), (1, 1, 1)), "volume")
    with pytest.raises(BadRequest, match="a box is a Box"):
        ann.within((0, 1))  # type: ignore[arg-type]


def test_sort_limit_and_columns(thousand: Any) -> None:
    ann, made = thousand
    query = ann.where(kind="synapse").sort("-confidence", "weight")
    expected = sorted((o for o in made if o.kind == "synapse"), key=lambda o: (-o.confidence, o.weight))
    assert [o.id for o in query] == [o.id for o in expected]
    assert query.limit(7).ids().tolist() == [o.id for o in expected[:7]]
    assert query.limit(7).count() == 7
    assert query.limit(7).limit(9).count() == 7
    first = query.first()
    assert first is not None
    assert first.id == expected[0].id
    assert ann.where(confidence__gt=1).first() is None
    assert not ann.where(confidence__gt=1)
    table = query.columns("id", "confidence", "tracer", "z").to_arrow()
    assert table.column_names == ["id", "confidence", "tracer", "z"]
    assert table.column("tracer").to_pylist() == [o.keys.get("tracer") for o in expected]
    by_key = ann.where(tracer__isnull=False).sort("-tracer").limit(3).columns("tracer").to_arrow()
    assert by_key.column("tracer").to_pylist() == ["ab"] * 3
    absent_last = [o.keys.get("tracer") for o in ann.where().sort("tracer")]
    assert absent_last == sorted((t for t in absent_last if t is not None), key=str) + [None] * absent_last.count(None)


def test_tables_hold_what_the_objects_hold(thousand: Any) -> None:
    ann, made = thousand
    frame = ann.to_pandas()
    assert frame.id.tolist() == [o.id for o in made]
    assert frame.kind.tolist() == [o.kind for o in made]
    assert frame["keys"].tolist() == [dict(o.keys) for o in made]
    assert frame.neuron.dtype == "UInt64"
    segments = ann.where(kind="segment").to_pandas()
    assert segments.neuron.dtype == "uint64"
    assert "weight" not in segments
    assert segments.segmentclass.tolist() == [
        ["unknown", "axon", "dendrite", "soma"][int(o.segmentclass)] for o in made if isinstance(o, Segment)
    ]
    assert str(frame.time.dtype) == "datetime64[us, UTC]"
    arrow = ann.where(kind="synapse").to_arrow()
    assert arrow.column("presegments").to_pylist() == [list(o.presegments) for o in made if isinstance(o, Synapse)]
    assert [b.num_rows for b in ann.where().batches(300)] == [300, 300, 300, 100]
    assert len(ann) == 1000
    assert sum(ann.counts().values()) == 1000


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"confidence__greater": 1}, "no operator 'greater'"),
        ({"confidence__l": 1}, "did you mean confidence__lt|did you mean confidence__le"),
        ({"confidense": 1}, r"did you mean confidence\?"),
        ({"confidence__contains": "a"}, "confidence takes"),
        ({"confidence": "high"}, "it is a number"),
        ({"kind": "spine"}, "the kinds are 1 generic"),
        ({"status": "done"}, "0 unprocessed"),
        ({"id": -3}, "an id is a whole number"),
        ({"id__in": 3}, "list of values"),
        ({"time__gt": 3}, "time zone"),
        ({"tracer": None}, "text, a number or a bool"),
        ({"tracer__contains": 3}, "takes text"),
        ({"kind": "neuron", "segments": 3}, "computed from other objects"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(thousand: Any, asked: dict[str, Any], said: str) -> None:
    ann, _ = thousand
    with pytest.raises(BadRequest, match=said):
        ann.where(**asked).count()


def test_sorting_and_limits_that_make_no_sense_are_refused(thousand: Any) -> None:
    ann, _ = thousand
    with pytest.raises(BadRequest, match="not one value"):
        ann.where().sort("presegments")
    with pytest.raises(BadRequest, match="0 or more"):
        ann.where().limit(-1)
    with pytest.raises(BadRequest, match="columns z, y, x"):
        ann.where().columns("centroid")


def test_a_key_named_as_a_field_is_asked_for_by_keys(fresh: Fresh) -> None:
    ann = fresh()
    ann.add([Generic(status="locked", keys={"status": "mine", "a__gt": 1}), Generic()])
    assert ann.where(keys={"status": "mine"}).ids().tolist() == [1]
    assert ann.where(status="locked").ids().tolist() == [1]
    with pytest.raises(BadRequest, match="keys="):
        ann.where(confidense=1)


def test_r54_top_keys_descend(thousand: Any) -> None:
    """The founding system listed the rarest first."""
    ann, made = thousand
    counts = {k: sum(k in o.keys for o in made) for k in ("tracer", "vesicles", "comment")}
    expected = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    assert ann.top_keys() == expected
    assert ann.top_keys(1) == expected[:1]
    assert expected[0][1] > expected[1][1] > expected[2][1]
    of_synapses = {k: sum(k in o.keys for o in made if o.kind == "synapse") for k in counts}
    assert dict(ann.top_keys(kind="synapse")) == of_synapses
    assert sorted(ann.where().keys()) == sorted(counts)


def test_the_summaries_say_what_is_there(thousand: Any) -> None:
    ann, _ = thousand
    said = repr(ann)
    assert "generic" in said
    assert "40 × 4 × 4 nm" in said
    assert "1: add of 1,000" in said
    page = ann._repr_html_()
    assert "<table>" in page
    assert "tracer" in page
    assert "<Query of" in repr(ann.where(confidence__gt=0.5).within(Box.nm((0, 0, 0), (9, 9, 9))).sort("id"))
    ann2 = Annotations.temporary()
    ann2.add([Generic(keys={"<script>": "<b>"})])
    assert "<script>" not in ann2._repr_html_()
    assert "<b>" not in ann2.where()._repr_html_()
    assert "none" in repr(Annotations.temporary())
    assert Annotations.temporary()._repr_html_()
