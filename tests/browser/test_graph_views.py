"""The Graph Explorer beyond its picture in a real JupyterLab: matrix, groups, plots, table, files, and a real brain."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ndlab.analyze import communities, generate, invariants, variation_of_information
from ndlab.graph import Graph, read
from tests.browser.lab import Lab, Notebook
from tests.browser.test_graph import Shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(600)

Array = np.ndarray[Any, Any]
# Sizes differ, so that the largest block comes first in any order.
BLOCKS: dict[str, Any] = {"sizes": [40, 30, 20], "p": [[0.5, 0.04, 0.02], [0.04, 0.5, 0.03], [0.02, 0.03, 0.6]]}
SETUP = f"""
import json
import numpy as np
from ndlab import explore
from ndlab.analyze import generate

G = generate("block_model", seed=4, **{BLOCKS!r})
G = G.with_edges({{"weight": np.arange(G.n_edges) % 7 + 1.0}})
view = explore.graph(G, layout="circle")
view.set(view="matrix", panel="groups", groups="block")
assert view.wait(300)
view
"""
LARVA = """
import os
import pandas as pd
from ndlab.graph import read

folder = os.path.join(os.environ["NDLAB_TEST_DATA"], "connectomes", "drosophila_larva_brain")
brain = read(folder + "/G_edgelist.txt")
table = pd.read_csv(folder + "/meta_data.csv", index_col=0)
table = table[~table.index.duplicated()].reindex(brain.ids)
brain = brain.with_nodes({"class": [None if pd.isna(one) else one for one in table["merge_class"]]})
larva = explore.graph(brain, layout="rdpg", color="class", size="degree")
assert larva.wait(300)
larva
"""


class Panel(Shown):
    """A view of a graph, and the panel beside it."""

    def __init__(self, notebook: Notebook, cell: int) -> None:
        self.cell = notebook.page.locator(".jp-CodeCell").nth(cell)
        self.box = self.cell.locator(".ndg-matrix")
        self.notebook = notebook
        self.cell.locator(".ndl-graph").scroll_into_view_if_needed()
        self.view = self.cell.locator(".ndl-graph").evaluate_handle(
            "e => { while (e && !e.ndlabGraph) e = e.parentElement; return e.ndlabGraph; }"
        )
        self.until("v => v.explorer.placed")

    def press(self, name: str) -> None:
        self.cell.get_by_role("button", name=name, exact=True).click()

    def look(self, name: str) -> None:
        self.cell.locator(".ndi-toolbar").get_by_role("button", name=name, exact=True).click()

    def choose(self, name: str, value: str) -> None:
        self.cell.get_by_label(name, exact=True).first.select_option(value)

    def selected(self) -> set[str]:
        return set(self.ask("v => v.explorer.state.selection"))

    def ink(self) -> Array:
        """How dark the matrix is: rows and columns of its square."""
        found = self.ask(
            """({matrix: m}) => { m.draw(); const {x, y, side} = m.square;
                const ratio = m.canvas.width / m.canvas.clientWidth;
                const at = [x, y, side, side].map(one => Math.round(one * ratio));
                const {data} = m.canvas.getContext("2d").getImageData(...at);
                return {side: at[2], alpha: Array.from(data.filter((_, i) => i % 4 === 3))}; }"""
        )
        return np.array(found["alpha"]).reshape(found["side"], found["side"])

    def drag(self, part: Any, *ways: tuple[float, float], shift: bool = False) -> None:
        """Drag over an element along shares of it."""
        part.scroll_into_view_if_needed()
        box = part.bounding_box()
        page = self.notebook.page
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ways]
        if shift:
            page.keyboard.down("Shift")
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=4)
        page.mouse.up()
        if shift:
            page.keyboard.up("Shift")


def chances(shown: Panel, graph: Graph) -> None:
    """What the page has of the chances between its groups is what counting gives."""
    codes = np.array(shown.ask("v => [...v.explorer.derived.groups.codes]"))
    member = np.eye(codes.max() + 1)[codes]
    joined = ((graph.adjacency() + graph.adjacency().T).toarray() > 0) & ~np.eye(len(codes), dtype=bool)
    sizes = member.sum(axis=0)
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    found = np.array(shown.ask("v => [...v.explorer.derived.blocks.p]")).reshape(pairs.shape)
    assert np.allclose(found, member.T @ joined @ member / pairs)


def blocks_of(shown: Panel, graph: Graph) -> None:
    """R81: the matrix is ordered by the blocks, its dark squares are theirs, and a click takes what it shows."""
    shown.until("v => v.explorer.derived.groups !== null")
    order = shown.ask("v => [...v.explorer.derived.order.nodes]")
    assert np.array_equal(graph.nodes["block"][order], np.repeat([0, 1, 2], BLOCKS["sizes"]))
    degrees = graph.degrees()[order]
    assert all((np.diff(degrees[a:b]) <= 0).all() for a, b in ((0, 40), (40, 70), (70, 90)))
    assert shown.ask("v => v.explorer.derived.order.begins") == [0, 40, 70, 90]
    # What is dark is what is joined: cells of the drawn square against the matrix itself.
    ink = shown.ink()
    expected = (graph.adjacency() + graph.adjacency().T).toarray()[np.ix_(order, order)] > 0
    middle = ((np.arange(90) + 0.5) * len(ink) / 90).astype(int)
    drawn = ink[np.ix_(middle, middle)] > 200
    assert (drawn == expected).mean() > 0.99
    chances(shown, graph)


@pytest.fixture(scope="module")
def notebook(lab: Lab, browser: Browser) -> Iterator[Notebook]:
    """Return a notebook whose second cell says what is selected, the third what was counted."""
    found = lab.open(
        browser, "views", SETUP, "import time; time.sleep(1.5); print(json.dumps(view.selection))",
        "print(json.dumps(view.numbers))", LARVA,
    )  # fmt: skip
    found.run(0)
    yield found
    found.page.close()


def test_r81_matrix_groups_plots_table_and_files(notebook: Notebook, pictures: Path, tmp_path: Path) -> None:
    graph = generate("block_model", seed=4, **BLOCKS)
    page = notebook.page
    shown = Panel(notebook, 0)
    blocks_of(shown, graph)
    page.screenshot(path=str(pictures / "matrix.png"))

    # A cell of the matrix selects both ends of its edge; a strip beside it the group; the kernel hears of both.
    nodes = shown.ask("v => [...v.explorer.derived.order.nodes]")
    square = shown.ask("v => v.matrix.square")
    box = shown.box.bounding_box()
    assert box is not None
    joined = (graph.adjacency() + graph.adjacency().T).toarray()
    row, column = next((i, j) for i in range(90) for j in range(i + 1, 90) if joined[nodes[i], nodes[j]])
    cell = square["side"] / 90
    page.mouse.click(box["x"] + square["x"] + (column + 0.5) * cell, box["y"] + square["y"] + (row + 0.5) * cell)
    shown.until("v => v.explorer.state.selection.length === 2")
    assert shown.selected() == {str(nodes[row]), str(nodes[column])}
    assert set(json.loads(notebook.text(1))) == {nodes[row], nodes[column]}
    page.mouse.click(box["x"] + square["x"] - 6, box["y"] + square["y"] + 55 * cell)
    shown.until("v => v.explorer.state.selection.length === 30")
    assert shown.selected() == {str(one) for one in np.flatnonzero(graph.nodes["block"] == 1)}

    # By their tree groups stand beside those with which edges are densest.
    shown.cell.get_by_label("matrix by their tree").check()
    shown.until("v => v.explorer.derived.tree !== null")
    places = shown.ask("v => v.explorer.derived.order.codes")
    assert set(places[:2]) == {0, 1} or set(places[1:]) == {0, 1}
    order = shown.ask("v => [...v.explorer.derived.order.nodes]")
    assert [int(one) for one in dict.fromkeys(graph.nodes["block"][order].tolist())] == places
    page.locator(".ndi-of", has_text="the first two at a chance of").wait_for()
    square = shown.ask("v => v.matrix.square")
    beside = shown.ask(
        """v => { const {canvas, square: {x, y, side}} = v.matrix, r = canvas.width / v.matrix.size.width;
                  const {data} = canvas.getContext("2d").getImageData((x + side + 9) * r, y * r, 74 * r, side * r);
                  return data.filter((one, i) => i % 4 === 3 && one > 0).length; }"""
    )
    assert beside > 100, "the tree is drawn"
    page.screenshot(path=str(pictures / "tree.png"))
    page.mouse.click(box["x"] + square["x"] - 6, box["y"] + square["y"] + 2 * square["side"] / 90)
    size = BLOCKS["sizes"][places[0]]
    shown.until("(v, size) => v.explorer.state.selection.length === size", size)
    assert shown.selected() == {str(one) for one in np.flatnonzero(graph.nodes["block"] == places[0])}
    shown.cell.get_by_label("matrix by their tree").uncheck()
    assert shown.ask("v => v.explorer.derived.order.codes") == [0, 1, 2]

    # Another method, compared with the planted blocks: bits as `analyze` has them.
    shown.choose("groups", "communities: multilevel")
    shown.choose("against", "block")
    page.locator(".ndg-apart", has_text="bits").wait_for()
    bits = float(re.findall(r"[\d.]+", page.locator(".ndg-apart").inner_text())[0])
    found = communities(graph, "multilevel", seed=0)
    assert bits == pytest.approx(variation_of_information(found, graph.nodes["block"]), abs=6e-4)
    shown.choose("groups", "communities: rdpg")
    shown.until("v => v.explorer.model.get('scree').of === 'rdpg' && v.explorer.derived.groups !== null")
    shown.cell.get_by_label("Groups, empty").fill("3")
    shown.cell.get_by_label("Groups, empty").press("Enter")
    shown.until("v => v.explorer.derived.groups.names.length === 3")
    labels = shown.ask("v => [...v.explorer.derived.groups.codes]")
    assert variation_of_information(labels, communities(graph, "rdpg", seed=0, blocks=3)) == 0
    chances(shown, graph)

    # Degrees that are brushed are selected: those with most edges, on the right.
    shown.press("numbers")
    plot = shown.cell.locator(".ndg-plot-canvas").first
    shown.drag(plot, (0.75, 0.4), (0.99, 0.6))
    shown.until("v => v.explorer.state.selection.length > 0")
    least = min(graph.degrees()[[int(one) for one in shown.selected()]])
    assert shown.selected() == {str(one) for one in np.flatnonzero(graph.degrees() >= least)}
    assert least > graph.degrees().min()

    # Numbers of the whole graph come one by one; what was cancelled can be gone on with.
    shown.press("count")
    shown.cell.get_by_role("button", name="cancel").click()
    shown.cell.get_by_role("button", name="count", exact=True).click()
    shown.until("v => Object.keys(v.explorer.model.get('numbers')).length === 23")
    told = json.loads(notebook.text(2))
    assert {name: one["value"] for name, one in told.items()} == pytest.approx(invariants(graph, list(told)))
    page.screenshot(path=str(pictures / "numbers.png"))

    # The table has a line for each node that is shown, sorts, and selects.
    shown.look("table")
    shown.cell.get_by_role("button", name="degree", exact=True).click()
    first = shown.cell.locator(".ndg-tr").first
    cells = first.locator(".ndg-td").all_inner_texts()
    assert int(graph.degrees().max()) in [int(one) for one in cells if one.isdigit()]
    first.click()
    shown.until("v => v.explorer.state.selection.length === 1")
    assert shown.selected() == {cells[0]}
    assert graph.degrees()[int(cells[0])] == graph.degrees().max()
    # A line that is drawn again while it is pressed is clicked all the same.
    second = shown.cell.locator(".ndg-tr").nth(1)
    name = second.locator(".ndg-td").first.inner_text()
    second.hover()
    page.mouse.down()
    shown.ask("v => v.explorer.update({selection: []})")
    page.mouse.up()
    shown.until("(v, name) => v.explorer.state.selection[0] === name", name)

    # Edges of a colour and a width of their own; a layout glides to the next one, in space and seen from the side.
    shown.look("nodes")
    shown.press("look")
    shown.until("v => v.explorer.size.width > 1")
    before = shown.pixels()
    shown.choose("edge colour", "weight")
    shown.choose("edge width", "weight")
    shown.until("v => v.explorer.edgeLook !== null")
    assert not np.array_equal(shown.pixels(), before)
    assert shown.ask("v => v.stage.sheet.gl.gl.getError()") == 0
    shown.ask("v => { v.seen = []; v.explorer.on(() => v.seen.push(v.explorer.flat[0])); }")
    shown.press("3-D")
    shown.choose("layout", "sphere")
    shown.until("v => v.explorer.deep && v.explorer.glide.frame === null")
    assert len(set(shown.ask("v => v.seen"))) >= 2, "it began where it was"
    shown.press("xz")
    shown.until("v => v.explorer.state.turn[1] !== 0")
    places = np.array(shown.ask("v => [...v.explorer.places]")).reshape(-1, 3)
    flat = np.array(shown.ask("v => [...v.explorer.flat]")).reshape(-1, 2)
    assert np.allclose(np.diff(flat, axis=0), np.diff(places[:, [0, 2]], axis=0), atol=1e-5)
    shown.cell.get_by_label("names of all that fit").check()
    shown.until("v => v.stage.labels.childElementCount > 5")
    page.screenshot(path=str(pictures / "space.png"))

    # What is saved can be read: the graph by the kernel, the picture by the page, the state by the view.
    shown.press("graph")
    with page.expect_download() as download:
        shown.cell.locator(".ndi-row", has_text="graph").get_by_role("button", name="save", exact=True).click()
    saved, state = tmp_path / "graph.graphml", tmp_path / "graph-state.json"
    download.value.save_as(saved)
    assert read(saved).nodes["block"].tolist() == graph.nodes["block"].tolist()
    with page.expect_download() as download:
        shown.press("SVG")
    text = download.value.path().read_text()
    assert (text.count("<circle"), text.count("<path")) == (90, graph.n_edges)
    with page.expect_download() as download:
        shown.press("state")
    download.value.save_as(state)
    shown.press("look")
    shown.press("2-D")
    shown.press("graph")
    shown.cell.get_by_label("Graph file").set_input_files(state)
    shown.until("v => v.explorer.state.dim === 3 && v.explorer.state.layout === 'sphere'")

    # A graph that is made takes the place of this one, and a file of that one.
    shown.choose("kind", "ring")
    shown.cell.get_by_label("n", exact=True).fill("12")
    shown.press("make")
    shown.until("v => v.explorer.data.names.length === 12 && v.explorer.placed")
    shown.cell.get_by_label("Graph file").set_input_files(saved)
    shown.until("v => v.explorer.data.names.length === 90 && v.explorer.placed")


def test_the_brain_of_a_larva(notebook: Notebook, pictures: Path, shared_data: Path) -> None:
    assert (shared_data / "connectomes" / "drosophila_larva_brain").is_dir()
    notebook.run(3)
    shown = Panel(notebook, 3)
    shown.until("v => v.explorer.size.width > 1")
    assert shown.ask("v => [v.explorer.data.names.length, v.explorer.ends.length / 2]") == [3554, 119_010]
    assert len(np.unique(shown.pixels().reshape(-1, 3), axis=0)) > 50, "the picture is empty"
    shown.look("matrix")
    shown.until("v => v.explorer.derived.groups !== null")
    ink = shown.ink()
    begins = np.array(shown.ask("v => v.explorer.derived.order.begins")) * len(ink) / 3554
    a, b, c = (int(one) for one in begins[:3])
    within, between = (ink[a:b, a:b] > 128).mean(), (ink[a:b, b:c] > 128).mean()
    assert within > 3 * between, "communities are dark squares on the diagonal"
    notebook.page.screenshot(path=str(pictures / "larva.png"))
