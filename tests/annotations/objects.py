"""Random objects of every kind, and a store to put them in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from ndlab.annotations import KINDS, Annotation, Flow, OrganelleClass, SegmentClass, Status
from ndlab.annotations.kinds import holds
from ndlab.geometry import Box

WORDS: dict[Any, Any] = {Status: Status, SegmentClass: SegmentClass, OrganelleClass: OrganelleClass}

ids = st.integers(1, 30) | st.integers(1, 2**64 - 1)
lengths = st.floats(-1e6, 1e6)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
names = st.sampled_from(["tracer", "roi", "status", "größe", "a b"])
values = texts | st.integers(-5, 5) | st.integers(-(2**63), 2**64 - 1) | st.booleans() | lengths
keys = st.dictionaries(names, values, max_size=3)


@st.composite
def boxes(draw: st.DrawFn) -> Any:
    start = [draw(lengths) for _ in range(3)]
    return Box.nm(start, [a + draw(st.floats(0, 1e4)) for a in start])


BY_SORT: dict[str, Any] = {
    "id": ids | st.just(0),
    "fraction": st.floats(0, 1),
    "number": lengths,
    "length": st.floats(0, 1e6),
    "whole": st.integers(0, 9),
    "text": texts,
    "time": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    "box": st.none() | boxes(),
    "point": st.none() | st.tuples(lengths, lengths, lengths),
    "ids": st.lists(ids, max_size=3).map(tuple),
    "flows": st.lists(st.tuples(ids, st.sampled_from(Flow)), max_size=3).map(tuple),
    "keys": keys,
}


def objects(kind: str, **fixed: Any) -> st.SearchStrategy[Annotation]:
    """Objects of one kind, every field drawn but those given."""
    fields = {
        name: st.sampled_from(WORDS[what.words]) if what.sort == "code" else BY_SORT[what.sort]
        for name, what in holds(kind).items()
    }
    fields |= {name: st.just(value) for name, value in fixed.items()}
    return st.fixed_dictionaries(fields).map(lambda values: KINDS[kind](**values))


any_object = st.sampled_from(sorted(KINDS)).flatmap(objects)
