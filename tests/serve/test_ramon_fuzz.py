"""Whatever is asked of objects, and whatever is posted: an answer below 500 that tells nothing of the server."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ndlab.serve.grammar import Cut
from ndlab.serve.grammar import format as format_path
from ndlab.serve.grammar.calls import Exceptions, Nifti, Objects, Reserve
from ndlab.serve.limits import Limits
from tests.serve.ramon_client import OFFSET, SHAPE, file_of, served
from tests.serve.ramon_client import Objects as Asking
from tests.serve.ramon_model import metadata, placed
from tests.serve.sites import Client
from tests.serve.test_grammar_objects import calls
from tests.serve.test_nifti import nii

SECRETS = (b"Traceback", b"site-packages", b"objects.sqlite", b"/tmp/")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with served(tmp_path_factory.mktemp("fuzz"), limits=Limits(nbytes=4 << 20)) as ask:
        nd = Asking(ask)
        nd.post({i: {"ANNOTATION_TYPE": i, **metadata(kvpairs={"a": "1"})} for i in range(1, 10)})
        nd.post({4: {"RESOLUTION": 0, "VOXELS": placed([(1, 2, 3), (9, 9, 9)])}}, "dataonly/")
        yield ask


near = st.integers(0, 30)
ids = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(tuple)
spans = st.tuples(st.integers(0, 110), st.integers(0, 110)).map(lambda pair: (min(pair), max(pair)))
cuts = st.builds(Cut, st.integers(0, 2), spans, spans, spans)
levels = st.integers(0, 3)
forms = st.sampled_from(("voxels", "cutout", "boundingbox", "cuboids"))
here: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda i, f, n: Objects("", "", i, f, n), ids, forms, levels),
    st.builds(lambda i, c: Objects("", "", i, "cutout", None, c), ids, cuts),
    st.builds(lambda c: Exceptions("", "", c), cuts),
    st.builds(lambda n: Reserve("", "", n), near),
    calls.filter(lambda call: not isinstance(call, Nifti) or not call.create),
).map(lambda call: replace(call, token="p", channel="cells"))  # fmt: skip

values = st.one_of(
    st.integers(-5, 2**70), st.floats(), st.text(max_size=6), st.lists(st.integers(-3, 100), max_size=4),
    st.lists(st.lists(st.integers(-3, 100), min_size=3, max_size=3), max_size=3), st.booleans(), st.none(),
)  # fmt: skip
members = st.sampled_from(["ANNOTATION_TYPE", "RESOLUTION", "XYZOFFSET", "CUTOUT", "VOXELS", "XYZDIMENSION", "CUBOIDS"])
fields = st.sampled_from(["STATUS", "CONFIDENCE", "AUTHOR", "KVPAIRS", "WEIGHT", "SEGMENTS", "CENTROID", "NEURON",
                          "PARENTID", "LOCATION", "SYNAPSES", "ODD"])  # fmt: skip
hdf5_values = values.filter(lambda v: (v is not None and not isinstance(v, int)) or isinstance(v, bool) or
                            (isinstance(v, int) and -(2**63) <= v < 2**63)).filter(
    lambda v: not isinstance(v, str) or "\0" not in v)  # fmt: skip


@st.composite
def hdf5(draw: st.DrawFn) -> bytes:
    """Draw a file of objects with anything in its places, sometimes with bytes of it changed."""
    made: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(["0", "4", "noid.1", "99", "x"]), min_size=1, max_size=3, unique=True)):
        one: dict[str, Any] = draw(st.dictionaries(members, hdf5_values, max_size=4))
        if draw(st.booleans()):
            one["CUTOUT"] = np.ones(draw(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))))
        one["METADATA"] = draw(st.dictionaries(fields, hdf5_values, max_size=4))
        made[name] = one
    try:
        whole = file_of(made)
    except (TypeError, ValueError, UnicodeEncodeError, OverflowError):
        whole = file_of({"x": {}})
    if draw(st.booleans()):
        at = draw(st.integers(0, len(whole) - 1))
        whole = whole[:at] + draw(st.binary(min_size=1, max_size=8)) + whole[at + 8 :]
    return whole


flat = st.dictionaries(st.sampled_from(["ann_type", "ann_status", "syn_centroid", "seg_neuron", "a"]), values)
named = st.sampled_from(["status", "confidence", "kvpairs", "segments", "centroid", "neuron", "x"])
types = st.sampled_from(["synapse", "segment", 2, None, "x"])
nested = st.fixed_dictionaries({"type": types, "metadata": st.dictionaries(named, values)})
numbers = st.sampled_from(["0", "4", "99", "x", "99999999999999999999999"])
documents = st.dictionaries(numbers, values | flat | nested, max_size=3).map(lambda made: json.dumps(made).encode())
bodies = st.one_of(st.just(b""), st.binary(max_size=60), hdf5(), documents, st.just(b"1 1 0 0 0 1 -1\n"))


def check(status: int, said: bytes) -> None:
    assert status < 500, said[:400]
    if status >= 400:
        assert set(json.loads(said)) == {"status", "asked", "exists", "remedy"}
    assert not any(secret in said for secret in SECRETS)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(here, st.sampled_from(["GET", "GET", "POST", "DELETE", "HEAD"]), bodies)
def test_any_call_is_answered(ask: Client, call: Any, method: str, body: bytes) -> None:
    said = ask(format_path(call), method, body if method == "POST" else None)
    if method != "HEAD":
        check(said.status, said.body)
    assert said.status < 500


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["overwrite/", "preserve/update/", "except/dataonly/", "reduce/", "update/", "objects/voxels/0/",
                        "query/", "swc/", "nii/", "json/"]), bodies)  # fmt: skip
@example("overwrite/", b"\x89HDF\r\n\x1a\n" + b"\0" * 600)
def test_any_body_is_answered(ask: Client, path: str, body: bytes) -> None:
    said = ask(f"/sd/p/cells/{path}", "POST", body)
    check(said.status, said.body)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 351), st.binary(min_size=1, max_size=8), st.booleans())
def test_any_header_of_nifti_is_answered(ask: Client, at: int, noise: bytes, packed: bool) -> None:
    body = nii(np.zeros(SHAPE, "u1"), packed=False)
    broken = body[:at] + noise + body[at + len(noise) :]
    said = ask("/sd/p/cells/nii/", "POST", gzip.compress(broken, 1) if packed else broken)
    check(said.status, said.body)


def test_it_still_answers_after_all_that(ask: Client) -> None:
    nd = Asking(ask)
    (one,) = nd.post({"x": {"RESOLUTION": 0, "VOXELS": placed([(1, 1, 1)])}})
    assert nd.get(one, "voxels/0/")[one]["VOXELS"].tolist() == [[1 + OFFSET[2], 1 + OFFSET[1], 1 + OFFSET[0]]]
    assert nd.volume().shape == SHAPE
