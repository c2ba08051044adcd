"""Linked views in a real JupyterLab: what is selected in one follows in the others while the kernel is busy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ndlab import samples
from tests.browser.lab import Lab, Notebook
from tests.browser.linked import FROM_PYTHON, HEARD, SETUP, Shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(900)

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


@pytest.fixture(scope="module")
def notebook(lab: Lab, browser: Browser) -> Iterator[Notebook]:
    """Return one notebook with linked views, for all tests."""
    found = lab.open(browser, "link", SETUP, HEARD, BUSY, FROM_PYTHON)
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
