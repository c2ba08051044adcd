"""Linked views in one file of HTML, opened without a kernel and without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import Lab, Notebook
from tests.browser.linked import FROM_PYTHON, HEARD, SETUP, Shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.timeout(900)

WRITTEN = "linked.to_html('linked.html', title='Kasthuri et al. 2015', level=1).name"
DRAWN = ("heat", "spread", "outliers", "relations", "pairs", "embedding", "clusters")
TABS = f"""
for tab in {DRAWN}:
    table.set(tab=tab, features=["x_um", "y_um", "z_um", "psd_px"])
    linked.to_html(tab + ".html", level=1)
table.set(tab="points")
print("written")
"""


@pytest.fixture(scope="module")
def notebook(lab: Lab, browser: Browser) -> Iterator[Notebook]:
    """Return one notebook with linked views, which writes files."""
    found = lab.open(browser, "file", SETUP, HEARD, FROM_PYTHON, WRITTEN, TABS)
    found.run(0)
    yield found
    found.page.close()


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
    notebook.run(2)
    assert json.loads(notebook.text(1))[0] == {"noun": "synapses", "ids": ["1", "2", "3"]}
    assert "linked.html" in notebook.text(3)
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
    assert "written" in notebook.text(4)
    for tab in DRAWN:
        page, complaints = opened(browser, lab.folder / f"{tab}.html")
        table = page.locator(".ndl-table")
        view = table.evaluate_handle("e => { while (e && !e.ndlabTable) e = e.parentElement; return e.ndlabTable; }")
        table.locator(".ndt-target .bk-Figure").first.wait_for()
        standing = tab not in ("spread", "relations")
        if standing:
            page.wait_for_function("v => v.plots.joined.length > 0", arg=view)
        offered = table.get_by_role("tab")
        assert offered.count() == 2
        assert table.locator(".ndt-why").inner_text().startswith("Other tabs are drawn by a kernel")
        assert table.get_by_role("button", name="report").count() == 0
        assert not table.locator(".ndt-asked").is_visible()
        assert "Drawn when this file was written" in table.locator(".ndt-notes").inner_text()
        # What is selected in the rows is so in the marks, where these stand for rows.
        table.locator(".ndt-row").nth(3).click()
        page.locator(".ndl-link-said", has_text="synapse 4 of 2 neurons").wait_for()
        marks = view.evaluate("v => v.plots.joined.map(({source}) => source.selected.indices.length)")
        assert not standing or max(marks) >= 1, (tab, marks)
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
