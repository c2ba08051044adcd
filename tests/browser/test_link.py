"""Linked views in a real JupyterLab: what is selected in one follows in the others while the kernel is busy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ndlab import samples
from tests.browser.lab import Lab, Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, JSHandle, Page

pytestmark = pytest.mark.timeout(900)

SETUP = """
import json, time
from ndlab import explore, samples
from ndlab.graph import Graph

listed = samples.kasthuri_spreadsheet()
synapses = samples.kasthuri_synapses().assign(pre_id=listed.pre_id, post_id=listed.post_id)
for axis in "zyx":
    synapses[axis] = synapses[f"{axis}_um"] * 1000
synapses = synapses.rename(columns={"synapse_id": "id"})
drawing = samples.kasthuri_drawing((200, 200, 200))
G = Graph.from_edges(synapses.pre_id, synapses.post_id)
G = G.with_nodes({"kind": ["axon" if one in set(listed.pre_id) else "dendrite" for one in G.ids]})
image = explore.image(em=drawing["image"], neurites=drawing["labels"], points={"synapses": synapses}, height=330)
graph = explore.graph(G, color="kind", size="degree", seed=1, height=330)
table = explore.table(synapses, id="id", classes="axon_type", noun="synapses", height=420)
assert graph.wait(300)
linked = explore.link(image, graph, table)
linked
"""
HEARD = """
now = linked.selection
for _ in range(200):
    mine = [len(image.selection.get("synapses", ())), graph.selection, len(table.selected)]
    if len(now) and mine == [len(now.synapses), now.neurons, len(now.rows)]: break
    time.sleep(0.1)
picked = {name: len(ids) for name, ids in image.selection.items()}
print(json.dumps([linked.selection.now, graph.selection, picked, [int(one) for one in table.selected]]))
"""
# Works until it is told to stop.
BUSY = """
from pathlib import Path
Path("stop").unlink(missing_ok=True)
print("at work")
end = time.time() + 300
while time.time() < end and not Path("stop").exists():
    time.sleep(0.05)
"""
# How often the page speaks to the kernel for a widget.
COUNTED = """() => {
    const send = WebSocket.prototype.send;
    globalThis.ndlabSent = 0;
    WebSocket.prototype.send = function (data) {
        if ((typeof data === "string" ? data : new TextDecoder().decode(data)).includes("comm_msg")) ndlabSent++;
        return send.call(this, data);
    }; }"""
FROM_PYTHON = "linked.selection.synapses = [1, 2, 3]; linked.selection.save('three')"
DRAWN = ("heat", "spread", "outliers", "relations", "pairs", "embedding", "clusters")
TABS = f"""
for tab in {DRAWN}:
    table.set(tab=tab, features=["x_um", "y_um", "z_um", "psd_px"])
    linked.to_html(tab + ".html", level=1)
table.set(tab="points")
print("written")
"""
WRITTEN = "linked.to_html('linked.html', title='Kasthuri et al. 2015', level=1).name"


class Shown:
    """Linked views on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.image = self._found(".ndl-picture", "ndlabView")
        self.graph = self._found(".ndg-stage", "ndlabGraph")
        self.table = self._found(".ndt-area", "ndlabTable")
        self.link = self._found(".ndl-link", "ndlabLink")
        self.until(self.graph, "v => v.explorer.placed && v.explorer.size.width > 1")
        self.image.evaluate("v => v.idle()")

    def _found(self, selector: str, name: str) -> JSHandle:
        element = self.page.locator(selector).first
        element.wait_for()
        return element.evaluate_handle(
            "(e, name) => { while (e && !e[name]) e = e.parentElement; return e[name]; }", name
        )

    def until(self, view: JSHandle, code: str, value: Any = None) -> None:
        self.page.wait_for_function(f"([v, value]) => ({code})(v, value)", arg=[view, value])

    def corner(self, selector: str) -> tuple[float, float, float, float]:
        # Cells that run come into sight, and push out what was.
        self.page.evaluate("() => document.querySelector('.ndl-link').scrollIntoView()")
        box = self.page.locator(selector).first.bounding_box()
        assert box is not None
        return box["x"], box["y"], box["width"], box["height"]

    def free_node(self) -> tuple[str, float, float]:
        """The largest node that no other covers, and where it stands in the window."""
        name, x, y = self.graph.evaluate(
            """({explorer: e, stage}) => {
                const {centre, scale} = e.camera, free = [];
                e.data.names.forEach((name, row) => {
                    const at = [e.size.width / 2 + (e.flat[2 * row] - centre[0]) / scale,
                                e.size.height / 2 + (e.flat[2 * row + 1] - centre[1]) / scale];
                    const seen = at.every((one, axis) => one > 9 && one < [e.size.width, e.size.height][axis] - 9);
                    if (seen && stage.node(at) === row) free.push([e.sizes[row], name, ...at]);
                });
                return free.sort((a, b) => b[0] - a[0])[0].slice(1); }"""
        )
        left, top, _, _ = self.corner(".ndg-stage")
        return name, left + x, top + y

    def state(self) -> dict[str, Any]:
        """What each view has selected, as the page has it."""
        found: dict[str, Any] = {
            "image": self.image.evaluate("v => v.state.selection"),
            "alone": self.image.evaluate("v => v.state.layers.find(l => l.id === 'neurites').isolated"),
            "nodes": self.graph.evaluate("v => v.explorer.state.selection"),
            "lights": self.graph.evaluate("v => v.explorer.lights.length / 2"),
            "rows": self.table.evaluate("v => v.explorer.mask.reduce((sum, one) => sum + one, 0)"),
        }
        return found

    def pointed(self) -> dict[str, Any]:
        """What each view lights up because another one points at it."""
        rings = "v => v.picture.parentElement.querySelectorAll('.ndi-pointed.ndi-over').length"
        found: dict[str, Any] = {
            "segments": self.image.evaluate("v => v.elsewhere.segments"),
            "rings": self.image.evaluate(rings),
            "lines": self.page.locator(".ndg-hints line").count(),
            "names": self.page.locator(".ndg-hints text").all_text_contents(),
            "rows": self.table.evaluate("v => [...v.explorer.pointed]"),
            "lit": self.table.evaluate("v => v.stage.roles.reduce((sum, one) => sum + (one === 3 ? 1 : 0), 0)"),
        }
        return found

    def show_points(self, visible: bool) -> None:
        self.image.evaluate(
            "(v, visible) => v.update((s) => ({...s, "
            "layers: s.layers.map((l) => l.id === 'synapses' ? {...l, visible} : l)}))",
            visible,
        )
        self.image.evaluate("v => v.idle()")

    def green(self) -> list[int]:
        found: list[int] = self.image.evaluate("v => [...v.pixels().data.filter((_, i) => i % 4 === 1)]")
        return found

    def shot(self, pictures: Path, name: str) -> None:
        self.corner(".ndl-link")
        self.page.mouse.move(2, 2)
        self.image.evaluate("v => v.idle()")
        self.page.wait_for_timeout(200)
        self.page.screenshot(path=str(pictures / name))

    def shot_here(self, pictures: Path, name: str) -> None:
        """With the pointer where it is."""
        self.page.wait_for_timeout(200)
        self.page.screenshot(path=str(pictures / name))

    def brushed(self) -> int:
        """Draw round the left half of the points in the table; return how many rows that selected."""
        x, y, width, height = self.corner(".ndt-canvas")
        ring = [(0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98), (0.02, 0.3)]
        ways = [(x + across * width, y + down * height) for across, down in ring]
        self.page.keyboard.down("Shift")
        self.page.mouse.move(*ways[0])
        self.page.mouse.down()
        for way in ways[1:]:
            self.page.mouse.move(*way, steps=4)
        self.page.mouse.up()
        self.page.keyboard.up("Shift")
        self.until(self.table, "v => v.explorer.mask.some((one) => one)")
        return int(self.state()["rows"])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where screenshots go."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def notebook(lab: Lab, browser: Browser) -> Iterator[Notebook]:
    """Return one notebook with linked views, for all tests."""
    found = lab.open(browser, "link", SETUP, HEARD, BUSY, FROM_PYTHON, WRITTEN, TABS)
    found.page.set_viewport_size({"width": 1500, "height": 1250})
    found.run(0)
    yield found
    found.page.close()


@pytest.fixture(scope="module")
def shown(notebook: Notebook) -> Shown:
    """Return the views of that notebook."""
    return Shown(notebook.page)


@contextmanager
def busy(notebook: Notebook, lab: Lab) -> Iterator[None]:
    """Have the kernel work all the while, and be ready afterwards."""
    notebook.run(2, wait=False).get_by_text("at work").wait_for()
    try:
        yield
    except BaseException:
        (lab.folder / "stop").touch()
        raise
    # Nothing that was to be seen has waited for it. What the kernel says of itself is of messages beside the cell, too.
    count = "window.jupyterapp.shell.currentWidget.content.widgets[2].model.executionCount"
    assert notebook.page.evaluate(f"() => {count}") is None
    (lab.folder / "stop").touch()
    notebook.page.wait_for_function(f"() => {count} !== null")


def test_graph_to_image_and_table(notebook: Notebook, lab: Lab, shown: Shown, pictures: Path) -> None:
    shown.shot(pictures, "nothing.png")
    own = samples.kasthuri_spreadsheet()
    with busy(notebook, lab):
        name, x, y = shown.free_node()
        shown.page.mouse.click(x, y)
        shown.until(shown.image, "(v, name) => v.state.selection.neurites?.[0] === name", name)
        found = shown.state()
    count = int(((own.pre_id == int(name)) | (own.post_id == int(name))).sum())
    assert found["alone"]
    assert found["nodes"] == [name]
    assert (len(found["image"]["synapses"]), found["rows"]) == (count, count)
    # It lies where the picture went.
    plane = shown.image.evaluate("v => v.state.marker")
    at = samples.kasthuri_synapses()[["z_um", "y_um", "x_um"]].to_numpy() * 1000
    hit = int(np.argmin(np.abs(at - np.array(plane)).sum(axis=1)))
    assert name in {str(own.pre_id[hit]), str(own.post_id[hit])}
    shown.shot(pictures, "neuron.png")

    chosen, nodes, picked, rows = json.loads(notebook.text(1))
    assert chosen == {"noun": "neurons", "ids": [name]}
    assert (nodes, picked, len(rows)) == ([int(name)], {"neurites": 1, "synapses": count}, count)


def test_table_to_image_and_graph(notebook: Notebook, lab: Lab, shown: Shown, pictures: Path) -> None:
    with busy(notebook, lab):
        count = shown.brushed()
        found = shown.state()
    assert 300 < count < 1500
    assert not found["alone"]
    assert found["image"]["neurites"] == found["nodes"] == []
    assert len(found["image"]["synapses"]) == count
    rows = shown.table.evaluate("v => Array.from(v.explorer.mask)")
    own = samples.kasthuri_spreadsheet()[np.array(rows, bool)]
    assert found["lights"] >= own.groupby(["pre_id", "post_id"]).ngroups
    assert shown.page.locator(".ndl-link-said").inner_text() == (
        f"{count:,} synapses of {len({*own.pre_id, *own.post_id}):,} neurons"
    )
    shown.shot(pictures, "brush.png")
    chosen, nodes, picked, rows = json.loads(notebook.text(1))
    assert (chosen["noun"], len(chosen["ids"]), len(rows)) == ("synapses", count, count)
    assert (nodes, picked) == ([], {"neurites": 0, "synapses": count})


def test_a_double_click_on_a_row_flies_to_its_synapse(shown: Shown, pictures: Path) -> None:
    shown.table.evaluate("v => v.explorer.fly(6)")
    place = (samples.kasthuri_synapses()[["z_um", "y_um", "x_um"]].to_numpy()[6] * 1000).tolist()
    shown.until(shown.image, "v => v.state.marker !== null")
    found = shown.image.evaluate("v => [v.state.position, v.state.marker]")
    assert found[0] == pytest.approx(place, abs=0.01)
    assert found[1] == pytest.approx(place, abs=0.01)
    shown.shot(pictures, "flown.png")


def test_image_to_graph_and_table(notebook: Notebook, lab: Lab, shown: Shown) -> None:
    """A click on a synapse, and on a segment, both there where the picture stands now."""
    shown.table.evaluate("v => v.explorer.fly(6)")
    shown.until(shown.image, "v => v.state.marker !== null")
    shown.image.evaluate("v => v.idle()")
    with busy(notebook, lab):
        x, y, width, height = shown.corner(".ndl-picture")
        # The synapse that was flown to stands in the middle; under it lies what it belongs to.
        shown.page.mouse.click(x + width / 2, y + height / 2)
        shown.until(shown.table, "v => v.explorer.mask.reduce((sum, one) => sum + one, 0) === 1")
        found = shown.state()
    assert found["image"]["synapses"] == ["7"]
    assert shown.table.evaluate("v => v.explorer.mask[6]") == 1
    assert found["lights"] >= 1

    # Without the points over it a click means the segment.
    x, y, width, height = shown.corner(".ndl-picture")
    shown.show_points(False)
    shown.page.mouse.click(x + width / 2, y + height / 2)
    shown.until(shown.graph, "v => v.explorer.state.selection.length === 1")
    found = shown.state()
    labels = samples.kasthuri_drawing((200, 200, 200))["labels"]
    at = ((np.array(shown.image.evaluate("v => v.state.position")) - labels.offset) / labels.voxel_size).astype(int)
    assert found["nodes"] == [str(labels.read()[tuple(at)])]
    assert found["nodes"] == found["image"]["neurites"]
    # What was picked among others is not shown alone.
    assert not found["alone"]
    assert found["rows"] == len(found["image"]["synapses"])
    # It is by a click on the line above, and all are there again by another.
    shown.page.locator(".ndl-link").get_by_text("Isolate").click()
    shown.until(shown.image, "v => v.state.layers.find((l) => l.id === 'neurites').isolated")
    shown.page.locator(".ndl-link").get_by_text("Show all").click()
    shown.until(shown.image, "v => !v.state.layers.find((l) => l.id === 'neurites').isolated")
    assert shown.state()["nodes"] == found["nodes"]


NOTHING = {"segments": [], "rings": 0, "lines": 0, "names": [], "rows": [], "lit": 0}


def test_what_lies_under_the_pointer_is_lit_everywhere(
    notebook: Notebook, lab: Lab, shown: Shown, pictures: Path
) -> None:
    """In each direction, while the kernel is busy and hears nothing of it; nothing is selected by that."""
    own = samples.kasthuri_spreadsheet()
    page = shown.page
    shown.table.evaluate("v => v.explorer.fly(6)")
    shown.until(shown.image, "v => v.state.marker !== null")
    shown.show_points(True)
    clear = page.locator(".ndl-link").get_by_text("Clear")
    if clear.is_enabled():
        clear.click()
    shown.until(shown.table, "v => v.explorer.mask.every((one) => one === 0)")
    x, y, width, height = shown.corner(".ndl-picture")
    middle = x + width / 2, y + height / 2
    page.mouse.move(2, 2)
    # What was selected before is with the kernel by then.
    page.wait_for_timeout(500)
    page.evaluate(COUNTED)
    with busy(notebook, lab):
        sent = page.evaluate("ndlabSent")
        before = shown.state()
        x, y, width, height = shown.corner(".ndl-picture")
        middle = x + width / 2, y + height / 2
        # A synapse in the image: its edge in the graph, its row in the table.
        page.mouse.move(*middle)
        shown.until(shown.table, "v => v.explorer.pointed.length === 1")
        assert shown.pointed() == NOTHING | {"lines": 1, "rows": [6], "lit": 1}
        shown.shot_here(pictures, "hover-synapse.png")
        page.mouse.move(2, 2)
        shown.until(shown.table, "v => v.explorer.pointed.length === 0")
        assert shown.pointed() == NOTHING

        # A segment in the image: its node, and the rows of all its synapses.
        shown.show_points(False)
        page.mouse.move(*middle)
        shown.until(shown.graph, "v => v.explorer.pointedNode !== null")
        found = shown.pointed()
        (name,) = found["names"]
        rows = np.flatnonzero((own.pre_id == int(name)) | (own.post_id == int(name))).tolist()
        assert found == NOTHING | {"names": [name], "rows": rows, "lit": len(rows)}
        page.mouse.move(2, 2)
        shown.until(shown.graph, "v => v.explorer.pointedNode === null")

        # A node in the graph: its segment has a rim, which goes away again.
        still = shown.green()
        shown.graph.evaluate("({explorer: e}, name) => e.hover(e.data.rows.get(name))", name)
        shown.until(shown.image, "v => v.elsewhere.segments.length === 1")
        rimmed = shown.green()
        assert sum(a != b for a, b in zip(still, rimmed, strict=True)) > 20
        assert shown.pointed() == NOTHING | {"segments": [name], "rows": rows, "lit": len(rows)}
        shown.graph.evaluate("({explorer: e}) => e.hover(null)")
        shown.until(shown.image, "v => v.elsewhere.segments.length === 0")
        assert shown.green() == still
        node, at, up = shown.free_node()
        page.mouse.move(at, up)
        shown.until(shown.image, "(v, node) => v.elsewhere.segments[0] === node", node)
        page.mouse.move(2, 2)
        shown.until(shown.image, "v => v.elsewhere.segments.length === 0")

        # A row of the table: its place, if it is in view, and its edge.
        shown.table.evaluate("v => v.explorer.hover(6)")
        shown.until(shown.image, "v => v.pointed !== null")
        assert shown.pointed() == NOTHING | {"rings": 1, "lines": 1, "lit": 1}
        shown.shot_here(pictures, "hover-row.png")
        far = int(np.abs(samples.kasthuri_synapses()["z_um"] - samples.kasthuri_synapses()["z_um"][6]).argmax())
        shown.table.evaluate("(v, row) => v.explorer.hover(row)", far)
        shown.until(shown.image, "(v, z) => Math.abs(v.pointed[0] - z) < 1",
                    float(samples.kasthuri_synapses()["z_um"][far] * 1000))  # fmt: skip
        assert shown.pointed() == NOTHING | {"lines": 1, "lit": 1}
        shown.table.evaluate("v => v.explorer.hover(null)")
        shown.until(shown.image, "v => v.pointed === null")
        row = page.locator(".ndt-row").nth(2)
        row.hover()
        shown.until(shown.image, "v => v.pointed !== null")
        page.mouse.move(2, 2)
        shown.until(shown.image, "v => v.pointed === null")
        assert shown.pointed() == NOTHING
        shown.show_points(True)
        page.wait_for_timeout(300)
        assert shown.state() == before
        # Layers were shown and hidden, which the kernel has to know; of the rest it heard nothing.
        assert page.evaluate("ndlabSent") - sent <= 2
        # A click it hears of.
        row.click()
        page.wait_for_timeout(500)
        assert page.evaluate("ndlabSent") - sent > 2


def test_python_to_all_views(notebook: Notebook, shown: Shown) -> None:
    notebook.run(3)
    shown.until(shown.table, "v => v.explorer.mask.reduce((sum, one) => sum + one, 0) === 3")
    shown.until(shown.image, "v => v.state.selection.synapses.join() === '1,2,3'")
    shown.until(shown.graph, "v => v.explorer.state.selection.length === 0 && v.explorer.lights.length > 0")
    shown.page.locator(".ndl-link-chip", has_text="three").wait_for()
    shown.page.locator(".ndl-link").get_by_text("Clear").click()
    shown.until(shown.table, "v => v.explorer.mask.every((one) => one === 0)")
    # What was kept under a name is a click away.
    shown.page.locator(".ndl-link-chip", has_text="three").click()
    shown.until(shown.table, "v => v.explorer.mask.reduce((sum, one) => sum + one, 0) === 3")


def opened(browser: Browser, path: Path) -> tuple[Page, list[str]]:
    """Return a page without a network that shows a file, and where what goes wrong in it is told."""
    page = browser.new_page(viewport={"width": 1500, "height": 1250}, offline=True)
    page.set_default_timeout(90_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda one: complaints.append(one.text) if one.type == "error" else None)
    page.on("request", lambda one: None if one.url.startswith(("file:", "blob:")) else complaints.append(one.url))
    page.goto(path.as_uri())
    return page, complaints


def test_one_file_without_kernel_and_network(notebook: Notebook, lab: Lab, browser: Browser, pictures: Path) -> None:
    # What a page has said is with the kernel a little later: the selection comes from Python, and is waited for.
    notebook.run(3)
    assert json.loads(notebook.text(1))[0] == {"noun": "synapses", "ids": ["1", "2", "3"]}
    assert "linked.html" in notebook.text(4)
    page, complaints = opened(browser, lab.folder / "linked.html")
    alone = Shown(page)
    # What was selected in the notebook is so here.
    alone.until(alone.table, "v => v.explorer.mask.reduce((sum, one) => sum + one, 0) === 3")
    values = alone.image.evaluate("v => new Set(v.pixels().data.filter((_, i) => i % 4 === 1)).size")
    assert values > 30, "the picture is empty"
    count = alone.brushed()
    assert 300 < count < 1500
    assert len(alone.state()["image"]["synapses"]) == count
    alone.shot(pictures, "file.png")
    name, x, y = alone.free_node()
    page.mouse.click(x, y)
    alone.until(alone.image, "(v, name) => v.state.selection.neurites?.[0] === name", name)
    assert alone.state()["alone"]
    assert complaints == []
    page.close()


def test_each_tab_that_a_file_offers_works(notebook: Notebook, lab: Lab, browser: Browser, pictures: Path) -> None:
    assert "written" in notebook.text(5)
    for tab in DRAWN:
        page, complaints = opened(browser, lab.folder / f"{tab}.html")
        table = page.locator(".ndl-table")
        table.locator(".ndt-target .bk-Figure").first.wait_for()
        offered = table.get_by_role("tab")
        assert offered.count() == 2
        assert table.locator(".ndt-why").inner_text().startswith("Other tabs are drawn by a kernel")
        assert table.get_by_role("button", name="report").count() == 0
        assert not table.locator(".ndt-asked").is_visible()
        assert "Drawn when this file was written" in table.locator(".ndt-notes").inner_text()
        # What is selected in the rows is so in the marks, where these stand for rows.
        table.locator(".ndt-row").nth(3).click()
        page.locator(".ndl-link-said", has_text="synapse 4 of 2 neurons").wait_for()
        marks = table.evaluate(
            """e => { while (e && !e.ndlabTable) e = e.parentElement;
                      return e.ndlabTable.plots.joined.map(({source}) => source.selected.indices.length); }"""
        )
        assert tab in ("spread", "relations") or max(marks) >= 1, (tab, marks)
        if tab in ("heat", "embedding"):
            page.screenshot(path=str(pictures / f"file-{tab}.png"))
        # The points are drawn here, and back again nothing waits.
        offered.first.click()
        table.locator(".ndt-area").wait_for()
        assert table.locator(".ndt-asked").is_visible()
        offered.last.click()
        table.locator(".ndt-target .bk-Figure").first.wait_for()
        assert "waiting" not in table.inner_text()
        assert complaints == []
        page.close()
