"""What the Graph Explorer is asked beside its state: files, graphs that are made, numbers, the density of edges."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab import explore, samples
from ndlab.analyze import block_model, communities, invariants, variation_of_information
from ndlab.analyze.embedding import adjacency_embedding, elbow
from ndlab.analyze.generators import KINDS, generate
from ndlab.analyze.hierarchy import group_tree
from ndlab.analyze.invariants import WHOLE
from ndlab.errors import BadRequest, NotFound
from ndlab.explore import graph_data, graph_files, graph_groups, graph_kinds, graph_offers, graph_raster
from ndlab.explore.graph_count import Count
from ndlab.explore.graph_widget import GraphView
from ndlab.graph import FORMATS, Graph, read


@pytest.fixture
def view() -> Iterator[GraphView]:
    blocks = generate("block_model", sizes=[30, 20], p=[[0.4, 0.05], [0.05, 0.5]], seed=1)
    found = explore.graph(blocks, layout="circle")
    assert found.wait(120)
    yield found
    found.close()


def ask(view: GraphView, buffers: list[bytes] | None = None, **message: Any) -> None:
    """Say something as the page does, and wait until it is done."""
    view._handle_custom_msg(message, buffers or [])
    assert view._work.wait(120)


@pytest.fixture
def said(view: GraphView, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], list[bytes]]]:
    """Return what the view sends to its page."""
    found: list[tuple[dict[str, Any], list[bytes]]] = []
    monkeypatch.setattr(view, "send", lambda message, buffers=None: found.append((message, list(buffers or []))))
    return found


@pytest.mark.parametrize("name", [name for name in graph_files.WRITTEN if name != "pajek"])
def test_a_file_is_opened_in_pieces_and_saved_as_it_was(
    view: GraphView, said: list[tuple[dict[str, Any], list[bytes]]], name: str
) -> None:
    ask(view, do="write", format=name, of="all")
    [(message, [whole])] = said
    assert message == {"do": "save", "name": f"graph{FORMATS[name].suffixes[0]}", "part": 0, "parts": 1}
    before = view.graph
    cut = len(whole) // 2
    ask(view, [whole[:cut]], do="open", name=message["name"], part=0, parts=2)
    assert view.graph is before, "half a file is none"
    ask(view, [whole[cut:]], do="open", name=message["name"], part=1, parts=2)
    assert (view.graph.n_nodes, view.graph.n_edges) == (50, before.n_edges)
    assert view.total == before.n_edges
    assert json.loads(view.names) == [str(one) for one in view.graph.ids.tolist()]
    assert len(view.ends) == 8 * before.n_edges
    assert view.selection == []
    assert view.wait(120)
    assert len(view.positions) == 12 * 50


def test_only_what_is_selected_is_saved_with_what_was_computed(
    view: GraphView, said: list[tuple[dict[str, Any], list[bytes]]], tmp_path: Path
) -> None:
    view.set(color="communities: multilevel", size="pagerank", panel="numbers", plot=["articulation", ""])
    assert view.wait(120)
    view.selection = view.graph.ids[:10].tolist()
    ask(view, do="write", format="graphml", of="selected")
    path = tmp_path / "some.graphml"
    path.write_bytes(said[-1][1][0])
    found = read(path)
    assert found.n_nodes == 10
    assert found.nodes["articulation"].dtype == bool
    expected = communities(view.graph, "multilevel")[:10]
    assert found.nodes["communities: multilevel"].tolist() == expected.tolist()
    assert np.allclose(found.nodes["pagerank"], graph_data.computed(view.graph, view.columns)["pagerank"][:10])


def test_what_is_no_graph_is_said_and_the_view_stays(view: GraphView) -> None:
    before = view.graph
    ask(view, [b"<graphml>"], do="open", name="broken.graphml", part=0, parts=1)
    assert "broken.graphml" in view.status["trouble"]
    ask(view, [b"x"], do="open", name="../../strange.exe", part=0, parts=1)
    assert "strange.exe" in view.status["trouble"]
    ask(view, do="make", kind="ring", seed=0, parameters={"n": -1})
    assert "ring" in view.status["trouble"]
    ask(view, do="make", kind="ring", seed=0, parameters={"system": 1})
    assert "system" in view.status["trouble"]
    ask(view, do="choose", name="nowhere")
    assert "nowhere" in view.status["trouble"]
    ask(view, do="restore", state={"layout": "pretty"})
    assert "pretty" in view.status["trouble"]
    ask(view, do="dance")
    assert view.graph is before
    ask(view, do="make", kind="ring", seed=0, parameters={"n": 5})
    assert view.wait(60)
    assert view.status == {"busy": [], "trouble": ""}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_has_a_form_that_makes_a_graph(kind: str) -> None:
    form = next(one for one in graph_kinds.forms() if one["kind"] == kind)
    sent = json.loads(json.dumps(form))
    made = graph_kinds.made(kind, 3, {one["name"]: one["value"] for one in sent["fields"]})
    assert made.n_nodes >= 4
    assert made.n_edges > 0
    assert made == graph_kinds.made(kind, 3, graph_kinds.FORMS[kind])
    assert len(graph_kinds.forms()) == len(KINDS) == 21


def test_another_graph_takes_the_place_and_keeps_what_holds_for_any(view: GraphView) -> None:
    view.set(
        theme="dark", view="matrix", panel="groups", color="block", groups="block", named="all",
        filters=[{"of": "nodes", "by": "degree", "low": 2, "high": None}], statistics=["order"],
    )  # fmt: skip
    assert view.wait(120)
    assert view.numbers == {"order": {"value": 50.0}}
    heard: list[Any] = []
    view.observe(lambda event: heard.append(event["new"]), "selection")
    view.selection = [view.graph.ids[0]]
    view.show(generate("geometric", n=40, radius=0.3, seed=2))
    assert view.wait(120)
    state = view.state
    kept = {name: state[name] for name in ("theme", "view", "panel", "named", "layout", "color", "filters")}
    assert kept == {
        "theme": "dark", "view": "matrix", "panel": "groups", "named": "all", "layout": "given", "color": "",
        "filters": [],
    }  # fmt: skip
    assert state["groups"] == "communities: multilevel"
    assert [one["name"] for one in view.columns][-1] == "communities: multilevel", "its panel is on show"
    assert heard[-1] == []
    assert view.numbers == {}


def test_a_catalogue_is_listed_unread_and_chosen_from(tmp_path: Path) -> None:
    (tmp_path / "worm").mkdir()
    (tmp_path / "worm" / "broken.graphml").write_text("not read")
    (tmp_path / "worm" / "edges.csv").write_text("a,b\nb,c\n")
    (tmp_path / "worm" / "cells.csv").write_text("name,kind\n")
    known = samples.connectomes(tmp_path)
    assert list(known)[2:] == ["worm/broken.graphml", "worm/edges.csv"], "a table that is no list of edges is none"
    found = explore.graph(catalog=known)
    assert (found.graph.n_nodes, found.state["panel"]) == (0, "graph")
    assert found.catalog[0] == {"name": "mouse/synapses of Kasthuri et al. 2015", "group": "mouse"}
    ask(found, do="choose", name="mouse/synapses of Kasthuri et al. 2015")
    assert (found.graph.n_nodes, found.graph.n_edges, found.title) == (1029, 1559, "synapses of Kasthuri et al. 2015")
    ask(found, do="choose", name="worm/edges.csv")
    assert found.graph.ids.tolist() == ["a", "b", "c"]
    found.close()
    other = explore.graph(tmp_path / "worm" / "edges.csv")
    assert other.graph.n_edges == 2
    ask(other, do="folder", path=str(tmp_path))
    assert [one["name"] for one in other.catalog] == ["worm/broken.graphml", "worm/edges.csv"]
    ask(other, do="folder", path=str(tmp_path / "nowhere"))
    assert "nowhere" in other.status["trouble"]
    other.close()
    with pytest.raises(NotFound, match="nowhere"):
        explore.graph(catalog=str(tmp_path / "nowhere"))


def test_numbers_of_the_whole_graph_come_one_by_one_from_a_process_that_can_be_ended(view: GraphView) -> None:
    came: list[int] = []
    view.observe(lambda event: came.append(len(event["new"])), "numbers")
    view.set(statistics=list(WHOLE))
    assert view.wait(180)
    assert came == list(range(1, len(WHOLE) + 1)), "each was told as it came"
    assert {name: one["value"] for name, one in view.numbers.items()} == pytest.approx(
        invariants(view.graph, list(WHOLE))
    )
    again = dict(view.numbers)
    view.set(statistics=[])
    view.set(statistics=list(WHOLE))
    assert view.numbers == again, "nothing is counted twice"


def test_counting_ends_in_the_middle_of_a_number() -> None:
    rng = np.random.default_rng(0)
    # All paths of it take many minutes: 10^10 steps, which are done unasked.
    large = Graph.of_rows(range(60_000), *rng.integers(0, 60_000, (2, 160_000)))
    heard: list[str] = []
    counting = Count(large, ["order", "mean_path", "size"])
    counting.start(lambda name, found: heard.append(name))
    end = time.monotonic() + 120
    while not heard and time.monotonic() < end:
        time.sleep(0.05)
    assert heard == ["order"]
    counting.drop()
    assert counting.wait(60), "it is ended, not waited for"
    assert heard == ["order"]


def test_groups_of_a_spectrum_take_how_many_and_in_how_many_dimensions(view: GraphView) -> None:
    view.set(panel="groups", groups="communities: rdpg")
    assert view.wait(120)
    values = adjacency_embedding(view.graph)[1]
    assert view.scree == {"of": "rdpg", "values": pytest.approx(values.tolist()), "elbow": elbow(values)}
    view.set(parts=3, dims=2)
    assert view.wait(120)
    column = next(one for one in view.columns if one["name"] == "communities: rdpg")
    words = [int(column["categories"][code]) for code in np.frombuffer(column["values"], "<u4")]
    assert words == communities(view.graph, "rdpg", blocks=3, dim=2).tolist()
    assert len(column["categories"]) == 3
    assert variation_of_information(words, block_model(view.graph, 2).labels) > 0


def test_the_tree_of_groups_comes_when_it_is_asked_for() -> None:
    near = np.full((4, 4), 0.02)
    near[:2, :2] = near[2:, 2:] = 0.25
    np.fill_diagonal(near, 0.6)
    graph = generate("block_model", sizes=[40, 30, 50, 20], p=near.tolist(), seed=3)
    graph = graph.with_nodes({"place": [["north", "south", None, "west"][one] for one in graph.nodes["block"]]})
    view = explore.graph(graph, layout="circle")
    view.set(view="matrix", groups="block")
    assert view.wait(120)
    assert view.tree == {}
    view.set(tree=True)
    assert view.wait(120)
    found = view.tree
    assert found["of"] == "block"
    assert {frozenset(found["leaves"][:2]), frozenset(found["leaves"][2:])} == {frozenset("01"), frozenset("23")}
    merged = sorted(max(heights) for heights in found["up"])
    assert len(merged) == 3
    # Edges are dense within both pairs, and rare between them.
    assert merged[0] < merged[1] < 0.4 < merged[2] < 1
    assert found["top"] == group_tree(graph, graph.nodes["block"]).top
    assert 0.005 < found["root"] < 0.05
    # Nodes of no group are in no leaf; one group has no tree, and that is said.
    view.set(groups="place")
    assert view.wait(120)
    assert sorted(view.tree["leaves"]) == ["north", "south", "west"]
    view.set(groups="communities: rdpg", parts=1)
    assert view.wait(120)
    assert view.tree["none"] == "no tree of one group: it is drawn of 2 to 200"
    # Groups that are made otherwise have another tree.
    view.set(parts=3)
    assert view.wait(120)
    assert (len(view.tree["leaves"]), view.tree["none"]) == (3, "")
    view.close()


def test_methods_are_compared_and_what_is_too_large_for_one_is_told_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(graph_offers.PARTITIONS) == 11
    some = tuple(f"communities: {name}" for name in ("label_propagation", "walktrap", "multilevel"))
    monkeypatch.setattr(graph_groups, "PARTITIONS", some)
    large = Graph.of_rows(range(5_002), np.arange(5_001), np.arange(1, 5_002))
    found = explore.graph(large, layout="circle")
    found.set(panel="groups", compared=True)
    assert found.wait(120)
    there = {one["name"] for one in found.columns if one["name"].startswith("communities")}
    assert there == {some[0], some[2]}
    assert list(found.refused) == [some[1]]
    assert "5,000" in found.refused[some[1]]
    assert found.status["trouble"] == ""
    found.close()


def test_density_adds_up_every_line_that_is_in_the_box() -> None:
    # One line across, one down, and one outside.
    graph = Graph.of_rows(range(6), np.array([0, 2, 4]), np.array([1, 3, 5]), edges={"w": [1.0, 2.0, 3.0]})
    places = np.array([[0, 5, 0], [10, 5, 0], [3, 0, 0], [3, 10, 0], [50, 50, 0], [60, 50, 0]], "f4")

    def drawn(**more: Any) -> np.ndarray[Any, Any]:
        found = graph_raster.density(graph, places, [0, 0, 10, 10], [10, 10], **more)
        return np.frombuffer(found["values"], np.uint8).reshape(10, 10)

    expected = np.zeros((10, 10), bool)
    expected[5, :] = expected[:, 3] = True
    found = drawn()
    assert np.array_equal(found > 0, expected)
    assert found[5, 3] == 255
    assert np.array_equal(
        drawn(filters=[{"of": "edges", "by": "w", "low": 2, "high": None}]) > 0, expected & (np.arange(10) == 3)
    )
    passed = graph_raster.kept(graph, [{"of": "nodes", "by": "rank", "low": None, "high": 2}], {"rank": np.arange(6)})
    assert passed.tolist() == [True, False, False]
    for box, size in (([0, 0, 0, 1], [4, 4]), ([0, 0, 1, 1], [0, 4]), ([0, 0, 1, 1], [4, 9999])):
        with pytest.raises(BadRequest, match="picture"):
            graph_raster.density(graph, places, box, size)


def test_lines_cover_what_a_fine_walk_along_them_covers() -> None:
    rng = np.random.default_rng(3)
    graph = Graph.of_rows(range(40), np.arange(20), np.arange(20) + 20)
    places = np.zeros((40, 3), "f4")
    places[:, :2] = rng.uniform(-30, 90, (40, 2))
    found = graph_raster.density(graph, places, [0, 0, 64, 48], [64, 48])
    drawn = np.frombuffer(found["values"], np.uint8).reshape(48, 64) > 0
    at = np.linspace(0, 1, 20_001)[:, None]
    walked = np.zeros((48, 64), bool)
    for a, b in zip(places[:20, :2].astype(float), places[20:, :2].astype(float), strict=True):
        x, y = np.floor(a + at * (b - a)).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < 64) & (y < 48)
        walked[y[inside], x[inside]] = True
    assert not (drawn & ~walked).any(), "nothing beside a line"
    assert drawn.sum() > 0.6 * walked.sum(), "one pixel of each column, of those that a line touches"


def test_beyond_a_number_of_edges_the_page_has_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_raster, "MOST_EDGES", 100)
    rng = np.random.default_rng(5)
    graph = Graph.of_rows(range(30), *rng.integers(0, 30, (2, 500)), edges={"w": rng.random(500)})
    found = explore.graph(graph, layout="sphere", dim=3)
    assert found.wait(60)
    ends = np.frombuffer(found.ends, "<u4").reshape(-1, 2)
    assert (len(ends), found.total) == (100, 500)
    weights = np.frombuffer(next(one for one in found.columns if one["name"] == "w")["values"], "<f4")
    all_of = {(a, b, np.float32(w)) for a, b, w in zip(graph.source, graph.target, graph.edges["w"], strict=True)}
    assert {(a, b, w) for (a, b), w in zip(ends, weights, strict=True)} <= all_of
    turn = [0.5, -0.25]
    ask(found, do="density", box=[-1, -1, 1, 1], size=[80, 60], turn=turn,
        filters=[{"of": "nodes", "by": "degree", "low": 0, "high": None}])  # fmt: skip
    assert found.density["edges"] == 500
    assert found.places is not None
    x, y = graph_raster.turned(found.places, turn)
    assert np.allclose(np.hypot(x.std(), y.std()), np.hypot(*found.places[:, :2].std(axis=0)), atol=0.3)
    assert found.density["values"] != graph_raster.density(graph, found.places, [-1, -1, 1, 1], [80, 60])["values"]
    found.close()
