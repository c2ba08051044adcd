"""The Vector Explorer in a real JupyterLab: rows, points, plots and Python select for each other."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

from tests.browser.lab import Lab, Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, JSHandle

pytestmark = pytest.mark.timeout(900)

Array = np.ndarray[Any, Any]
BIG = 2**60
SETUP = """
import json
import time
import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from ndlab import explore

iris = load_iris()
frame = pd.DataFrame(iris.data, columns=["sepal length", "sepal width", "petal length", "petal width"])
frame["species"] = iris.target_names[iris.target]
frame["id"] = np.arange(150, dtype=np.uint64) + np.uint64(2**60)
view = explore.table(frame, classes="species", units={"sepal length": "cm"})
view.channel = "flowers"
view
"""
SECOND = """
other = explore.table(frame[["id", "petal length", "petal width"]], tab="points", height=300)
other.channel = "flowers"
other
"""
# The kernel hears of what the page does a moment later.
HEARD = """
for _ in range(100):
    if len(view.selected): break
    time.sleep(0.1)
print(json.dumps([int(one) for one in view.selected]))
"""
BUSY = "time.sleep(4); done = time.time()"


class Shown:
    """A view of a table on the page."""

    def __init__(self, notebook: Notebook, cell: int) -> None:
        self.notebook = notebook
        self.root = notebook.page.locator(".jp-CodeCell").nth(cell).locator(".ndl-table")
        self.root.wait_for()
        self.root.scroll_into_view_if_needed()
        self.view: JSHandle = self.root.evaluate_handle(
            "e => { while (e && !e.ndlabTable) e = e.parentElement; return e.ndlabTable; }"
        )

    def ask(self, code: str, value: Any = None) -> Any:
        return self.view.evaluate(code, value)

    def until(self, code: str, value: Any = None) -> None:
        self.notebook.page.wait_for_function(f"([v, value]) => ({code})(v, value)", arg=[self.view, value])

    def tab(self, title: str) -> None:
        self.root.get_by_role("tab", name=title, exact=True).click()

    def drawn(self, tab: str) -> None:
        """Wait until the kernel's plot of a tab is on the page."""
        self.until("(v, tab) => v.explorer.model.get('plot').tab === tab && v.explorer.status.busy.length === 0", tab)
        self.until("v => v.plots.holder.querySelector('.bk-Figure, .bk-GridPlot, .bk-Row, .bk-Column') !== null")

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

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where in the window two values stand, told from the view."""
        box = self.root.locator(".ndt-area").bounding_box()
        assert box is not None
        left, right, bottom, top = self.ask("v => v.stage.view")
        across, up = (x - left) / (right - left), (top - y) / (top - bottom)
        return box["x"] + across * box["width"], box["y"] + up * box["height"]

    @property
    def picked(self) -> list[int]:
        found: list[int] = self.ask("v => [...v.explorer.mask.keys()].filter(i => v.explorer.mask[i])")
        return found


@pytest.fixture(scope="module")
def notebook(lab: Lab, browser: Browser) -> Iterator[Notebook]:
    """Return one page for all checks, with two views on one channel."""
    found = lab.open(browser, "table", SETUP, SECOND, HEARD, BUSY, "view.selected = [2**60 + 7]; print('set')",
                     "print(json.dumps(view.state)); print(view.status)")  # fmt: skip
    found.page.set_viewport_size({"width": 1200, "height": 1500})
    found.run(0)
    found.run(1)
    yield found
    found.page.close()


@pytest.fixture(scope="module")
def iris() -> Array:
    return np.asarray(load_iris().data)


def test_points_rows_python_and_another_view_select_together(notebook: Notebook, iris: Array, pictures: Any) -> None:
    page = notebook.page
    shown, other = Shown(notebook, 0), Shown(notebook, 1)
    shown.until("v => v.stage.placed !== null")
    for one in (shown, other):
        one.until("v => v.explorer.joint.linked")
    before = shown.pixels()
    # The blue, the vermilion and the green of the three species.
    for color in ((0, 114, 178), (213, 94, 0), (0, 158, 115)):
        assert (before == color).all(axis=-1).sum() > 100, color
    page.screenshot(path=str(pictures / "points.png"))

    # A line round the left half with the kernel busy: both views follow before it is free again.
    notebook.run(3, wait=False)
    corners = [shown.at(x, y) for x, y in ((4.25, 1.95), (5.45, 1.95), (5.45, 4.45), (4.25, 4.45))]
    page.keyboard.down("Shift")
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in (*corners[1:], corners[0]):
        page.mouse.move(*corner, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    wanted = np.flatnonzero(iris[:, 0] < 5.45)
    for one in (shown, other):
        one.until("(v, n) => v.explorer.selectedCount === n", len(wanted))
    assert shown.picked == other.picked == wanted.tolist()
    running = "() => window.jupyterapp.shell.currentWidget.content.widgets[3].model.executionCount === null"
    assert page.evaluate(running), "the brush went through the page"
    assert shown.root.locator(".ndt-foot").inner_text() == f"150 rows, {len(wanted)} selected"
    assert json.loads(notebook.text(2)) == [BIG + int(one) for one in wanted]

    # What Python selects is ringed in both, and exact.
    notebook.text(4)
    for one in (shown, other):
        one.until("v => v.explorer.selectedCount === 1")
        assert one.picked == [7]
    line = shown.root.locator('.ndt-row[aria-selected="true"]')
    assert line.locator(".ndt-first").inner_text() == str(BIG + 7)
    after = shown.pixels()
    assert (after == (0, 114, 178)).all(axis=-1).sum() < (before == (0, 114, 178)).all(axis=-1).sum() / 4, "others fade"


def test_rows_are_sorted_filtered_and_clicked(notebook: Notebook, iris: Array) -> None:
    shown, other = Shown(notebook, 0), Shown(notebook, 1)
    heading = shown.root.get_by_role("columnheader").filter(has_text="sepal length")
    heading.get_by_role("button").click()
    first = shown.root.locator(".ndt-row").first
    order = np.argsort(iris[:, 0], kind="stable")
    shown.until("(v, row) => v.explorer.rows[0] === row", int(order[0]))
    first.locator(".ndt-first").filter(has_text=str(BIG + int(order[0]))).wait_for()
    field = shown.root.get_by_label("Filter by sepal width")
    field.fill("> 3.6")
    field.press("Enter")
    shown.until("(v, n) => v.explorer.rows.length === n", int((iris[:, 1] > 3.6).sum()))
    kept = [row for row in order if iris[row, 1] > 3.6]
    shown.root.locator(".ndt-row").nth(0).click()
    shown.root.locator(".ndt-row").nth(3).click(modifiers=["Shift"])
    shown.until("v => v.explorer.selectedCount === 4")
    assert shown.picked == other.picked == sorted(int(one) for one in kept[:4])
    # A row that is drawn again while it is pressed is clicked all the same.
    page = notebook.page
    shown.root.locator(".ndt-row").nth(6).hover()
    page.mouse.down()
    other.ask("v => v.explorer.select(new Uint8Array(v.explorer.count))")
    shown.until("v => v.explorer.selectedCount === 0")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.mouse.up()
    shown.until("v => v.explorer.selectedCount === 1")
    assert shown.picked == [int(kept[6])]
    field.fill("")
    field.press("Enter")
    shown.until("v => v.explorer.rows.length === 150")
    shown.root.locator(".ndt-scroll").press("Escape")
    shown.until("v => v.explorer.selectedCount === 0")


def test_plots_of_the_kernel_are_joined_in_the_page(notebook: Notebook, iris: Array, pictures: Any) -> None:
    shown, other = Shown(notebook, 0), Shown(notebook, 1)
    asked: list[str] = []
    notebook.page.on("request", lambda request: asked.append(request.url))
    shown.tab("Distributions")
    shown.drawn("spread")
    # Bars are ranges of one class: the first of setosa.
    shown.ask("v => { v.plots.joined[0].source.selected.indices = [0]; }")
    shown.until("v => v.explorer.selectedCount > 0")
    low, high = shown.ask("v => { const d = v.plots.joined[0].source.data; return [d.low[0], d.high[0]]; }")
    wanted = np.flatnonzero((iris[:50, 0] >= low) & (iris[:50, 0] < high)).tolist()
    assert shown.picked == other.picked == wanted
    # Setosa, by the table below the plot.
    shown.root.locator(".ndt-pick", has_text="setosa").click()
    shown.until("v => v.explorer.selectedCount === 50")

    shown.tab("Embedding")
    shown.drawn("embedding")
    # What was selected in another tab is selected in this one, and the other way round.
    assert shown.ask("v => v.plots.joined[0].source.selected.indices") == list(range(50))
    shown.ask("v => { v.plots.joined[0].source.selected.indices = [149, 3]; }")
    shown.until("v => v.explorer.selectedCount === 2")
    assert other.picked == [3, 149]
    notebook.page.screenshot(path=str(pictures / "embedding.png"))
    # What was computed is a column, and can be drawn as points.
    shown.tab("Points")
    shown.root.get_by_label("across").select_option("PC1")
    shown.until("v => v.stage.placed !== null && v.explorer.column('PC1') !== null")
    assert shown.ask("v => v.stage.placed.x[0]") == pytest.approx(-2.765081, abs=1e-5)

    for title, tab in (("Heat map", "heat"), ("Outliers", "outliers"), ("Correlation", "relations"),
                       ("Features", "pairs"), ("Clusters", "clusters")):  # fmt: skip
        shown.tab(title)
        shown.drawn(tab)
        shown.root.screenshot(path=str(pictures / f"{tab}.png"))
    assert shown.root.get_by_text("Against species").count() == 1
    shown.tab("Columns")
    assert shown.root.get_by_label("Statistics of petal width").is_checked()
    notebook.page.wait_for_timeout(300)
    state, status = notebook.text(5).strip().splitlines()
    assert json.loads(state)["tab"] == "columns"
    assert "'trouble': ''" in status
    ours = notebook.page.url.split("/doc/")[0]
    assert all(url.startswith((ours, "ws", "data:", "blob:")) for url in asked), "nothing from elsewhere"


def test_the_dark_and_the_report(notebook: Notebook, pictures: Any) -> None:
    shown = Shown(notebook, 0)
    shown.tab("Clusters")
    shown.drawn("clusters")
    notebook.command("apputils:change-theme", {"theme": "JupyterLab Dark"})
    shown.until("v => v.explorer.model.get('dark') === true")
    # The kernel draws it again on dark paper.
    shown.until("v => JSON.stringify(v.explorer.model.get('plot').item ?? '').includes('#14171b')")
    shown.drawn("clusters")
    time.sleep(0.5)
    notebook.page.screenshot(path=str(pictures / "dark.png"))
    shown.tab("Points")
    assert np.median(shown.pixels()) < 60
    with notebook.page.expect_download() as download:
        shown.root.get_by_role("button", name="report").click()
    page = download.value.path().read_text(encoding="utf-8")
    assert "<section id=clusters>" in page
