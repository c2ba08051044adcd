"""The Python half of the Graph Explorer: what goes to the page, what comes back, what is computed meanwhile."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest

from ndlab import explore
from ndlab.analyze import communities, layout, vertex_statistics
from ndlab.errors import BadRequest, NotFound, TooLarge
from ndlab.explore import graph_data, graph_state
from ndlab.explore.graph_widget import GraphView
from ndlab.explore.graph_work import Work
from ndlab.graph import Graph
from ndlab.graph.columns import Column

BIG = 720575996132767246


@pytest.fixture(scope="module")
def wiring() -> Graph:
    """Return 40 nodes whose ids differ beyond what float64 tells apart, with every kind of property."""
    rng = np.random.default_rng(4)
    ids = np.arange(40, dtype="u8") + np.uint64(BIG)
    return Graph.from_edges(
        ids[rng.integers(0, 40, 200)], ids[rng.integers(0, 40, 200)], ids=ids,
        edges={"weight": rng.integers(1, 9, 200), "length": rng.random(200)},
        nodes={
            "kind": [None if i == 3 else "axon" if i % 3 else "dendrite" for i in range(40)],
            "volume": np.where(np.arange(40) == 5, np.nan, np.arange(40) / 2),
            "supervoxel": ids, "traced": np.arange(40) % 2 == 0,
        },
        units={"volume": "µm³"},
    )  # fmt: skip


@pytest.fixture
def view(wiring: Graph) -> Any:
    found = explore.graph(wiring, seed=3)
    assert found.wait(120)
    yield found
    found.close()


def column(view: GraphView, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in view.columns if one["name"] == name)
    return found


def test_arrays_reach_the_page_as_they_are(view: GraphView, wiring: Graph) -> None:
    assert json.loads(view.names) == [str(BIG + i) for i in range(40)]
    ends = np.frombuffer(view.ends, "<u4").reshape(-1, 2)
    assert np.array_equal(ends, np.stack([wiring.source, wiring.target], axis=1))
    volume = column(view, "volume")
    assert (volume["kind"], volume["unit"]) == ("number", "µm³")
    assert np.array_equal(np.frombuffer(volume["values"], "<f8"), wiring.nodes["volume"], equal_nan=True)
    assert np.array_equal(np.frombuffer(column(view, "weight")["values"], "<f4"), wiring.edges["weight"])
    assert np.array_equal(np.frombuffer(column(view, "degree")["values"], "<f8"), wiring.degrees())


@pytest.mark.parametrize("name", ["kind", "supervoxel", "traced"])
def test_what_is_no_number_goes_as_codes_of_words(view: GraphView, wiring: Graph, name: str) -> None:
    found = column(view, name)
    assert found["kind"] == "category"
    codes = np.frombuffer(found["values"], "<u4")
    words = [None if code == 0xFFFFFFFF else found["categories"][code] for code in codes]
    assert words == [None if one is None else str(one) for one in wiring.nodes.column(name).plain().tolist()]
    counts = np.bincount(codes[codes < 0xFFFFFFFF])
    assert (np.diff(counts) <= 0).all(), "the most frequent comes first"


def test_the_layout_is_that_of_analyze(view: GraphView, wiring: Graph) -> None:
    assert view.places is not None
    assert np.array_equal(view.places[:, :2], layout(wiring, seed=3).astype("f4"))
    assert not view.places[:, 2].any()
    view.set(layout="sphere", dim=3)
    assert view.wait(60)
    assert view.positions == layout(wiring, "sphere", dim=3, seed=3).astype("f4").tobytes()


def test_positions_are_taken_where_they_are_given(wiring: Graph) -> None:
    own = np.random.default_rng(0).random((40, 3)) * 1e5
    placed = wiring.with_nodes(dict(zip("xyz", own.T, strict=True)))
    for found in (explore.graph(wiring, positions=own), explore.graph(placed)):
        assert found.state["layout"] == "given"
        assert found.positions == own.astype("f4").tobytes()
        found.close()
    flat = explore.graph(wiring, positions=own[:, :2])
    assert flat.positions == np.hstack([own[:, :2], np.zeros((40, 1))]).astype("f4").tobytes()
    flat.close()
    for wrong in (own[:5], own[:, :1], np.full((40, 2), np.nan)):
        with pytest.raises(BadRequest, match="positions"):
            explore.graph(wiring, positions=wrong)


def test_the_selection_holds_ids_of_the_graphs_own_kind(view: GraphView) -> None:
    heard: list[Any] = []
    view.observe(lambda event: heard.append(event["new"]), "selection")
    view.selection = [BIG + 3, np.uint64(BIG + 1)]
    assert view.state["selection"] == [str(BIG + 3), str(BIG + 1)]
    # As the page does it.
    view.set_state({"state": view.state | {"selection": [str(BIG + 7)]}})
    assert view.selection == [BIG + 7]
    view.selection = []
    assert heard == [[BIG + 3, BIG + 1], [BIG + 7], []]
    with pytest.raises(NotFound, match="the nodes 5"):
        view.selection = [5]
    with pytest.raises(NotFound):
        view.set(selection=["5"])
    assert view.selection == view.state["selection"] == []


def test_statistics_and_communities_come_when_they_are_named(view: GraphView, wiring: Graph) -> None:
    view.set(size="pagerank", color="communities: label_propagation")
    assert view.wait(120)
    found = np.frombuffer(column(view, "pagerank")["values"], "<f8")
    assert np.array_equal(found, vertex_statistics(wiring, ["pagerank"])["pagerank"])
    parts = column(view, "communities: label_propagation")
    codes = np.frombuffer(parts["values"], "<u4")
    words = [int(parts["categories"][code]) for code in codes]
    assert words == communities(wiring, "label_propagation", seed=3).tolist()
    assert "pagerank" in view.offers["nodes"], "it can be filtered by now"
    before = list(view.columns)
    view.set(size="")
    view.set(size="pagerank")
    assert view.wait(60)
    assert view.columns == before, "it is not computed again"
    view.set(seed=8)
    assert view.wait(120)
    parts = column(view, "communities: label_propagation")
    words = [int(parts["categories"][code]) for code in np.frombuffer(parts["values"], "<u4")]
    assert words == communities(wiring, "label_propagation", seed=8).tolist(), "the seed is theirs, too"


def test_a_state_restores_the_view(view: GraphView, wiring: Graph) -> None:
    view.set(layout="circle", centre=[0.25, -1], scale=0.01, turn=[0.5, 0], color="kind", size="volume", edges=0.3,
             filters=[{"of": "edges", "by": "weight", "low": 2, "high": None}], selection=[str(BIG)])  # fmt: skip
    kept = json.loads(json.dumps(view.state))
    again = explore.graph(wiring, state=kept)
    assert again.wait(60)
    assert view.wait(60)
    assert again.state == kept == view.state
    assert again.selection == [BIG]
    assert again.positions == view.positions
    assert repr(again) == "GraphView of 40 nodes, 200 edges, layout circle, colour by kind, 1 selected"
    again.close()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"zoom": 2}, "zoom"),
        ({"layout": "pretty"}, "pretty"),
        ({"layout": "given"}, "given"),
        ({"color": "weight"}, "weight"),
        ({"size": "kind"}, "kind"),
        ({"scale": 0}, "scale"),
        ({"scale": float("nan")}, "scale"),
        ({"centre": [1]}, "centre"),
        ({"turn": ["a", 0]}, "turn"),
        ({"edges": True}, "edges"),
        ({"filters": [{"by": "weight"}]}, "filter"),
        ({"filters": [{"of": "nodes", "by": "weight", "low": 0, "high": 1}]}, "weight"),
        ({"theme": "pink"}, "pink"),
        ({"view": "globe"}, "globe"),
        ({"panel": "back"}, "back"),
        ({"groups": "volume"}, "volume"),
        ({"against": "weight"}, "weight"),
        ({"edge_color": "kind"}, "kind"),
        ({"edge_width": "kind"}, "kind"),
        ({"parts": 0}, "parts"),
        ({"cells": [1, 2]}, "cells"),
        ({"plot": ["degree"]}, "plot"),
        ({"statistics": ["beauty"]}, "beauty"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(view: GraphView, wrong: Any, words: str) -> None:
    before = dict(view.state)
    with pytest.raises(BadRequest, match=words):
        view.set(**wrong)
    assert view.state == before


def test_a_checked_state_is_checked_already() -> None:
    offers = {"layouts": ["auto"], "colors": [], "sizes": [], "labels": [], "nodes": [], "edges": ["w"]}
    once = graph_state.checked({"filters": [{"of": "edges", "by": "w", "low": 1, "high": None}], "edges": 7}, offers)
    assert graph_state.checked(once, offers) == once
    assert once["edges"] == 1.0
    assert set(once) == set(graph_state.FIRST)


def test_what_cannot_be_computed_is_said_and_the_view_stays(wiring: Graph) -> None:
    large = Graph.from_edges(np.arange(2000), np.arange(2000) + 1)
    found = explore.graph(large, layout="circle")
    assert found.wait(60)
    before = found.positions
    found.set(layout="kamada_kawai")
    with pytest.raises(TooLarge):
        found.wait(60)
    assert "layout" in found.status["trouble"]
    assert found.positions == before
    found.set(color="constraint", layout="random")
    assert found.wait(60)
    said = len(found.columns)
    found.set(color="communities: walktrap", centre=[1, 1])
    assert found.wait(60)
    assert len(found.columns) == said + 1
    trouble = found.status
    found.set(centre=[2, 2])
    assert found.status is trouble, "a motion has nothing computed"
    found.set(layout="circle")
    assert found.wait(60)
    assert found.status == {"busy": [], "trouble": ""}
    found.close()


def test_a_graph_without_nodes_or_edges_is_shown() -> None:
    for graph in (Graph.from_edges([], []), Graph.from_edges([], [], ids=["a", "b"])):
        found = explore.graph(graph)
        assert found.wait(60)
        assert len(found.positions) == 12 * len(graph)
        found.close()


def test_only_the_last_of_what_waits_under_a_name_is_done() -> None:
    gate, begun, done = threading.Event(), threading.Event(), []
    said: list[list[str]] = []
    work = Work(said.append)

    def first() -> None:
        begun.set()
        gate.wait(30)
        done.append("first")

    work.soon("a", first)
    assert begun.wait(30)
    work.soon("b", lambda: done.append("old"))
    work.soon("b", lambda: done.append("new"))
    assert work.names == ["a", "b"]
    assert not work.wait(0.01)
    gate.set()
    assert work.wait(30)
    assert done == ["first", "new"]
    assert work.names == []
    assert said[0] == ["a"]
    work.soon("c", lambda: done.append("later"))
    assert work.wait(30)
    assert done[-1] == "later"


def test_integers_beyond_float64_are_words() -> None:
    assert graph_data.column("n", Column.of(np.array([1, 2**53])))["kind"] == "number"
    assert graph_data.column("n", Column.of(np.array([1, 2**53 + 1])))["kind"] == "category"
    assert graph_data.column("n", Column.of([None, -(2**60)]))["categories"] == [str(-(2**60))]
