"""Linked views in a real JupyterLab: what is selected in one follows in the others while the kernel is busy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.lab import Lab, Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, JSHandle

pytestmark = pytest.mark.timeout(600)

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
image = explore.image(em=drawing["image"], neurites=drawing["labels"], points={"synapses": synapses}, height=380)
graph = explore.graph(G, color="kind", size="degree", seed=1, height=380)
assert graph.wait(300)
linked = explore.link(image, graph, synapses)
linked
"""
HEARD = """
for _ in range(100):
    if len(linked.selection): break
    time.sleep(0.1)
print(json.dumps([linked.selection.now, graph.selection, image.selection]))
"""
BUSY = "time.sleep({seconds})"


class Page:
    """The linked views of one page."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.image = self._found(".ndl-picture", "ndlabView")
        self.graph = self._found(".ndg-stage", "ndlabGraph")
        self.link = self._found(".ndl-link", "ndlabLink")
        self.until("v => v.explorer.placed && v.explorer.size.width > 1", self.graph)
        self.image.evaluate("v => v.idle()")

    def _found(self, selector: str, name: str) -> JSHandle:
        element = self.page.locator(selector).first
        element.wait_for()
        return element.evaluate_handle(
            "(e, name) => { while (e && !e[name]) e = e.parentElement; return e[name]; }", name
        )

    def until(self, code: str, view: JSHandle, value: Any = None) -> None:
        self.page.wait_for_function(f"([v, value]) => ({code})(v, value)", arg=[view, value])

    def at_node(self, name: str) -> tuple[float, float]:
        """Where a node stands in the window."""
        box = self.page.locator(".ndg-stage").first.bounding_box()
        assert box is not None
        x, y = self.graph.evaluate(
            """({explorer: e}, name) => { const row = e.data.rows.get(name), {centre, scale} = e.camera;
                return [e.size.width / 2 + (e.flat[2 * row] - centre[0]) / scale,
                        e.size.height / 2 + (e.flat[2 * row + 1] - centre[1]) / scale]; }""",
            name,
        )
        return box["x"] + x, box["y"] + y

    def kept(self, pictures: Path, name: str) -> None:
        self.image.evaluate("v => v.idle()")
        self.page.screenshot(path=str(pictures / name))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where screenshots go."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def shown(lab: Lab, browser: Browser) -> Iterator[Page]:
    """Return one notebook with linked views, for all tests."""
    notebook = lab.open(browser, "link", SETUP, HEARD, BUSY.format(seconds=6), "linked.selection.clear()")
    notebook.page.set_viewport_size({"width": 1400, "height": 900})
    notebook.run(0)
    yield Page(notebook)
    notebook.page.close()


def test_a_node_that_is_clicked_stands_alone_in_the_image_while_the_kernel_is_busy(shown: Page, pictures: Path) -> None:
    shown.kept(pictures, "all.png")
    shown.notebook.run(2, wait=False)
    shown.page.mouse.click(*shown.at_node("10016"))
    shown.until("v => v.state.selection.neurites?.[0] === '10016'", shown.image)
    layers = {one["id"]: one for one in shown.image.evaluate("v => v.state.layers")}
    assert layers["neurites"]["isolated"]
    assert shown.image.evaluate("v => v.state.selection.synapses.length") == 153
    assert shown.link.evaluate("v => v.chosen.ids") == ["10016"]
    busy = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
    assert shown.page.evaluate(busy) == "busy"
    shown.kept(pictures, "neuron.png")
    chosen, nodes, layers = json.loads(shown.notebook.text(1))
    assert chosen == {"noun": "neurons", "ids": ["10016"]}
    assert nodes == [10016]
    assert layers["neurites"] == ["10016"]
    assert len(layers["synapses"]) == 153
