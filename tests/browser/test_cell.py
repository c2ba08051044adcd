"""The form of a verb in a real JupyterLab: what is entered on the page runs in a kernel that stays free."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import Lab

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(600)

# Blocks wait for a file, so that the test says how far it gets.
SETUP = """
import time
from pathlib import Path
from typing import Annotated, Literal
import ndlab
from ndlab import explore, samples
from ndlab.pipeline import BlockStep

gates = Path("{folder}")
em = ndlab.ingest(samples.fibsem_slices(), gates / "em.ome.zarr", voxel_size=(10, 10, 10))

def darken(image, by):
    while not (gates / "open").exists():
        time.sleep(0.02)
    return image // by

def dim(volume, *, by: Annotated[int, "times"] = 2, mode: Literal["all", "some"] | None = None, out: str | None = None):
    if out is None:
        return volume.read() // by
    step = BlockStep("darken", darken, {"by": by}, inputs=volume, output=out, dtype="u1")
    step.plan(block=(25, 50, 100), workers=1).run()
    return ndlab.open(out)
"""
SHOW = """
form = explore.cell(dim, em, out="{folder}/dim.ome.zarr")
form
"""


def test_a_verb_is_entered_tried_and_run_on_a_page(lab: Lab, browser: Browser, tmp_path: Path) -> None:
    setup, show = (cell.replace("{folder}", str(tmp_path)) for cell in (SETUP, SHOW))
    check = "print(6 * 7, form.result is None)"
    result = "print(form.receipt.params['by'], int(form.result.read().max()) == int(em.read().max()) // 4)"
    notebook = lab.open(browser, "verb", setup, show, check, result)
    notebook.run(0)
    form = notebook.run(1)
    form.get_by_text("dim", exact=True).wait_for()
    assert "50 × 100 × 200" in form.inner_text()
    by, mode = form.locator("input[type=text]").first, form.locator("select")
    choices = [text.replace("\xa0", " ") for text in mode.locator("option").all_inner_texts()]
    assert choices == ["found from the data", "all", "some"]

    by.fill("much")
    by.press("Enter")
    form.get_by_text("it is a whole number [times]").wait_for()
    assert form.get_by_role("button", name="Run").is_disabled()
    by.fill("4")
    by.press("Enter")
    form.locator("button:not([disabled])", has_text="Preview").click()
    form.locator("img").nth(1).wait_for()
    assert "nothing was written" in form.inner_text()
    assert not (tmp_path / "dim.ome.zarr").exists()

    form.get_by_role("button", name="Run").click()
    form.get_by_text("darken: 0 of 8 blocks").wait_for()
    assert notebook.text(2).strip() == "42 True"  # The kernel is free.
    assert re.search(r"running, \d+ s", form.inner_text())
    (tmp_path / "open").touch()
    form.get_by_text("what came of it is form.result").wait_for()
    form.get_by_text("receipt").click()
    receipt = form.locator("pre").first.inner_text()
    assert "dim(by=4" in receipt
    assert "done in" in receipt
    form.get_by_text("code that does this").click()
    assert "result = dim(em, by=4, out=" in form.locator("pre").last.inner_text()
    assert notebook.text(3).strip() == "4 True"
    notebook.page.close()
