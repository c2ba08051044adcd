"""Linked views in Python: who follows whom, one selection for all, and a file that needs no kernel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ndlab import explore, samples
from ndlab.errors import BadRequest, NotFound, TooLarge
from ndlab.explore.link_tables import LinkTables
from ndlab.explore.link_widget import Linked
from ndlab.graph import Graph

FIXTURE = json.loads((Path(__file__).parents[2] / "widgets" / "test" / "link.json").read_text())
BRAIN = samples.toy()


def toy_table() -> pd.DataFrame:
    return pd.DataFrame({name: BRAIN.synapses[name] for name in ("id", "pre_id", "post_id", "z", "y", "x")})


@pytest.fixture
def linked() -> Iterator[Linked]:
    """Return image and graph of the toy brain, linked by its table of synapses."""
    table = toy_table()
    image = explore.image(em=BRAIN.volume("image"), cells=BRAIN.volume("labels"), points={"synapses": table})
    graph = explore.graph(Graph.from_edges(table.pre_id, table.post_id), layout="circle")
    assert graph.wait(60)
    found = explore.link(image, graph, table)
    yield found
    found.close()
    image.close()
    graph.close()


def tables() -> LinkTables:
    return LinkTables.of(FIXTURE["synapses"], FIXTURE["pre"], FIXTURE["post"], neurons=FIXTURE["neurons"])


@pytest.mark.parametrize("case", FIXTURE["cases"], ids=lambda case: f"{case['noun']} {','.join(case['ids'])}")
def test_what_follows_is_what_the_page_says_too(case: dict[str, Any]) -> None:
    found = tables().follows(case["noun"], case["ids"])
    assert [list(one) for one in found.pop("edges")] == case["edges"]
    assert found == {"rows": case["synapses"], "synapses": case["synapses"], "neurons": case["neurons"]}


def test_the_wire_holds_ids_exactly_and_both_ends() -> None:
    wire = tables().wire()
    assert wire["whole"] == {"synapses": True, "neurons": False}
    assert np.frombuffer(wire["synapses"], "<u8").tolist() == [1, 2, 3, 2**64 - 1]
    neurons = json.loads(wire["neurons"])
    ends = [np.frombuffer(wire[end], "<u4").tolist() for end in ("pre", "post")]
    pairs = [tuple(neurons[one] if one < len(neurons) else "" for one in pair) for pair in zip(*ends, strict=True)]
    assert pairs == list(zip(FIXTURE["pre"], FIXTURE["post"], strict=True))


def test_one_selection_goes_to_all_views(linked: Linked) -> None:
    heard: list[str] = []
    stop = linked.selection.observe(lambda now: heard.append(repr(now)))
    post = int(BRAIN.synapses["post_id"][0])
    linked.selection.neurons = [post]
    assert linked.graph.selection == [post]
    at = BRAIN.synapses["post_id"] == post
    own = [str(one) for one in BRAIN.synapses["id"][at]]
    assert linked.image.selection == {"cells": [str(post)], "synapses": own}
    assert linked.image.layers["cells"].isolated
    assert linked.selection.rows == np.flatnonzero(at).tolist()
    assert linked.bar.chosen == {"noun": "neurons", "ids": [str(post)]}

    linked.selection.synapses = [101, 102]
    assert linked.graph.selection == []
    assert not linked.image.layers["cells"].isolated
    assert linked.image.selection == {"cells": [], "synapses": ["101", "102"]}
    rows = np.isin(BRAIN.synapses["id"], [101, 102])
    assert linked.selection.edges == [tuple(one) for one in BRAIN.synapses[["pre_id", "post_id"]][rows].tolist()]
    stop()
    linked.selection.clear()
    assert heard == [f"{len(own)} synapses of the neuron {post}", "2 synapses"]


def test_what_the_page_says_is_heard_once_and_not_said_again(linked: Linked) -> None:
    heard: list[list[Any]] = []
    linked.selection.observe(lambda now: heard.append(now.ids))
    before = linked.image.state
    linked.bar.set_state({"chosen": {"noun": "synapses", "ids": ["103"]}})
    assert heard == [[103]]
    # The page's own views have shown it; Python does not set them another time.
    assert linked.image.state is before
    linked.bar.set_state({"chosen": {"noun": "synapses", "ids": ["103"]}})
    assert heard == [[103]]


def test_selections_are_kept_under_names_and_with_the_state(linked: Linked) -> None:
    linked.selection.synapses = [102]
    linked.selection.save("one")
    assert linked.bar.named == {"one": {"noun": "synapses", "ids": ["102"]}}
    linked.bar.set_state({"named": linked.bar.named | {"page": {"noun": "synapses", "ids": ["101"]}}})
    state = json.loads(json.dumps(linked.state))
    linked.selection.recall("page")
    assert linked.selection.ids == [101]
    linked.selection.drop("one")
    linked.state = state
    assert linked.state == state
    assert linked.selection.ids == [102]
    assert linked.image.selection["synapses"] == ["102"]
    with pytest.raises(NotFound, match="'one', 'page'"):
        linked.selection.recall("two")
    with pytest.raises(BadRequest, match="its parts are graph, image, named, selection"):
        linked.state = {"table": {}}


def test_rows_without_ends_are_neurons() -> None:
    ring = Graph.from_edges([1, 2, 3], [2, 3, 1])
    graph = explore.graph(ring, layout="circle")
    cells = pd.DataFrame({"id": [3, 1, 2], "length": [1.0, 2.0, 3.0]})
    linked = explore.link(graph=graph, table=cells)
    linked.selection.neurons = [1, 3]
    assert linked.selection.rows == [1, 0]
    assert graph.selection == [1, 3]
    with pytest.raises(NotFound, match="there are 3: 3, 1, 2"):
        linked.selection.neurons = [9]
    linked.close()
    graph.close()


def test_what_cannot_be_linked_is_said(linked: Linked) -> None:
    table, graph = toy_table(), linked.graph
    for arguments, words in (
        ({"graph": graph}, "fewer than two views"),
        ({"graph": graph, "table": table.assign(id=5)}, "'5' stands there twice"),
        ({"graph": graph, "table": table, "on": "name"}, "the columns are id, pre_id"),
        ({"graph": graph, "table": table, "pre": "axon", "post": "post_id"}, "pre= and post="),
        ({"graph": graph, "table": table.assign(pre_id=70, post_id=71)}, "they have no id in common"),
        ({"image": linked.image, "table": table, "points": "spots"}, "layers of points or boxes are synapses"),
        ({"graph": graph, "table": [1, 2]}, "a list was to be linked"),
    ):
        with pytest.raises(BadRequest, match=re.escape(words)):
            explore.link(**arguments)


def test_a_file_holds_all_of_it_or_says_why_not(linked: Linked) -> None:
    linked.selection.neurons = [int(BRAIN.synapses["post_id"][0])]
    text = linked.to_html(title="A <toy>")
    assert "<h1>A &lt;toy&gt;</h1>" in text
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert text.count("</script>") == 3 + 3
    views = json.loads(re.search(r'id="ndlab-views">(.*?)</script>', text, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert [one["module"] for one in views] == ["link", "image", "graph"]
    image = views[1]["traits"]
    levels = image["infos"]["em"]["stored"]["levels"]
    assert all(f"{one['url']}/zarr.json" in image["files"] for one in levels)
    assert image["state"]["selection"] == linked.image.selection
    with pytest.raises(TooLarge, match="pass level=1"):
        linked.to_html(limit_mb=0.1)
    with pytest.raises(TooLarge, match="of voxels in one HTML file"):
        linked.to_html(limit_mb=1e-4)


def test_a_file_offers_of_a_table_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    # All columns are in the file, those as well that a page in a notebook would ask for.
    monkeypatch.setattr("ndlab.explore.table_widget._WITH_OPENING", 0)
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"id": np.arange(60), "pre_id": 1, "post_id": np.arange(60) % 4 + 2})
    rows = rows.assign(size=rng.normal(size=60), length=rng.normal(size=60), kind=rng.choice(["a", "b"], 60))
    graph = explore.graph(Graph.from_edges(rows.pre_id, rows.post_id), layout="circle")
    table = explore.table(rows, id="id", classes="kind", noun="synapses")
    assert graph.wait(60)
    linked = explore.link(graph=graph, table=table)

    def file() -> tuple[dict[str, Any], str]:
        text = linked.to_html()
        views = json.loads(re.search(r'id="ndlab-views">(.*?)</script>', text, re.DOTALL).group(1))  # type: ignore[union-attr]
        return views[-1]["traits"], text

    traits, text = file()
    assert [one["name"] for one in traits["offers"]["tabs"]] == ["points"]
    assert traits["offers"]["why"] == "Other tabs are drawn by a kernel, which this file has none of."
    assert len(table.columns) < len(traits["columns"])
    assert {one["name"] for one in traits["columns"]} == set(rows)
    assert "Bokeh Contributors" not in text
    # What was computed is a column of the file as any other; the tab on show goes along once it is drawn.
    table.set(tab="clusters")
    traits, text = file()
    assert [one["name"] for one in traits["offers"]["tabs"]] == ["points", "clusters"]
    assert (traits["state"]["tab"], traits["plot"]["tab"]) == ("clusters", "clusters")
    assert "of then" in traits["plot"]["notes"][-1]
    assert {one["name"] for one in traits["columns"]} == {one["name"] for one in traits["facts"]} > set(rows)
    assert not any("derived" in one for one in traits["facts"])
    assert "Bokeh Contributors" in text
    # What cannot be drawn is not offered.
    table.set(tab="outliers", features=[])
    traits, _ = file()
    assert ([one["name"] for one in traits["offers"]["tabs"]], traits["plot"]) == (["points"], {})
    assert traits["state"]["tab"] == "points"
    linked.close()
    table.close()
    graph.close()


def test_no_name_in_a_file_is_taken_for_a_tag() -> None:
    # After these two a page takes the next end tag of a script for text.
    hostile = "<!--<script>"
    table = pd.DataFrame({"id": [1, 2], "pre": [hostile, "a"], "post": ["b", hostile]})
    graph = explore.graph(Graph.from_edges(table.pre, table.post), layout="circle")
    assert graph.wait(60)
    linked = explore.link(graph=graph, table=table)
    linked.selection.neurons = [hostile]
    text = linked.to_html()
    linked.close()
    graph.close()
    data = re.search(r'id="ndlab-views">(.*?)</script>', text, re.DOTALL).group(1)  # type: ignore[union-attr]
    assert "<" not in data
    assert json.loads(data)[0]["traits"]["chosen"] == {"noun": "neurons", "ids": [hostile]}
