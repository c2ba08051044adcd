"""A page that reads stores itself: no server of tiles, no kernel; its pixels are the voxels all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr

import ndlab
from ndlab.explore.layers import Source
from ndlab.explore.stored import stored
from ndlab.ingesting import ingest
from ndlab.serve.app import make_site, serving
from ndlab.serve.limits import Access
from ndlab.serve.tiles import TileService
from tests.browser.image_page import STATIC, pixels, site, wait
from tests.browser.test_image import Shown, alike, cells_of, told
from tests.browser.test_image_core import BIG, VOXEL, Stand, cells, check_hatched, difference, em, frame, half_written

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.lab import Lab

pytestmark = pytest.mark.timeout(300)

READER = (STATIC / "zarr.js").read_text(encoding="utf-8")
SHAPE = (6, 150, 170)


def voxels(dtype: str) -> np.ndarray[Any, Any]:
    """EM as values of a type, beyond a byte where it has more."""
    grey = em()[:6, : SHAPE[1], : SHAPE[2]]
    kind = np.dtype(dtype)
    found: np.ndarray[Any, Any] = (
        (grey / 255.0) ** 2 if kind.kind == "f" else grey * (1.0 if kind.itemsize == 1 else 100)
    )
    return found.astype(kind)


_GZIP = {"name": "gzip", "configuration": {"level": 3}}
_BLOSC: dict[str, Any] = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
# What zarr-python is asked to write: an independent hand, with every codec and layout that the page can read.
STORES: dict[str, tuple[str, dict[str, Any]]] = {
    "v3 plain": ("uint8", {"zarr_format": 3, "compressors": None}),
    "v3 gzip": ("uint16", {"zarr_format": 3, "compressors": _GZIP}),
    "v3 zstd": ("float32", {"zarr_format": 3}),
    "v3 big end": ("uint16", {"zarr_format": 3, "serializer": {"name": "bytes", "configuration": {"endian": "big"}}}),
    "v3 turned": ("uint8", {"zarr_format": 3, "filters": {"name": "transpose", "configuration": {"order": [2, 0, 1]}}}),
    "v3 shards": ("uint8", {"zarr_format": 3, "shards": (4, 128, 128)}),
    "v3 shards of real": ("float64", {"zarr_format": 3, "shards": (4, 128, 128), "compressors": _GZIP}),
    "v2 blosc": ("uint16", {"zarr_format": 2, "compressors": _BLOSC}),
    "v2 blosc bits": ("int16", {"zarr_format": 2, "compressors": _BLOSC | {"cname": "zstd", "shuffle": 2}}),
    "v2 gzip dots": ("uint8", {"zarr_format": 2, "compressors": {"id": "gzip", "level": 1},
                               "chunk_key_encoding": {"name": "v2", "separator": "."}}),
    "v2 zlib columns first": ("uint32", {"zarr_format": 2, "order": "F", "compressors": {"id": "zlib", "level": 1}}),
}  # fmt: skip


@contextmanager
def stores(folder: Path, **options: Any) -> Iterator[str]:
    """Yield the address under which `ndlab serve` serves the stores of a folder to pages of any site."""
    with serving(make_site(str(folder), Access(open=True, cors=("*",)), **options)) as server:
        yield f"{server.url}/v1/zarr"


class WebStand(Stand):
    """What the page is told of volumes that lie on the web."""

    def __init__(self, found: Any, sources: dict[str, Source]) -> None:
        super().__init__(found, sources)
        for name, source in sources.items():
            if source.volume is not None and (where := stored(source.volume, source.kind == "labels")) is not None:
                self.infos[name] |= {"stored": where}

    def open(self, page: Page, state: dict[str, Any], views: int = 1, endpoint: Any = None, **traits: Any) -> None:
        # All of them, whatever the state shows first.
        kept = {"state": state, "infos": self.infos, "endpoint": endpoint, "height": 480, "reader": READER}
        self.site.open(page, {**kept, **traits}, views)
        wait(page)


def show(page: Page, state: dict[str, Any]) -> None:
    page.evaluate("(s) => window.views[0].update(() => s)", state)
    wait(page)


def carrier(page: Page) -> Any:
    return page.evaluate("window.views[0].status.transport")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 700, "height": 560})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def test_without_server_and_kernel_every_layout_of_a_store_is_what_it_holds(page: Page, tmp_path: Path) -> None:
    for name, (dtype, options) in STORES.items():
        array = zarr.create_array(
            tmp_path / f"{name.replace(' ', '-')}.zarr", shape=SHAPE, chunks=(2, 64, 32), dtype=dtype, **options
        )
        array[:] = voxels(dtype)
    with stores(tmp_path) as url, TileService() as service, site(service, kernel=False) as found:
        sources = {
            name: Source(name, "image", ndlab.open(f"{url}/{name.replace(' ', '-')}", kind="image", axes="zyx"))
            for name in STORES
        }
        stand = WebStand(found, sources)
        assert all("stored" in stand.infos[name] for name in STORES), "each of them is a page's to read"
        states = {
            name: stand.state({"id": name}, scale=0.5, layout=layout)
            for name, layout in zip(STORES, ["xy", "xz", "yz", "three"] * 3, strict=False)
        }
        first, *rest = states.values()
        stand.open(page, first)
        assert carrier(page) == "zarr"
        stand.check(page, first)
        for state in rest:
            show(page, state)
            stand.check(page, state)


def test_ids_of_64_bits_are_exact_and_outlined(page: Page, tmp_path: Path) -> None:
    ids = cells((6, 600, 700))
    ingest(ids, tmp_path / "shards.zarr", voxel_size=VOXEL, kind="labels", levels=2)
    v2 = zarr.create_array(
        tmp_path / "blosc.zarr", shape=ids.shape, chunks=(2, 64, 64), dtype="u8", zarr_format=2, compressors=_BLOSC
    )
    v2[:] = ids
    with stores(tmp_path) as url, TileService() as service, site(service, kernel=False) as found:
        sources = {
            "shards": Source("shards", "labels", ndlab.open(f"{url}/shards", kind="labels")),
            "blosc": Source("blosc", "labels", ndlab.open(f"{url}/blosc", kind="labels", axes="zyx")),
        }
        stand = WebStand(found, sources)
        for name, scale in (("shards", 8.0), ("blosc", 1.0)):
            state = stand.state({"id": name, "style": "both", "opacity": 0.8}, scale=scale)
            stand.open(page, state)
            assert carrier(page) == "zarr"
            stand.check(page, state)
            left, top, _, _ = frame(page)
            x, y = left + 100.5, top + 90.5
            hit = page.evaluate("([x, y]) => window.views[0].pickAt(x, y)", [x, y])[0]
            want = ids[tuple(hit["voxel"])]
            assert hit["id"] == str(want)
            assert int(want) == 0 or int(want) > BIG - 1


def test_a_part_of_a_store_with_times_channels_and_levels_is_read_where_it_lies(page: Page, tmp_path: Path) -> None:
    block = np.stack([np.stack([em()[i : i + 4, :300, :400] + np.uint8(9 * c) for c in range(2)]) for i in range(3)])
    ingest(block, tmp_path / "five.zarr", axes="tczyx", voxel_size=VOXEL, offset=(16, 8, 24), levels=3)
    with stores(tmp_path) as url, TileService() as service, site(service, kernel=False) as found:
        whole = ndlab.open(f"{url}/five", kind="image")
        part = whole.isel(t=slice(1, 3), c=slice(1, 2))[1:4, 40:280, 60:380]
        stand = WebStand(found, {"part": Source("part", "image", part)})
        state = stand.state({"id": "part"}, scale=4.0)
        stand.open(page, state)
        for patch in ({}, {"t": 1}, {"scale": 16.0}, {"layout": "three", "scale": 8.0}):
            state = {**state, **patch}
            show(page, state)
            stand.check(page, state)
        assert carrier(page) == "zarr"


def test_the_kernel_is_asked_before_the_store_and_the_store_before_it_where_that_is_wished(
    page: Page, tmp_path: Path
) -> None:
    ingest(em()[:4, :200, :200], tmp_path / "em.zarr", voxel_size=VOXEL)
    asked: list[str] = []
    with stores(tmp_path) as url, TileService() as service, site(service) as found:
        stand = WebStand(found, {"em": Source("em", "image", ndlab.open(f"{url}/em", kind="image"))})
        state = stand.state({"id": "em"}, scale=4.0)
        page.on("request", lambda request: asked.append(request.url))
        for endpoint, want in (({"path": "ndlab/v1/k/0123/"}, "http"), (None, "comm")):
            stand.open(page, state, endpoint=endpoint)
            assert carrier(page) == want
            assert not any("/v1/zarr/" in one for one in asked)
        stand.open(page, state, endpoint={"path": "ndlab/v1/k/0123/"}, transport="zarr")
        assert carrier(page) == "zarr"
        stand.check(page, state)
        assert any("/v1/zarr/" in one for one in asked)
        assert page.evaluate("window.model.get('status').transport") == "zarr"


def test_what_no_page_can_read_says_so_and_the_rest_is_shown(page: Page, tmp_path: Path) -> None:
    ingest(em()[:4, :200, :200], tmp_path / "em.zarr", voxel_size=VOXEL)
    ids = ndlab.Volume.from_array(cells((4, 200, 200)), VOXEL, kind="labels")
    with stores(tmp_path) as url, TileService() as service, site(service, kernel=False) as found:
        stand = WebStand(found, {"em": Source("em", "image", ndlab.open(f"{url}/em", kind="image")),
                                 "ids": Source("ids", "labels", ids)})  # fmt: skip
        state = stand.state({"id": "em"}, {"id": "ids"}, scale=4.0)
        stand.open(page, state)
        told = page.evaluate("window.views[0].status.layers")
        assert told["em"]["trouble"] is None
        assert "nowhere that a page can read" in told["ids"]["trouble"]
        alone = stand.state({"id": "em"}, scale=4.0)
        show(page, alone)
        stand.check(page, alone)


def test_a_server_that_lets_no_page_in_is_named_and_so_is_a_chunk_that_is_damaged(page: Page, tmp_path: Path) -> None:
    ingest(em()[:4, :200, :200], tmp_path / "em.zarr", voxel_size=VOXEL)
    with TileService() as service, site(service, kernel=False) as found:
        with serving(make_site(str(tmp_path), Access(open=True))) as closed:
            stand = WebStand(found, {"em": Source("em", "image", ndlab.open(f"{closed.url}/v1/zarr/em", kind="image"))})
            state = stand.state({"id": "em"}, scale=4.0)
            stand.open(page, state)
            assert "CORS" in page.evaluate("window.views[0].status.layers.em.trouble")
        with stores(tmp_path) as url:
            for path in (tmp_path / "em.zarr").rglob("c/*"):
                for file in path.rglob("*"):
                    if file.is_file():
                        file.write_bytes(b"\x07" * file.stat().st_size)
            stand = WebStand(found, {"em": Source("em", "image", ndlab.open(f"{url}/em", kind="image"))})
            stand.open(page, state)
            assert "damaged" in page.evaluate("window.views[0].status.layers.em.trouble")


def test_chunks_that_no_store_has_are_hatched_one_by_one(page: Page, tmp_path: Path) -> None:
    _, _, missing = half_written(tmp_path / "half.zarr")
    with stores(tmp_path) as url, TileService() as service, site(service, kernel=False) as found:
        stand = WebStand(found, {"em": Source("em", "image", ndlab.open(f"{url}/half", kind="image"))})
        state = stand.state({"id": "em"})
        stand.open(page, state)
        assert carrier(page) == "zarr"
        check_hatched(page, stand, state, missing)


def test_planes_play_from_the_store(page: Page, tmp_path: Path) -> None:
    stack = em()[:, :300, :400]
    ingest(stack, tmp_path / "em.zarr", voxel_size=VOXEL)
    with stores(tmp_path) as url, TileService() as service, site(service, kernel=False) as found:
        stand = WebStand(found, {"em": Source("em", "image", ndlab.open(f"{url}/em", kind="image"))})
        state = stand.state({"id": "em"}, scale=8.0)
        state["position"][0] = 4.0
        stand.open(page, state)
        before = pixels(page)
        page.evaluate("window.views[0].play('z', 30)")
        page.wait_for_function("(z) => window.views[0].state.position[0] > z", arg=8.0 * 20)
        page.evaluate("window.views[0].stop()")
        page.wait_for_timeout(300)
        wait(page)
        now = page.evaluate("window.views[0].state")
        assert now["position"][0] > 160
        stand.check(page, now)
        assert difference(pixels(page), before) > 20


SERVED = """
from ndlab.serve.app import make_site, serving
from ndlab.serve.limits import Access

server = serving(make_site(str(folder), Access(open=True, cors=("*",))))
url = server.__enter__().url + "/v1/zarr"
cells = grey.like(folder / "cells.zarr", dtype="u8", kind="labels")
cells.write(None, ids)
view = explore.image(em=ndlab.open(f"{url}/em"), cells=ndlab.open(f"{url}/cells", kind="labels"), transport="zarr")
view
"""


def test_in_jupyterlab_a_page_reads_a_store_and_python_knows(lab: Lab, browser: Browser, tmp_path: Path) -> None:
    cells_, ask = [SERVED, "view.set(layout='three', scale=5.0)\nkeep(view)"], "print(view.carrier)"
    notebook = lab.open(browser, "stored", cells_of(tmp_path)[0], *cells_, ask)
    assert notebook.text(0) == ""
    notebook.run(1)
    shown = Shown(notebook, 1)
    shown.idle()
    alike(shown, 2, tmp_path)
    assert shown.ask("v => v.status.transport") == "zarr"
    told(notebook, 3, "zarr")
    assert "from the store" in notebook.page.locator(".ndi-link").first.inner_text()
