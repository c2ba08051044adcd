"""The same picture by each way that tiles take to a page, in one run: streamed, read by the page itself, by messages.

A page of 1024 x 1024 pixels in Debian's Chromium goes through planes of a store of 64^3 chunks, each drawn exactly
before the next is asked for. Graphics are drawn by software here, which all three share.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from harness import Bench, arguments, em, scratch

import ndlab
from ndlab.explore.layers import Source
from ndlab.ingesting import ingest
from ndlab.serve.tiles import TileService

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.browser.image_page import site, wait
from tests.browser.lab import chromium
from tests.browser.test_image_core import ENDPOINT, VOXEL
from tests.browser.test_image_zarr import WebStand, stores

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIDE, DEPTH, PLANES = 1024, 192, 48
WAYS = {"http": {"endpoint": ENDPOINT}, "zarr": {"transport": "zarr"}, "comm": {"transport": "comm"}}
# Planes one after the other; what is fetched ahead may be there already, as for a person.
SCROLL = """async (planes) => {
    const view = window.views[0];
    for (let i = 0; i < planes; i++) {
        view.update((s) => ({...s, position: [s.position[0] + 8, ...s.position.slice(1)]}));
        await view.idle();
    }
}"""


def shown(page: Page, stand: WebStand, way: str) -> tuple[float, float]:
    """Return seconds to the first picture, and planes a second from then on."""
    state = stand.state({"id": "em"}, scale=8.0)
    state["position"][0] = 4.0
    began = time.perf_counter()
    stand.open(page, state, **WAYS[way])  # type: ignore[arg-type]
    wait(page)
    first = time.perf_counter() - began
    assert page.evaluate("window.views[0].status.transport") == way
    began = time.perf_counter()
    page.evaluate(SCROLL, PLANES)
    stand.check(page, page.evaluate("window.views[0].state"))
    return first, PLANES / (time.perf_counter() - began)


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("ways", options)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        ingest(np.ascontiguousarray(em((DEPTH, SIDE, SIDE), options.data)), folder / "em.zarr", voxel_size=VOXEL)
        url = stack.enter_context(stores(folder))
        service = stack.enter_context(TileService())
        found = stack.enter_context(site(service))
        stand = WebStand(found, {"em": Source("em", "image", ndlab.open(f"{url}/em", kind="image"))})
        page = stack.enter_context(chromium()).new_page(viewport={"width": SIDE, "height": SIDE + 200})
        style = f".view {{ width: {SIDE}px !important }} .ndi-stage {{ height: {SIDE}px !important }}"
        page.add_init_script(
            "addEventListener('DOMContentLoaded', () => document.head.insertAdjacentHTML('beforeend',"
            f" '<style>{style} .ndi-side {{ display: none !important }}</style>'));"
        )
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _ in range(1 if bench.quick else 5):
            for way in random.sample(list(WAYS), len(WAYS)):
                times[way].append(shown(page, stand, way))
        rows = {
            way: {"first_s": statistics.median(a for a, _ in all_), "planes_s": statistics.median(b for _, b in all_)}
            for way, all_ in times.items()
        }
        bench.table(f"{PLANES} planes of {SIDE} x {SIDE}, medians of {len(times['http'])} rounds", rows)
        ratio = rows["zarr"]["planes_s"] / rows["comm"]["planes_s"]
        bench.aim("planes read by the page to those by messages", ratio, least=1)
        bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
