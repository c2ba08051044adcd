"""The Image Explorer in a real JupyterLab: what the page shows is what the kernel computes, by every transport."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.browser.lab import Lab, Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ElementHandle

pytestmark = pytest.mark.timeout(600)

# Ids beyond 2**53 that differ in their last bits only.
BASE = 720575996132767000
SETUP = """
import json
import os
{environment}
import numpy as np
import pandas as pd
from pathlib import Path
from PIL import Image
import ndlab
from ndlab import explore, samples
from ndlab.volume import Volume

folder = Path("{folder}")
stack = np.stack([np.asarray(Image.open(path)) for path in sorted(samples.fibsem_slices().iterdir())])
ids = samples.fibsem_labels().astype("u8")
ids[ids > 0] += {base}
grey = Volume.from_array(stack, samples.FIBSEM_VOXEL_SIZE, name="medulla")
if not (folder / "em.zarr").exists():
    grey.like(folder / "em.zarr").write(None, stack)
    ndlab.open(folder / "em.zarr").update_levels()
em = ndlab.open(folder / "em.zarr")
cells = Volume.from_array(ids, samples.FIBSEM_VOXEL_SIZE, kind="labels")
table = pd.DataFrame({"size": np.bincount(ids.ravel() % {base} % 1000)}, index=np.arange(88, dtype="u8") + {base})

def keep(view):
    np.save(folder / "picture.npy", view.render()[..., :3])
    (folder / "state.json").write_text(json.dumps(view.state))
"""
SHOW = "view = explore.image(em=em, cells=cells, metadata={'cells': table})\nview"


def cells_of(folder: Path, *more: str, environment: str = "") -> list[str]:
    setup = SETUP.replace("{folder}", str(folder)).replace("{base}", str(BASE)).replace("{environment}", environment)
    return [setup, SHOW, *more]


class Shown:
    """A view on the page."""

    def __init__(self, notebook: Notebook, cell: int, number: int = 0) -> None:
        self.notebook = notebook
        picture = notebook.page.locator(".jp-CodeCell").nth(cell).locator(".ndl-picture").nth(number)
        picture.wait_for()
        self.picture = picture
        found = picture.evaluate_handle("e => { while (e && !e.ndlabView) e = e.parentElement; return e.ndlabView; }")
        self.view: ElementHandle = found  # type: ignore[assignment]

    def ask(self, code: str, value: Any = None) -> Any:
        """Evaluate a function of the view and a value."""
        return self.view.evaluate(code, value)

    def idle(self) -> None:
        """Wait until everything that the state shows is drawn."""
        self.ask("v => v.idle()")

    def pixels(self) -> np.ndarray[Any, Any]:
        """Read the canvas, RGB."""
        self.idle()
        found = self.ask(
            """v => { const {width, height, data} = v.pixels(); let text = "";
                for (let i = 0; i < data.length; i += 32768)
                    text += String.fromCharCode(...data.subarray(i, i + 32768));
                return {width, height, data: btoa(text)}; }"""
        )
        flat = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
        return flat.reshape(found["height"], found["width"], 4)[..., :3]

    def press(self, key: str) -> None:
        """Press a key over the picture."""
        self.picture.locator("xpath=ancestor-or-self::*[@tabindex][1]").focus()
        self.notebook.page.keyboard.press(key)

    def until(self, code: str, value: Any = None) -> None:
        """Wait until a function of the view is true."""
        self.notebook.page.wait_for_function(f"([v, value]) => ({code})(v, value)", arg=[self.view, value])

    def at(self, voxel: tuple[float, float, float]) -> tuple[float, float]:
        """Where a voxel of the finest level stands in the window; the layout shows one plane, xy."""
        self.picture.scroll_into_view_if_needed()
        box = self.picture.bounding_box()
        assert box is not None
        state, infos = self.ask("v => v.state"), self.ask("v => v.infos")
        level = infos["em"]["levels"][0]
        y, x = (
            o + (i + 0.5) * s for o, i, s in zip(level["offset"][1:], voxel[1:], level["voxel_size"][1:], strict=True)
        )
        _, cy, cx = state["position"]
        return (box["x"] + box["width"] / 2 + (x - cx) / state["scale"],
                box["y"] + box["height"] / 2 + (y - cy) / state["scale"])  # fmt: skip


# Two states as JSON, whatever order their keys have.
SAME = """(v, text) => {
    const sorted = (_, one) => one === null || typeof one !== "object" || Array.isArray(one) ? one
        : Object.fromEntries(Object.entries(one).sort(([a], [b]) => a < b ? -1 : 1));
    return JSON.stringify(v.state, sorted) === JSON.stringify(JSON.parse(text), sorted);
}"""


def alike(shown: Shown, cell: int, folder: Path) -> None:
    """Run a cell that keeps the kernel's picture, and hold the page's to it: no pixel off by more than 2 of 255."""
    for _ in range(20):
        said = shown.notebook.text(cell)
        assert said == "", said
        shown.until(SAME, (folder / "state.json").read_text())
        found, want = shown.pixels().astype(int), np.load(folder / "picture.npy").astype(int)
        if found.shape == want.shape:
            break
        shown.notebook.page.wait_for_timeout(250)  # The kernel is told of the size of the picture a moment later.
    assert found.shape == want.shape
    off = np.abs(found - want).max(axis=-1)
    assert not (off > 2).any(), f"{(off > 2).sum()} pixels differ, by {off.max()} at most, at {np.argwhere(off > 2)[0]}"
    assert want.std() > 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "kept"
    found.mkdir()
    return found


CHANGES = [
    "pass",
    "view.goto(12, 40, 120, unit='voxel'); view.set(scale=1.25)",
    "view.layers['em'].window = (60, 180); view.layers['em'].gamma = 1.6; view.layers['em'].invert = True",
    "view.layers['cells'].style = 'outline'; view.layers['cells'].opacity = 1",
    "view.layers['cells'].style = 'both'; view.layers['cells'].hidden = [str(int(i)) for i in np.unique(ids)[20:40]]",
    f"view.selection = {{'cells': [{BASE} + 5, {BASE} + 30, {BASE} + 44]}}",
    "view.set(layout='three', scale=12.5); view.layers['cells'].isolated = True",
    "view.set(layout='xz'); view.layers['em'].color = 'FF8000'",
    "view.set(layout='yz', scale=5.0); view.layers['cells'].visible = False",
]


@pytest.mark.parametrize("transport", ["http", "comm"])
def test_each_state_that_python_sets_is_what_the_page_shows(
    lab: Lab, browser: Browser, folder: Path, transport: str
) -> None:
    environment = "os.environ['NDLAB_TRANSPORT'] = 'comm'" if transport == "comm" else ""
    changes = [f"{code}\nkeep(view)" for code in CHANGES]
    notebook = lab.open(browser, f"states_{transport}", *cells_of(folder, *changes, environment=environment))
    assert notebook.text(0) == ""
    notebook.run(1)
    shown = Shown(notebook, 1)
    shown.idle()
    for number in range(len(changes)):
        alike(shown, 2 + number, folder)
    assert shown.ask("v => v.status.transport") == transport


def start(lab: Lab, browser: Browser, name: str, folder: Path, *more: str) -> tuple[Notebook, Shown]:
    notebook = lab.open(browser, name, *cells_of(folder, *more))
    assert notebook.text(0) == ""
    notebook.run(1)
    shown = Shown(notebook, 1)
    shown.idle()
    return notebook, shown


def told(notebook: Notebook, cell: int, want: str) -> None:
    """Run a cell until it prints what is wanted: the page tells the kernel a moment after it changed."""
    for _ in range(40):
        said = notebook.text(cell).strip()
        if said == want:
            return
        notebook.page.wait_for_timeout(250)
    assert said == want


def test_what_is_picked_is_exact_and_known(lab: Lab, browser: Browser, folder: Path) -> None:
    ask = "print(view.selection, int(ids[25, 60, 120]))"
    notebook, shown = start(lab, browser, "pick", folder, ask)
    ids = np.load(Path(__file__).parents[2] / "ndlab" / "samples" / "data" / "fibsem" / "labels.npz")["labels"]
    number = BASE + int(ids[25, 60, 120])
    notebook.page.mouse.click(*shown.at((25, 60, 120)))
    told(notebook, 2, f"{{'cells': ['{number}']}} {number}")
    facts = notebook.page.locator(".jp-CodeCell").nth(1).get_by_text("size", exact=True)
    facts.wait_for()
    text = facts.locator("xpath=../..").inner_text().replace(",", "").replace("\u202f", "").split()
    assert str(int((ids == ids[25, 60, 120]).sum())) in text
    if pictures := os.environ.get("NDLAB_PICTURES"):  # The pictures of the documentation are those of the tests.
        output = notebook.page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output")
        output.screenshot(path=Path(pictures) / "explore.png")


def test_the_object_of_a_picked_id_is_shown(lab: Lab, browser: Browser, folder: Path) -> None:
    """The annotations of the labels are asked when an id is clicked, so that a change of theirs is on the page."""
    show = """from ndlab.annotations import Annotations, Segment
number = int(ids[25, 60, 120])
ann = Annotations.temporary()
_ = ann.add([Segment(id=number, segmentclass="dendrite", keys={"tracer": "AB"})])
view = explore.image(em=em, cells=cells, metadata=ann)
view"""
    change = "_ = ann.update(number, status='locked')"
    notebook, shown = start(lab, browser, "objects", folder, show, change)
    notebook.run(2)
    shown = Shown(notebook, 2)
    shown.idle()
    notebook.page.mouse.click(*shown.at((25, 60, 120)))
    cell = notebook.page.locator(".jp-CodeCell").nth(2)
    for name, value in (("kind", "segment"), ("segmentclass", "dendrite"), ("tracer", "AB")):
        row = cell.get_by_text(name, exact=True)
        row.wait_for()
        assert value in row.locator("xpath=../..").inner_text()
    notebook.run(3)
    notebook.page.mouse.click(*shown.at((25, 60, 120)))  # select it no more, and again
    notebook.page.mouse.click(*shown.at((25, 60, 120)))
    cell.get_by_text("locked", exact=True).wait_for()


def test_keys_do_what_python_then_knows(lab: Lab, browser: Browser, folder: Path) -> None:
    ask = "print(view.state['layout'], view.layers['em'].invert, [int(v) for v in em.calibration.index(view.position)])"
    notebook, shown = start(lab, browser, "keys", folder, ask)
    told(notebook, 2, "xy False [25, 50, 100]")
    shown.picture.focus()
    for key, want in (
        (".", "xy False [26, 50, 100]"),
        ("Shift+.", "xy False [36, 50, 100]"),
        ("Control+,", "xy False [0, 50, 100]"),
        ("i", "xy True [0, 50, 100]"),
        ("4", "three True [0, 50, 100]"),
        ("2", "xz True [0, 50, 100]"),
    ):
        shown.press(key)
        told(notebook, 2, want)
    shown.press("?")
    notebook.page.get_by_text("go to a position").wait_for()


def test_two_views_of_one_volume_are_linked_in_the_page(lab: Lab, browser: Browser, folder: Path) -> None:
    code = (
        "import ipywidgets as w\nleft, right = explore.image(em=em), explore.image(em=em)\n"
        "left.set(scale=5.0)\nright.set(scale=5.0)\n"
        "link = w.jslink((left, 'position'), (right, 'position'))\n"
        "slider = w.FloatRangeSlider(min=0, max=255)\n"
        "link2 = w.jslink((left.layers['em'], 'window'), (slider, 'value'))\n"
        "w.VBox([slider, w.HBox([left, right])])"
    )
    ask = "print(left.position == right.position, len({*left.tile_ids.values(), *right.tile_ids.values()}))"
    window = "slider.value = (20, 90)\nprint(left.state['layers'][0]['window'])"
    notebook, _ = start(lab, browser, "two", folder, code, ask, "left.goto(5, 20, 30, unit='voxel')", window)
    notebook.run(2)
    left, right = Shown(notebook, 2, 0), Shown(notebook, 2, 1)
    for one in (left, right):
        one.idle()
    notebook.run(4)
    right.until("v => JSON.stringify(v.state.position) === '[55,205,305]'")
    right.idle()
    told(notebook, 3, "True 1")
    left.press(".")
    right.until("v => v.state.position[0] === 65")
    np.testing.assert_array_equal(left.pixels(), right.pixels())
    notebook.run(5)
    left.until("v => JSON.stringify(v.state.layers[0].window) === '[20,90]'")


def test_what_is_written_is_seen(lab: Lab, browser: Browser, folder: Path) -> None:
    write = "ndlab.open(folder / 'em.zarr').write(ndlab.Box((25, 0, 0), (26, 50, 100)), 255)"
    wait = (
        "import time\nend = time.time() + 20\n"
        "while view.infos['em']['version'] == old and time.time() < end: time.sleep(0.1)"
    )
    write = f"old = view.infos['em']['version']\n{write}"
    notebook, shown = start(lab, browser, "written", folder, write, wait, "keep(view)")
    before = shown.pixels()
    notebook.run(2)
    assert notebook.text(3) == ""
    alike(shown, 4, folder)
    assert (before != shown.pixels()).mean() > 0.05


def test_a_brush_in_the_page_paints_voxels_and_undoes_them(lab: Lab, browser: Browser, folder: Path) -> None:
    prepare = "before = cells.read()\nview.set(tool='brush')"
    ask = (
        "changed = np.argwhere(cells.read() != before)\n"
        "print(len(changed) > 20, sorted({int(voxel[0]) for voxel in changed}))"
    )
    notebook, shown = start(lab, browser, "brush", folder, prepare, ask, "keep(view)")
    notebook.run(2)
    shown.until("v => v.state.tool === 'brush'")
    (x0, y0), (x1, y1) = shown.at((25, 40, 60)), shown.at((25, 60, 100))
    notebook.page.mouse.move(x0, y0)
    notebook.page.mouse.down()
    notebook.page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2, steps=5)
    notebook.page.mouse.move(x1, y1, steps=5)
    notebook.page.mouse.up()
    told(notebook, 3, "True [25]")
    alike(shown, 4, folder)
    shown.press("u")
    told(notebook, 3, "False []")
    alike(shown, 4, folder)


def test_a_screenshot_is_what_is_on_the_page(lab: Lab, browser: Browser, folder: Path) -> None:
    take = (
        "shot = view.screenshot()\nshot.save(folder / 'shot.png')\n"
        "found = np.asarray(Image.open(folder / 'shot.png').convert('RGB')).astype(int)\n"
        "want = view.render()[..., :3]\n"
        "print(shot.source, found.shape == want.shape, int(np.abs(found - want).max()) <= 2)"
    )
    notebook, _ = start(lab, browser, "shot", folder, take)
    assert notebook.text(2).strip() == "page True True"


def test_after_a_restart_the_same_cells_show_it_again(lab: Lab, browser: Browser, folder: Path) -> None:
    notebook, shown = start(lab, browser, "restart", folder, "keep(view)")
    before = shown.pixels()
    notebook.restart()
    notebook.ready()
    notebook.run(0)
    notebook.run(1)
    again = Shown(notebook, 1)
    alike(again, 2, folder)
    assert again.ask("v => v.status.transport") == "http"
    np.testing.assert_array_equal(again.pixels(), before)


def test_a_volume_alone_and_a_notebook_without_its_kernel(lab: Lab, browser: Browser, folder: Path) -> None:
    notebook, _ = start(lab, browser, "alone", folder, "em")
    notebook.run(2)
    alone = Shown(notebook, 2)
    assert alone.pixels().std() > 5
    notebook.command("docmanager:save")
    notebook.page.wait_for_timeout(1000)
    import nbformat

    saved = nbformat.read(lab.folder / "alone.ipynb", 4)
    data = saved.cells[2].outputs[0].data
    assert "medulla" in data["text/html"] or "em.zarr" in data["text/html"]
    picture = base64.b64decode(data["image/png"])
    assert picture[:4] == b"\x89PNG"
