"""What the Image Explorer holds on to: nothing of a thousand planes; of a vast volume no more than of a small one."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.lab import Lab, Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, ElementHandle

pytestmark = pytest.mark.timeout(900)

MIB = 1 << 20
PLANES = 1000
# Each plane is two tiles of 512², so that a thousand of them are twice what the page keeps, and eight times what the
# kernel is allowed here. What either keeps knowingly goes up and down by a tenth, and is left out of account.
PLANE_BYTES = 2 * 512 * 512
KERNEL_CACHE = 64 * MIB
# A sixteenth of a tile for each plane. What comes and goes with any scroll, and stays only by chance of when the
# browser collects, is a few MiB.
PAGE_GROWTH = 16 * MIB
# What nobody holds is given back before it is counted; threads and their arenas come late.
KERNEL_GROWTH = 32 * MIB
# A quarter of what becomes textures: the graphics process returns memory when it likes.
GRAPHICS_GROWTH = PLANES * PLANE_BYTES // 4
# Not one for ten planes.
LISTENERS = NODES = PLANES // 10

STORE = """
import os
os.environ["NDLAB_TILE_CACHE_BYTES"] = "{cache}"
import numpy as np
import ndlab
from ndlab import Box, explore
from ndlab.explore import served
from ndlab.geometry import Calibration
from ndlab.metadata import Multiscale, Scale
from ndlab.store.create import create
about = Multiscale(("z", "y", "x"), (Scale("0", Calibration((10, 10, 10))),), name="long")
create("{folder}/long.ome.zarr", about, [(1792, 512, 1024)], "u1", chunks=[(64, 64, 64)], shards=[None])
long = ndlab.open("{folder}/long.ome.zarr")
# No plane is constant and no two neighbours are alike, yet all of it is small on disk.
rows = np.random.default_rng(0).integers(0, 256, (64, 1, 1024), "u1")
for z in range(0, 1792, 64):
    long.write(Box((z, 0, 0), (z + 64, 512, 1024)), np.broadcast_to(np.roll(rows, z, axis=2), (64, 512, 1024)))
"""
LONG = """
view = explore.image(em=long, height=300)
view.goto(2, 256, 512, unit="voxel")
view.set(scale=20.0)
view
"""
# What nobody holds any more is given back to the system before it is counted.
COUNT = """
import ctypes, gc
gc.collect()
ctypes.CDLL(None).malloc_trim(0)
with open("/proc/self/status") as file:
    resident = 1024 * int(file.read().partition("VmRSS:")[2].split()[0])
print(resident - served.service().stats()["bytes"])
"""


def view_of(notebook: Notebook, cell: int) -> ElementHandle:
    """Return the view that a cell shows, once all of it is drawn."""
    picture = notebook.page.locator(".jp-CodeCell").nth(cell).locator(".ndl-picture")
    picture.wait_for()
    found = picture.evaluate_handle("e => { while (e && !e.ndlabView) e = e.parentElement; return e.ndlabView; }")
    idle(found)  # type: ignore[arg-type]
    return found  # type: ignore[return-value]


def idle(view: ElementHandle) -> None:
    """Wait until all that a view shows is drawn, but not for ever."""
    late = "new Promise((_, no) => setTimeout(() => no(new Error('not drawn in 90 s')), 90000))"
    view.evaluate(f"v => Promise.race([v.idle(), {late}])")


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def kernel_bytes(notebook: Notebook) -> int:
    """Bytes that the kernel holds beside its cache of slabs."""
    return int(notebook.text(2))


def page_holds(cdp: CDPSession, view: ElementHandle, graphics: int) -> dict[str, int]:
    """Bytes of the page beside its cache of tiles, and of its graphics; listeners and nodes; garbage left out."""
    for _ in range(3):
        cdp.send("HeapProfiler.collectGarbage")
    heap, counted = cdp.send("Runtime.getHeapUsage"), cdp.send("Memory.getDOMCounters")
    return {
        "page": int(heap["usedSize"] + heap["backingStorageSize"] - view.evaluate("v => v.stats.cachedBytes")),
        "graphics": resident(graphics),
        "listeners": int(counted["jsEventListeners"]),
        "nodes": int(counted["nodes"]),
    }


def hold_down(notebook: Notebook, view: ElementHandle, presses: int) -> None:
    """Hold down the key that goes on by one plane, for as many repeats."""
    notebook.page.locator(".ndl-picture").locator("xpath=ancestor-or-self::*[@tabindex][1]").focus()
    for _ in range(presses):
        notebook.page.keyboard.down(".")
        time.sleep(1 / 60)
    notebook.page.keyboard.up(".")
    idle(view)


def depth_of(view: ElementHandle) -> int:
    return int(view.evaluate("v => v.stats.panels[0].layers[0].depth"))


def test_a_scroll_through_a_thousand_planes_leaves_nothing_behind(lab: Lab, browser: Browser, tmp_path: Path) -> None:
    store = STORE.replace("{folder}", str(tmp_path)).replace("{cache}", str(KERNEL_CACHE))
    notebook = lab.open(browser, "leak", store, LONG, COUNT)
    notebook.run(0)
    notebook.run(1)
    view = view_of(notebook, 1)
    cdp = notebook.page.context.new_cdp_session(notebook.page)
    cdp.send("HeapProfiler.enable")
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    graphics = next(int(one["id"]) for one in processes if one["type"] == "GPU")

    # First fill whatever may be full.
    hold_down(notebook, view, 700)
    # JupyterLab makes nodes when a cell is run and when another one gets the focus: neither is to happen in between.
    kernel = kernel_bytes(notebook)
    hold_down(notebook, view, 1)
    before = page_holds(cdp, view, graphics) | {"kernel": kernel}
    first, tiles = depth_of(view), view.evaluate("v => v.stats.tiles")

    hold_down(notebook, view, PLANES)
    assert depth_of(view) == first + PLANES
    # What is not asked for for want of time cannot leak; most of it was.
    assert view.evaluate("v => v.stats.tiles") - tiles > PLANES
    after = page_holds(cdp, view, graphics) | {"kernel": kernel_bytes(notebook)}
    grown = {name: after[name] - before[name] for name in after}
    most = {"page": PAGE_GROWTH, "kernel": KERNEL_GROWTH, "graphics": GRAPHICS_GROWTH, "listeners": LISTENERS,
            "nodes": NODES}  # fmt: skip
    assert {name: by for name, by in grown.items() if by > most[name]} == {}, (grown, after)
    notebook.page.close()


VAST = """
import json, time
from ndlab import explore
from ndlab.explore import served
from ndlab.samples import phantom

def opened(shape):
    view = explore.image(em=phantom(shape, voxel_size=(10, 10, 10)).volume("image"))
    # In the middle, and as far from the edges of tiles in one as in the other.
    view.goto(*(n // 2 // 512 * 512 + 256 for n in shape), unit="voxel")
    view.set(scale=10.0)
    return view

def reads():
    return served.service().stats()["misses"]
"""
OPEN = """
before = reads()
view{n} = opened({shape})
view{n}
"""
# Once what is read ahead was read, too.
READ = """
found = reads() - 1
while found != reads():
    found = reads()
    time.sleep(1)
print(json.dumps(found - before))
"""


def test_a_vast_volume_opens_with_as_many_reads_as_a_small_one(lab: Lab, browser: Browser) -> None:
    shapes = [(1024, 2048, 2048), (100_000, 1_000_000, 1_000_000)]
    opens = [OPEN.format(n=n, shape=shape) for n, shape in enumerate(shapes)]
    notebook = lab.open(browser, "vast", VAST, opens[0], READ, opens[1], READ)
    notebook.run(0)
    found: list[dict[str, Any]] = []
    for cell in (1, 3):
        notebook.run(cell)
        view = view_of(notebook, cell)
        stats = view.evaluate("v => v.stats")
        data = view.evaluate("v => { const {data} = v.pixels(); return [...new Set(data)].length; }")
        found.append({"reads": json.loads(notebook.text(cell + 1)), "data": data, **stats})
    small, vast = found
    assert small["data"] > 50
    assert vast["data"] > 50
    # How much was read ahead by then differs by a tile or two; the volumes differ by nine orders of magnitude.
    assert 0 < vast["cached"] <= 2 * small["cached"]
    assert 0 < vast["bytes"] <= 2 * small["bytes"]
    assert 0 < vast["reads"] <= 2 * small["reads"]
    notebook.page.close()
