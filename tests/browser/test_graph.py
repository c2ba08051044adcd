"""The Graph Explorer in a real JupyterLab: Python and the page select for each other, and pixels show it."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.lab import Lab, Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, JSHandle, Page

pytestmark = pytest.mark.timeout(600)

Array = np.ndarray[Any, Any]
SETUP = """
import json
import time
import numpy as np
from ndlab import explore, samples
from ndlab.graph import Graph

table = samples.kasthuri_synapses()
pairs = table.groupby(["axon_id", "dendrite_id"]).size()
ends = [[f"{role} {one}" for one in pairs.index.get_level_values(level)]
        for role, level in (("axon", "axon_id"), ("dendrite", "dendrite_id"))]
G = Graph.from_edges(*ends, edges={"weight": pairs.to_numpy()})
G = G.with_nodes({"kind": [one.split()[0] for one in G.ids]})
view = explore.graph(G, color="kind", size="degree", seed=1)
assert view.wait(300)
view
"""
# The kernel hears of what the page does a moment later.
SELECTED = """
for _ in range(100):
    if view.selection: break
    time.sleep(0.1)
print(json.dumps(view.selection))
"""


class Shown:
    """A view of a graph on the page."""

    def __init__(self, notebook: Notebook, cell: int) -> None:
        self.notebook = notebook
        self.stage = notebook.page.locator(".jp-CodeCell").nth(cell).locator(".ndg-stage")
        self.stage.wait_for()
        self.stage.scroll_into_view_if_needed()
        self.view: JSHandle = self.stage.evaluate_handle(
            "e => { while (e && !e.ndlabGraph) e = e.parentElement; return e.ndlabGraph; }"
        )
        self.until("v => v.explorer.placed && v.explorer.size.width > 1")

    def ask(self, code: str, value: Any = None) -> Any:
        return self.view.evaluate(code, value)

    def until(self, code: str, value: Any = None) -> None:
        self.notebook.page.wait_for_function(f"([v, value]) => ({code})(v, value)", arg=[self.view, value])

    def pixels(self) -> Array:
        found = self.ask(
            """v => { const {width, height, data} = v.stage.pixels(); let text = "";
                for (let i = 0; i < data.length; i += 32768)
                    text += String.fromCharCode(...data.subarray(i, i + 32768));
                return {width, height, data: btoa(text)}; }"""
        )
        flat = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
        # WebGL counts rows from below.
        return flat.reshape(found["height"], found["width"], 4)[::-1, :, :3]

    def place(self, name: str) -> tuple[float, float]:
        """Where a node stands, in CSS pixels of the stage, told from the positions and the camera."""
        x, y = self.ask(
            """({explorer: e}, name) => { const row = e.data.rows.get(name), {centre, scale} = e.camera;
                return [e.size.width / 2 + (e.flat[2 * row] - centre[0]) / scale,
                        e.size.height / 2 + (e.flat[2 * row + 1] - centre[1]) / scale]; }""",
            name,
        )
        return x, y

    def at(self, name: str) -> tuple[float, float]:
        """The same in the window."""
        box = self.stage.bounding_box()
        assert box is not None
        x, y = self.place(name)
        return box["x"] + x, box["y"] + y

    def around(self, name: str, reach: int = 16) -> Array:
        x, y = (round(one) for one in self.place(name))
        return self.pixels()[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach].astype(int)


def kept(notebook: Notebook, name: str, folder: Any) -> None:
    notebook.page.screenshot(path=str(folder / name))


def test_page_and_kernel_select_for_each_other(lab: Lab, browser: Browser, pictures: Any) -> None:
    choose = "view.selection = ['dendrite 14']"
    notebook = lab.open(browser, "graph", SETUP, SELECTED, choose, "print(json.dumps(view.state))")
    notebook.run(0)
    shown = Shown(notebook, 0)
    page = notebook.page

    before = shown.pixels()
    assert len(np.unique(before.reshape(-1, 3), axis=0)) > 50, "the picture is empty"
    kept(notebook, "light.png", pictures)

    # A click on the node with the most synapses, and the kernel hears of it.
    page.mouse.move(*shown.at("dendrite 16"))
    page.locator(".ndg-card", has_text="dendrite 16").wait_for()
    assert re.search(r"kind\s+dendrite", page.locator(".ndg-card").inner_text())
    page.mouse.click(*shown.at("dendrite 16"))
    assert json.loads(notebook.text(1)) == ["dendrite 16"]

    # What the kernel selects is drawn: it has a dark rim, and what is not selected is paler.
    page.mouse.move(1, 1)
    plain = shown.around("dendrite 14")
    notebook.run(2)
    shown.until("v => v.explorer.state.selection[0] === 'dendrite 14'")
    page.locator(".ndg-label", has_text="dendrite 14").wait_for()
    ringed = shown.around("dendrite 14")
    dark = [int((one.max(axis=-1) < 70).sum()) for one in (plain, ringed)]
    assert dark[1] > dark[0] + 20, dark
    kept(notebook, "selected.png", pictures)

    # Round everything with Shift: all nodes of the graph.
    box = shown.stage.bounding_box()
    assert box is not None
    page.keyboard.down("Shift")
    corners = [(0.004, 0.004), (0.996, 0.004), (0.996, 0.996), (0.004, 0.996), (0.004, 0.5)]
    ways = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*ways[0])
    page.mouse.down()
    for way in ways[1:]:
        page.mouse.move(*way, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    shown.until("v => v.explorer.state.selection.length === v.explorer.data.names.length")
    page.wait_for_timeout(300)
    found = json.loads(notebook.text(1))
    assert found[0] == "dendrite 14"
    assert len(set(found)) == 1029

    shown.stage.press("Escape")
    shown.until("v => v.explorer.state.selection.length === 0")
    # What is dragged is a larger picture, which is shifted as long as it reaches: the pixels are those drawn anew.
    shifted = []
    for x, y in ((40, 32), (-64, 24), (280, -192)):
        before = picture(shown)
        shifted.append(dragged(page, shown, x, y))
        found = picture(shown)
        shown.ask("v => v.stage.print()")
        page.wait_for_timeout(100)
        assert np.mean(found != picture(shown)) < 1e-3
        assert np.mean(found != before) > 0.01
    assert shifted == [True, True, False]
    page.wait_for_timeout(300)
    assert json.loads(notebook.text(3))["selection"] == []
    page.close()


def picture(shown: Shown) -> Array:
    """What the browser shows of the stage."""
    return np.asarray(Image.open(io.BytesIO(shown.stage.screenshot())).convert("RGB"))


def dragged(page: Page, shown: Shown, x: float, y: float) -> bool:
    """Drag from the middle, in steps of whole pixels; return whether nothing was drawn anew in the second half."""
    # Notebooks scroll a little later to what has run.
    box, last = shown.stage.bounding_box(), None
    while box != last:
        page.wait_for_timeout(150)
        box, last = shown.stage.bounding_box(), box
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + x / 2, middle[1] + y / 2, steps=4)
    page.wait_for_timeout(100)
    shown.ask("v => { globalThis.held = v.stage.sheet.held; }")
    page.mouse.move(middle[0] + x, middle[1] + y, steps=4)
    page.wait_for_timeout(100)
    found: bool = shown.ask("v => globalThis.held === v.stage.sheet.held")
    page.mouse.up()
    page.mouse.move(1, 1)
    return found


CHANGE = "view.set(filters=[{'of': 'edges', 'by': 'weight', 'low': 3, 'high': None}], color='communities: multilevel')"


def test_what_python_sets_is_shown_in_the_dark(lab: Lab, browser: Browser, pictures: Any) -> None:
    again = """
other = explore.graph(G, state=view.state)
print(other.state == view.state, view.wait(300))
"""
    notebook = lab.open(browser, "dark", SETUP, CHANGE, again, dark=True)
    notebook.run(0)
    shown = Shown(notebook, 0)
    dark = shown.pixels()
    assert np.median(dark) < 60
    notebook.run(1)
    shown.until("v => v.explorer.ends.length === 2 * (12 + 2 + 1)")
    shown.until("v => v.explorer.legend.kind === 'category' && v.explorer.legend.entries.length > 5")
    assert not np.array_equal(shown.pixels(), dark)

    # A card that was taken away for a while comes back.
    drawn = shown.pixels()
    shown.ask(
        """({stage}) => new Promise(done => {
            const card = stage.canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
            stage.canvas.addEventListener("webglcontextrestored", () => done());
            stage.canvas.addEventListener("webglcontextlost", () => setTimeout(() => card.restoreContext(), 50));
            card.loseContext(); })"""
    )
    assert np.array_equal(shown.pixels(), drawn)

    # Nodes are found by name, and a picture can be saved.
    field = notebook.page.get_by_label("Find a node")
    field.fill("dendrite 16")
    field.press("Enter")
    shown.until("v => v.explorer.state.selection[0] === 'dendrite 16'")
    x, y = shown.place("dendrite 16")
    size = shown.ask("v => v.explorer.size")
    assert (x, y) == pytest.approx((size["width"] / 2, size["height"] / 2))
    kept(notebook, "dark.png", pictures)
    with notebook.page.expect_download() as download:
        notebook.page.get_by_label("Save the picture").click()
    saved = Image.open(io.BytesIO(download.value.path().read_bytes()))
    assert saved.size == (shown.ask("v => v.stage.canvas.width"), shown.ask("v => v.stage.canvas.height"))

    # Zooming leaves what is under the pointer there.
    shown.stage.press("r")
    shown.until("v => v.explorer.state.scale === null")
    there = shown.at("dendrite 14")
    notebook.page.mouse.move(*there)
    notebook.page.mouse.wheel(0, -100)
    shown.until("v => v.explorer.state.scale !== null")
    assert shown.at("dendrite 14") == pytest.approx(there, abs=1)
    notebook.page.wait_for_timeout(300)
    assert notebook.text(2).split() == ["True", "True"]
    notebook.page.close()
