"""The founding client's methods for objects against a real server (R104), and how many requests they take (R44)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ndlab.errors import BadRequest, Conflict, NotFound, ReadOnly
from ndlab.serve import client as ramon
from ndlab.serve.client import Client
from tests.serve.ramon_client import served
from tests.serve.sites import TOKEN


class Counted(Client):
    """Counts its requests."""

    asked = 0

    def _get(self, *args: Any, **more: Any) -> bytes:
        self.asked += 1
        return super()._get(*args, **more)


@pytest.fixture(scope="module")
def nd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    with served(tmp_path_factory.mktemp("client")) as ask:
        yield Counted(TOKEN, ask.server.url.removeprefix("http://"))


T, C = "p", "cells"


def test_r104_the_calls_of_a_claims_notebook(nd: Counted) -> None:
    (neuron,) = nd.post_ramon(T, C, ramon.RAMONNeuron(kvpairs={"name": "apical"}))
    cube = np.ones((5, 4, 3), "u4")
    segments = nd.post_ramon(T, C, [
        ramon.RAMONSegment(neuron=neuron, segmentclass=2, xyz_offset=(10, 20, 5), cutout=cube, author="Ana"),
        ramon.RAMONSegment(segmentclass=1, kvpairs={"is_spine": "1", "length": 2.5}),
    ])  # fmt: skip
    (synapse,) = nd.post_ramon(T, C, ramon.RAMONSynapse(weight=0.5, segments=segments, centroid=[11, 21, 6]))
    assert sorted(nd.get_ramon_ids(T, C)) == sorted([neuron, *segments, synapse])
    for kind in (ramon.RAMONSegment, ramon.AnnotationType.SEGMENT, "segment"):
        assert nd.get_ramon_ids(T, C, ramon_type=kind) == sorted(segments)
    found = nd.get_ramon(T, C, [synapse, *segments, neuron])
    assert [type(one).__name__ for one in found] == ["RAMONSynapse", "RAMONSegment", "RAMONSegment", "RAMONNeuron"]
    assert (found[0].weight, found[0].segments, found[0].centroid) == (0.5, segments, [11, 21, 6])
    assert (found[1].neuron, found[1].synapses, found[1].author) == (neuron, [synapse], "Ana")
    assert found[2].kvpairs == {"is_spine": "1", "length": 2.5}
    assert found[3].segments == [segments[0]]
    spiny = nd.get_ramon(T, C, segments, sieve=lambda one: one.kvpairs.get("is_spine") == "1")
    assert [one.id for one in spiny] == [str(segments[1])]
    one = nd.get_ramon(T, C, segments[0], include_cutout=True)
    assert one.xyz_offset == (10, 20, 5)
    np.testing.assert_array_equal(one.cutout, cube * segments[0])
    assert nd.get_ramon_bounding_box(T, C, segments[0]) == (10, 15, 20, 24, 5, 8)
    np.testing.assert_array_equal(nd.get_cutout(T, C, 10, 15, 20, 24, 5, 8, resolution=0), cube * segments[0])
    said = nd.get_ramon_metadata(T, C, str(segments[1]))
    assert said[str(segments[1])]["metadata"]["segmentclass"] == 1
    assert [list(each) for each in nd.get_ramon_metadata(T, C, segments)] == [[str(one)] for one in segments]


def test_r104_reserve_change_merge_and_delete(nd: Counted) -> None:
    ids = nd.reserve_ids(T, C, 4)
    assert ids == list(range(ids[0], ids[0] + 4))
    posted = nd.post_ramon(T, C, [ramon.RAMONSegment(id=one, kvpairs={"n": str(one)}) for one in ids])
    assert posted == ids
    with pytest.raises(Conflict):
        nd.post_ramon(T, C, ramon.RAMONSegment(id=ids[0]))
    one = nd.get_ramon(T, C, ids[0])
    one.status, one.cutout, one.xyz_offset = 2, np.ones((2, 2, 2)), (30, 30, 10)
    assert nd.post_ramon(T, C, one, update=True) == [ids[0]]
    assert nd.get_ramon(T, C, ids[0]).status == 2
    assert nd.get_ramon_bounding_box(T, C, ids[0], 1) == (15, 16, 15, 16, 10, 12)
    assert nd.merge_ids(T, C, ids[:3]) == ids[0]
    assert nd.get_ramon(T, C, ids[0]).kvpairs == {"n": str(ids[0])}
    with pytest.raises(NotFound, match=str(ids[1])):
        nd.get_ramon(T, C, ids)
    assert nd.delete_ramon(T, C, [ids[0], nd.get_ramon(T, C, ids[3])])
    with pytest.raises(NotFound):
        nd.get_ramon_bounding_box(T, C, ids[3])


def test_what_is_refused_comes_back_as_an_error_of_ndlab(nd: Counted) -> None:
    (neuron,) = nd.post_ramon(T, C, ramon.RAMONNeuron())
    with pytest.raises(NotFound, match="no voxels"):
        nd.get_ramon_bounding_box(T, C, neuron)
    with pytest.raises(BadRequest, match="0 unprocessed"):
        nd.post_ramon(T, C, ramon.RAMONGeneric(status=9))
    with pytest.raises(BadRequest, match="classes of"):
        nd.post_ramon(T, C, {"type": "synapse"})
    with pytest.raises(BadRequest, match="there are 1 generic"):
        nd.get_ramon_ids(T, C, 99)
    with pytest.raises(ReadOnly):
        Client("", nd.hostname).delete_ramon(T, C, neuron)
    with pytest.raises(NotFound):
        nd.get_ramon_ids(T, "elsewhere")


def test_r44_3945_objects_take_few_requests(nd: Counted) -> None:
    """As many objects as the synapses of the claims; what one by one costs is measured by bench/annotations.py."""
    made = [ramon.RAMONSynapse(weight=i / 8, kvpairs={"i": str(i)}, centroid=[10, 10, 10]) for i in range(3945)]

    def counted(call: Any) -> tuple[int, Any]:
        before = nd.asked
        found = call()
        return nd.asked - before, found

    posts, ids = counted(lambda: nd.post_ramon(T, C, made))
    gets, found = counted(lambda: nd.get_ramon(T, C, ids))
    assert [one.kvpairs["i"] for one in found] == [str(i) for i in range(3945)]
    assert posts == 1
    assert gets <= 8
    some = 60
    count, more = counted(lambda: [nd.post_ramon(T, C, one)[0] for one in made[:some]])
    alone = [nd.get_ramon(T, C, one) for one in ids[:some]]
    assert count == some
    assert [one.weight for one in alone] == [one.weight for one in found[:some]]
    assert len(set(more)) == some
