"""Paths of RAMON objects: read into values, written back, refused with words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.errors import BadRequest, NotFound
from ndlab.serve.grammar import Cut, Cutout, parse
from ndlab.serve.grammar import format as format_path
from ndlab.serve.grammar.calls import (
    MODES,
    Described,
    Exceptions,
    Field,
    Listed,
    Merge,
    Nifti,
    Objects,
    Predicate,
    Query,
    Reserve,
    Skeletons,
    Table,
    TopKeys,
    Write,
)
from ndlab.serve.grammar.objects import CHANNELLESS
from ndlab.serve.grammar.requests import SERVICES
from tests.serve.test_grammar import cuts, ids, levels, texts

WORDS = ("query", "reserve", "objects", "limit", "lt", "12", "1,2", "type", "overwrite")
names = texts | st.sampled_from(WORDS)
channels = names.filter(lambda s: s not in SERVICES and s not in CHANNELLESS)
places = st.one_of(
    st.tuples(st.sampled_from(("nodata", "json")), st.none(), st.none()),
    st.tuples(st.sampled_from(("voxels", "cutout", "boundingbox", "cuboids")), levels, st.none()),
    st.tuples(st.just("cutout"), st.none(), cuts),
)
fields = names.filter(lambda s: s not in ("confidence", "limit"))
predicates = st.lists(
    st.builds(Predicate, fields, names)
    | st.builds(Predicate, st.just("confidence"), names, st.sampled_from(("lt", "gt"))),
    max_size=4,
).map(tuple)
single = st.integers(0, 2**64 - 1)
counts = st.integers(0, 10**9)
calls: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda t, c, i, p: Objects(t, c, i, *p), names, channels, ids, places),
    st.builds(lambda t, c, p: Listed(t, c, *p), names, channels, places),
    st.builds(Described, names, names, ids, st.none() | levels),
    st.builds(Query, names, channels, predicates, st.none() | counts, st.booleans()),
    st.builds(TopKeys, names, names, counts, st.none() | st.integers(1, 9)),
    st.builds(Write, names, channels, st.sampled_from(MODES), json=st.booleans(), dataonly=st.booleans()),
    st.builds(Write, names, channels, st.sampled_from(MODES[:3]), json=st.booleans(), update=st.booleans()),
    st.builds(Field, names, channels, single, names, st.none() | names),
    st.builds(Reserve, names, channels, counts),
    st.builds(Merge, names, channels, ids, st.none() | levels),
    st.builds(Exceptions, names, st.just("") | channels, cuts),
    st.builds(Table, names, st.just("") | channels, single, levels),
    st.builds(Skeletons, names, channels, st.just(()) | ids),
    st.builds(Nifti, names, channels, st.booleans(), st.booleans()),
)


@settings(max_examples=500)
@given(calls)
def test_a_call_is_written_and_read_back_as_itself(call: Any) -> None:
    path = format_path(call)
    assert path.isascii()
    assert parse(path) == call
    assert parse("/ocp" + path) == parse("/nd" + path) == call
    assert format_path(parse(path)) == path


CUT = Cut(1, (0, 5), (1, 6), (2, 7))
EVERY_FORM = [
    ("/sd/k/a/12/", Objects("k", "a", (12,))),
    ("/ocp/ca/k/a/12,13/nodata/", Objects("k", "a", (12, 13))),
    ("/sd/k/a/12/voxels/2/", Objects("k", "a", (12,), "voxels", 2)),
    ("/sd/k/a/12/cutout/0/", Objects("k", "a", (12,), "cutout", 0)),
    ("/sd/k/a/12/cutout/1/0,5/1,6/2,7/", Objects("k", "a", (12,), "cutout", None, CUT)),
    ("/sd/k/a/12/boundingbox/0/", Objects("k", "a", (12,), "boundingbox", 0)),
    ("/sd/k/a/12/cuboids/0/", Objects("k", "a", (12,), "cuboids", 0)),
    ("/sd/k/a/12,13/json/", Objects("k", "a", (12, 13), "json")),
    ("/sd/k/a/objects/cutout/1/0,5/1,6/2,7/", Listed("k", "a", "cutout", None, CUT)),
    ("/ramon/k/a/12/", Described("k", "a", (12,))),
    ("/ocp/ramon/k/a/12/boundingbox/1/", Described("k", "a", (12,), 1)),
    ("/sd/k/a/query/", Query("k", "a")),
    (
        "/sd/k/a/query/type/2/status/1/confidence/gt/0.5/limit/7/",
        Query("k", "a", (Predicate("type", "2"), Predicate("status", "1"), Predicate("confidence", "0.5", "gt")), 7),
    ),
    ("/ramon/k/a/query/tracer/A%2FB/", Query("k", "a", (Predicate("tracer", "A/B"),), json=True)),
    ("/ramon/k/a/topkeys/", TopKeys("k", "a")),
    ("/ramon/k/a/topkeys/5/type/2/", TopKeys("k", "a", 5, 2)),
    ("/sd/k/a/overwrite/", Write("k", "a")),
    ("/sd/k/a/preserve/update/", Write("k", "a", "preserve", update=True)),
    ("/sd/k/a/exception/dataonly/", Write("k", "a", "except", dataonly=True)),
    ("/sd/k/a/reduce/", Write("k", "a", "reduce")),
    ("/sd/k/a/json/update/", Write("k", "a", update=True, json=True)),
    ("/sd/k/a/getField/12/status/", Field("k", "a", 12, "status")),
    ("/sd/k/a/setField/12/segments/3,4/", Field("k", "a", 12, "segments", "3,4")),
    ("/sd/k/a/reserve/100/", Reserve("k", "a", 100)),
    ("/sd/k/a/merge/1,2,3/global/0/", Merge("k", "a", (1, 2, 3), 0)),
    ("/sd/k/a/merge/1,2/", Merge("k", "a", (1, 2))),
    ("/sd/k/a/exceptions/1/0,5/1,6/2,7/", Exceptions("k", "a", CUT)),
    ("/sd/k/exceptions/1/0,5/1,6/2,7/", Exceptions("k", "", CUT)),
    ("/sd/k/a/csv/12/0/", Table("k", "a", 12, 0)),
    ("/sd/k/csv/12/0/", Table("k", "", 12, 0)),
    ("/sd/k/a/swc/", Skeletons("k", "a")),
    ("/sd/k/a/swc/12,13/", Skeletons("k", "a", (12, 13))),
    ("/sd/k/a/nii/", Nifti("k", "a")),
    ("/sd/k/a/nii/create/annotations/", Nifti("k", "a", True, True)),
]  # fmt: skip


@pytest.mark.parametrize(("path", "call"), EVERY_FORM)
def test_every_form(path: str, call: Any) -> None:
    assert parse(path) == call


@pytest.mark.parametrize("service", sorted({*SERVICES} - {"mcfc", "minproj", "maxproj"}))
def test_voxels_of_a_default_channel_stay_what_they_were(service: str) -> None:
    """The third word of these is a level, which is no id."""
    planes = {"xy": "0/0,5/1,6/2/", "xz": "0/0,5/1/2,7/", "yz": "0/0/1,6/2,7/"}
    tails = {**planes, **{f"{plane}anno": f"7/{tail}" for plane, tail in planes.items()}, "id": "0/1/2/3/"}
    assert parse(f"/sd/k/{service}/{tails.get(service, '0/0,5/1,6/2,7/')}").channels == ()  # type: ignore[union-attr]


def test_a_channel_may_be_called_like_a_service_of_objects() -> None:
    assert parse("/sd/k/query/hdf5/1/0,5/1,6/2,7/") == Cutout("k", ("query",), "hdf5", CUT)
    assert parse("/sd/k/query/query/type/2/") == Query("k", "query", (Predicate("type", "2"),))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/sd/k/a/12/voxels/", "a level should follow"),
        ("/sd/k/a/12/pictures/", "the forms are nodata, voxels"),
        ("/sd/k/a/12/voxels/0/more/", "'more' at the end"),
        (f"/sd/k/a/{2**64}/", "an id lies between"),
        ("/sd/k/a/12,/", "'' as an id"),
        ("/sd/k/a/query/type/", "the value of 'type' should follow"),
        ("/sd/k/a/query/confidence/0.5/", "confidence is compared by lt or gt"),
        ("/sd/k/a/query/limit/-1/", "limit -1"),
        ("/sd/k/a/overwrite/preserve/", "voxels meet others in one way"),
        ("/sd/k/a/update/dataonly/", "leave what is no voxel alone"),
        ("/sd/k/a/reduce/update/", "leave what is no voxel alone"),
        ("/sd/k/a/overwrite/quickly/", "objects are posted with overwrite"),
        ("/sd/k/a/getField/x/status/", "'x' as an id"),
        ("/sd/k/a/getField/12/", "a field should follow"),
        ("/sd/k/a/setField/12/status/", "a value should follow"),
        ("/sd/k/a/reserve/many/", "'many' as a number of ids"),
        ("/sd/k/a/merge/1,2/local/0/", "merged everywhere"),
        ("/sd/k/exceptions/0/0,5/", "a range of y should follow"),
        ("/sd/k/a/csv/12/", "a level should follow"),
        ("/sd/k/a/nii/annotations/create/", "'create' at the end"),
        ("/ramon/k/a/", "an id should follow"),
        ("/ramon/k/a/topkeys/5/type/x/", "'x' as a type"),
    ],
)
def test_what_is_no_path_says_why(path: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parse(path)


def test_what_is_asked_of_objects_and_does_not_exist_is_named() -> None:
    with pytest.raises(NotFound, match="there are ids, query and topkeys"):
        parse("/ramon/k/a/everything/")


@pytest.mark.parametrize("name", ["hdf5", "xy", "mcfc", "csv"])
def test_a_channel_cannot_be_written_by_a_word_that_would_be_read_as_another(name: str) -> None:
    with pytest.raises(BadRequest, match="that word is a service's"):
        format_path(Reserve("k", name, 3))


@pytest.mark.parametrize(
    "call",
    [
        Query("k", "a", (Predicate("limit", "3"),)),
        Query("k", "a", (Predicate("status", "3", "lt"),)),
        Objects("k", "a", ()),
    ],
)
def test_a_call_that_no_path_says_is_refused(call: Any) -> None:
    with pytest.raises(BadRequest):
        format_path(call)


@given(calls, st.data())
def test_a_broken_path_never_escapes_as_another_error(call: Any, data: Any) -> None:
    path = format_path(call)
    at = data.draw(st.integers(0, len(path)))
    with_noise = path[:at] + data.draw(st.sampled_from(["", "/", ",", "9" * 30, "%00", "-", "x"])) + path[at + 1 :]
    try:
        parse(with_noise)
    except (BadRequest, NotFound):
        return
