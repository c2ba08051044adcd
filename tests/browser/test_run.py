"""The widget of a Run in a real JupyterLab: what the page shows is what the kernel knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ndlab import samples
from tests.browser.lab import Lab, Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

# A page takes its time on a machine that does other things too.
pytestmark = pytest.mark.timeout(600)

BLOCKS, BLOCK, SHAPE = (4, 4, 5), (16, 25, 40), (50, 100, 200)

# Every block waits for a file, so that the test says how far the Run gets.
SETUP = """
import time
from pathlib import Path
import numpy as np
from PIL import Image
from ndlab import explore, samples
from ndlab.geometry import Grid
from ndlab.pipeline import Run, Step
from ndlab.volume import Volume

gates = Path("{folder}")
source = np.stack([np.asarray(Image.open(path)) for path in sorted(samples.fibsem_slices().iterdir())])
volume = Volume.from_array(source, samples.FIBSEM_VOXEL_SIZE, name="medulla")
out = Volume.from_array(np.zeros(source.shape, "u1"), samples.FIBSEM_VOXEL_SIZE, name="inverted")

def invert(block, white):
    while block.start[0] >= len(list(gates.glob("slab*"))) * {depth}:
        time.sleep(0.02)
    if (gates / "broken").exists() and block.start == (16, 25, 80):
        raise ValueError("the detector saturated here")
    z, y, x = (slice(a, b) for a, b in zip(block.start, block.stop))
    out.write(block, white - source[z, y, x])
"""
STEP = """
step = Step("invert", invert, {"white": 255}, {"volume": volume}, identity=255)
run = Run(step, Grid(source.shape, {block}), gates / "run.jsonl", workers=2, group=1)
"""
RUN = STEP + "explore.run(run, preview=out)"
# At the end of a cell a Run displays itself, and waits for the button.
SHOW = STEP + "run"


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    folder = tmp_path / "gates"
    folder.mkdir()
    return folder


def let(gates: Path, slabs: int) -> None:
    """Let the Run go on to the end of so many slabs of blocks."""
    for slab in range(slabs):
        (gates / f"slab{slab}").touch()


def cells(gates: Path, *more: str) -> list[str]:
    setup = SETUP.replace("{folder}", str(gates)).replace("{depth}", str(BLOCK[0]))
    return [setup, *(cell.replace("{block}", str(BLOCK)) for cell in (RUN, *more))]


def start(
    lab: Lab, browser: Browser, name: str, gates: Path, *more: str, dark: bool = False
) -> tuple[Notebook, Locator]:
    """Open a notebook, run its first two cells, and return the widget."""
    notebook = lab.open(browser, name, *cells(gates, *more), dark=dark)
    assert notebook.text(0) == ""
    return notebook, shown(notebook.run(1))


def shown(output: Locator) -> Locator:
    widget = output.locator(".ndl-run")
    widget.wait_for()
    return widget


def reach(widget: Locator, phase: str, done: int | None = None) -> None:
    """Wait until the widget says that the Run is in this phase, with so many blocks done."""
    counted = "" if done is None else f" >> xpath=. >> text=/^{done} of 80 blocks/"
    widget.page.locator(f".ndl-run[data-phase={phase}]{counted}").first.wait_for()


def colors(widget: Locator) -> dict[str, tuple[int, int, int]]:
    """What each state looks like in the theme that is on."""
    found: dict[str, tuple[int, int, int]] = {}
    for name in ("waiting", "done", "running", "failed"):
        code = f"e => getComputedStyle(e).getPropertyValue('--ndl-{name}').trim()"
        text: str = widget.evaluate(code)
        found[name] = (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))
    return found


def map_of_blocks(widget: Locator) -> np.ndarray[Any, Any]:
    """Read the state of each block, (z, y, x), off the pixels of the map."""
    widget.locator(".ndl-map[style*=width]").wait_for()  # The states come a moment after the words.
    image: dict[str, Any] = widget.locator(".ndl-map").evaluate(
        """c => ({w: c.width, h: c.height, scale: c.width / parseFloat(c.style.width),
                  data: [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data]})"""
    )
    scale = int(image["scale"])
    pixels = np.array(image["data"], np.uint8).reshape(image["h"], image["w"], 4)[::scale, ::scale]
    palette = colors(widget)
    # All cells lie in one row of slabs here: measure cell and gap instead of taking the layout's word.
    filled = pixels[0, :, 3] > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], filled.astype(int), [0]])))
    starts, stops = edges[::2], edges[1::2]
    assert len(starts) == BLOCKS[0] * BLOCKS[2], "one row of slabs was expected"
    side = int(starts[1] - starts[0])
    states = np.full(BLOCKS, "?", object)
    for z, y, x in np.ndindex(*BLOCKS):
        at = starts[z * BLOCKS[2] + x]
        # A ring or a cross may cover the middle; the corner is what the state is drawn with.
        corner = tuple(pixels[y * side, at, :3].tolist())
        states[z, y, x] = next((name for name, color in palette.items() if color == corner), "?")
    assert stops[0] > starts[0]
    return states


def preview_of(widget: Locator) -> np.ndarray[Any, Any]:
    """Read grey values and opacity, (y, x, 2), off the pixels of the preview."""
    found: dict[str, Any] = widget.locator(".ndl-preview canvas").evaluate(
        "c => ({w: c.width, h: c.height, data: [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]})"
    )
    return np.array(found["data"], np.uint8).reshape(found["h"], found["w"], 4)[..., [0, 3]]


def truth() -> np.ndarray[Any, Any]:
    from PIL import Image

    return 255 - np.asarray(Image.open(sorted(samples.fibsem_slices().iterdir())[25]))


def test_it_shows_a_run_truly_and_stops_and_resumes_it(lab: Lab, browser: Browser, gates: Path) -> None:
    let(gates, 2)
    notebook, widget = start(lab, browser, "steer", gates, "print(6 * 7, run.state.phase)")
    assert widget.locator(".ndl-title").inner_text() == "invert"
    said = widget.locator(".ndl-pair").all_inner_texts()
    assert [re.sub(r"\s+", " ", text) for text in said] == ["volume medulla, 50 × 100 × 200", "white 255"]
    reach(widget, "running", 40)

    # The kernel is free meanwhile.
    assert notebook.text(2).strip() == "42 running"

    states = map_of_blocks(widget)
    assert (states[:2] == "done").all()
    assert set(states[2].ravel()) == {"running", "waiting"}
    assert (states[2].ravel() == "running").sum() == 4  # two threads, and two blocks handed out to each
    assert (states[3] == "waiting").all()
    assert widget.locator("[role=progressbar]").get_attribute("aria-valuenow") == "40"

    picture = preview_of(widget)
    assert (picture[..., 1] == 255).all()
    assert np.corrcoef(picture[..., 0].ravel(), truth().ravel())[0, 1] > 0.99

    widget.get_by_role("button", name="Stop").click()
    reach(widget, "stopping")
    let(gates, 3)
    reach(widget, "stopped")
    done = int(re.match(r"\d+", widget.locator(".ndl-numbers").inner_text())[0])  # type: ignore[index]
    assert 40 < done < 60
    assert (map_of_blocks(widget) == "done").sum() == done

    let(gates, 4)
    widget.get_by_role("button", name="Resume").click()
    reach(widget, "done", 80)
    assert f"{done} done before" in widget.locator(".ndl-numbers").inner_text()
    assert (map_of_blocks(widget) == "done").all()
    assert widget.get_by_role("button").count() == 0

    # A cell of the map says which voxels it stands for.
    widget.locator(".ndl-map").hover(position={"x": 3, "y": 3})
    assert widget.locator(".ndl-hover").inner_text() == ("z 0–16  y 0–25  x 0–40  ·  160 nm × 250 nm × 400 nm  ·  done")
    notebook.page.close()


def test_it_is_stopped_while_a_cell_runs(lab: Lab, browser: Browser, gates: Path) -> None:
    let(gates, 2)
    busy = (
        f"print('begins', flush=True)\nwhile not Path({str(gates / 'enough')!r}).exists():\n    pass\nrun.state.phase"
    )
    notebook, widget = start(lab, browser, "busy", gates, busy)
    reach(widget, "running", 40)
    output = notebook.run(2, wait=False)
    output.get_by_text("begins").wait_for()
    widget.get_by_role("button", name="Stop").click()
    reach(widget, "stopping")
    let(gates, 4)
    reach(widget, "stopped")
    (gates / "enough").touch()
    output.get_by_text("'stopped'").wait_for()
    notebook.page.close()


def test_a_failed_block_is_crossed_out_and_its_traceback_can_be_read(lab: Lab, browser: Browser, gates: Path) -> None:
    let(gates, 4)
    (gates / "broken").touch()
    notebook, widget = start(lab, browser, "fails", gates, dark=True)
    reach(widget, "failed", 79)
    states = map_of_blocks(widget)
    assert states[1, 1, 2] == "failed"
    assert (states == "done").sum() == 79
    assert preview_of(widget)[30, 90].tolist() == [0, 0]
    assert notebook.page.locator(".ndl-run.ndl-dark").count() == 1

    assert not widget.locator(".ndl-trace").first.is_visible()
    widget.get_by_role("button", name="Show failure").click()
    trace = widget.locator(".ndl-trace")
    trace.wait_for()
    assert "ValueError: the detector saturated here" in trace.inner_text()
    assert "in invert" in trace.inner_text()
    assert widget.locator(".ndl-failure summary b").inner_text() == "16:32,25:50,80:120"

    (gates / "broken").unlink()
    widget.get_by_role("button", name="Resume").click()
    reach(widget, "done", 80)
    assert "79 done before" in widget.locator(".ndl-numbers").inner_text()
    notebook.page.close()


def test_colors_follow_the_theme_while_it_runs(lab: Lab, browser: Browser, gates: Path) -> None:
    let(gates, 1)
    notebook, widget = start(lab, browser, "theme", gates)
    reach(widget, "running", 20)
    notebook.command("apputils:change-theme", {"theme": "JupyterLab Light"})
    notebook.page.locator(".ndl-run:not(.ndl-dark)").wait_for()
    light, states = colors(widget), map_of_blocks(widget)
    notebook.command("apputils:change-theme", {"theme": "JupyterLab Dark"})
    notebook.page.locator(".ndl-run.ndl-dark").wait_for()
    assert colors(widget) != light
    assert (map_of_blocks(widget) == states).all()
    let(gates, 4)
    reach(widget, "done")
    notebook.page.close()


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_run_outlives_its_kernel(lab: Lab, browser: Browser, gates: Path, how: str) -> None:
    let(gates, 2)
    notebook, widget = start(lab, browser, how, gates, SHOW, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    reach(widget, "running", 40)
    if how == "restart":
        notebook.restart()
    else:
        notebook.run(3, wait=False)
        notebook.page.locator(".jp-Dialog .jp-mod-accept").click()  # It says that the kernel died.
    reach(widget, "gone")
    assert widget.locator(".ndl-phase").inner_text() == "Kernel gone"
    assert widget.get_by_role("button", name="Stop").count() == 0
    assert (map_of_blocks(widget)[:2] == "done").all()

    # The next kernel finds what was done, does nothing by itself, and goes on when told to.
    notebook.ready()
    notebook.run(0)
    widget = shown(notebook.run(2))
    notebook.page.locator(".ndl-run[data-phase=stopped]").wait_for()
    assert re.match(r"40 of 80 blocks", widget.locator(".ndl-numbers").inner_text())
    assert (map_of_blocks(widget)[:2] == "done").all()
    assert (map_of_blocks(widget)[2:] == "waiting").all()
    let(gates, 4)
    widget.get_by_role("button", name="Resume").click()
    notebook.page.locator(".ndl-run[data-phase=done]").wait_for()
    assert "40 done before" in widget.locator(".ndl-numbers").inner_text()
    notebook.page.close()


# Functions of a file, which the next kernel can import; blocks wait for files, as above.
STEPS = """
import time
from pathlib import Path

GATES = Path("{folder}")


def invert(image, white):
    slab = 1 + (GATES / "count").stat().st_size // 20
    while slab > len(list(GATES.glob("slab*"))):
        time.sleep(0.02)
    with open(GATES / "count", "ab") as file:
        file.write(b".")
    if slab == 1 and not (GATES / "tried").exists():
        (GATES / "tried").touch()
        raise OSError("the server is busy")
    return white - image
"""
BEGIN = """
import ndlab
from ndlab import explore
from ndlab.pipeline import BlockStep
import steps{number} as steps
raw = ndlab.ingest(ndlab.samples.fibsem_slices(), "raw{number}.ome.zarr", voxel_size=(10, 10, 10))
step = BlockStep("invert", steps.invert, {"white": 255}, inputs=raw, output="out{number}.ome.zarr", dtype="u1")
explore.run(step.plan(block={block}, workers=1, group=1, retries=1))
"""
AGAIN = """
from ndlab import explore
explore.run("out{number}.ome.zarr")
"""
MISSING = """
from ndlab import explore
explore.run("nothing.ome.zarr")
"""


def test_a_run_is_found_again_by_what_it_wrote(lab: Lab, browser: Browser, gates: Path) -> None:
    let(gates, 2)
    (gates / "count").touch()
    (lab.folder / "steps1.py").write_text(STEPS.replace("{folder}", str(gates)))
    begin, again = (cell.replace("{number}", "1").replace("{block}", str(BLOCK)) for cell in (BEGIN, AGAIN))
    notebook = lab.open(browser, "again", begin, again, MISSING)
    widget = shown(notebook.run(0))
    reach(widget, "running")
    # A block that was tried again is counted while the run goes on.
    widget.locator(".ndl-numbers", has_text="1 retried").wait_for()
    widget.locator(".ndl-numbers", has_text=re.compile("^(38|39|40) of 80 blocks")).wait_for()
    assert "1 retried" in widget.locator(".ndl-numbers").inner_text()
    notebook.restart()
    reach(widget, "gone")
    assert "explore.run(" in widget.locator(".ndl-code code").inner_text()
    notebook.ready()

    # Another kernel, which knows the address alone: it looks, and starts nothing.
    widget = shown(notebook.run(1))
    notebook.page.locator(".ndl-run[data-phase=stopped]").wait_for()
    done = int(re.match(r"\d+", widget.locator(".ndl-numbers").inner_text())[0])  # type: ignore[index]
    assert 37 < done < 41
    assert "1 retried" in widget.locator(".ndl-numbers").inner_text()
    assert (map_of_blocks(widget) == "done").sum() == done
    assert widget.locator(".ndl-pair").first.inner_text().startswith("volume")
    assert "start=True" in widget.locator(".ndl-code code").inner_text()
    widget.locator(".ndl-receipt summary").click()
    assert "invert(white=255)" in widget.locator(".ndl-receipt-text").inner_text()
    assert "it was killed" in widget.locator(".ndl-receipt-text").inner_text()

    let(gates, 9)
    widget.get_by_role("button", name="Resume").click()
    notebook.page.locator(".ndl-run[data-phase=done]").wait_for()
    assert f"{done} done before" in widget.locator(".ndl-numbers").inner_text()
    assert "done, 80 of 80 blocks" in widget.locator(".ndl-receipt-text").inner_text()
    assert np.corrcoef(preview_of(widget)[..., 0].ravel(), truth().ravel())[0, 1] > 0.99

    said = notebook.text(2)
    assert "none is recorded in" in said
    assert "start one: explore.run(step.plan())" in re.sub(r"\s+", " ", said)
    notebook.page.close()
