"""Neuroglancer itself, as its Python package carries it, on what `ndlab serve` serves: what it draws is the data.

A view's own link opens it, once on the volume that is made on the fly (precomputed), once on the raw Zarr; nothing but
the loopback is asked.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from ndlab import explore, render, samples
from ndlab.ingesting import ingest
from ndlab.serve.app import make_site, serving
from ndlab.serve.limits import Access, Rate
from ndlab.volume import open as open_volume

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response

    from ndlab.explore.image_widget import ImageView

pytestmark = pytest.mark.timeout(300)

Array = np.ndarray[Any, Any]
# Voxels that are longer along z, in a volume that begins elsewhere than at 0; ids that no float tells apart.
SIZE, OFFSET, BASE = (30.0, 10.0, 10.0), (600.0, 200.0, 100.0), 720575996132767000
STACK: Array = np.stack([np.asarray(Image.open(path)) for path in sorted(samples.fibsem_slices().iterdir())])
IDS: Array = samples.fibsem_labels().astype("u8") + np.uint64(BASE) * (samples.fibsem_labels() > 0)
Z = 31


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("neuroglancer")
    ingest(STACK, found / "em.zarr", voxel_size=SIZE, offset=OFFSET)
    ingest(IDS, found / "cells.zarr", voxel_size=SIZE, offset=OFFSET, kind="labels")
    return found


@pytest.fixture(scope="module")
def client() -> Iterator[str]:
    """Serve Neuroglancer's page, as its package does, and return its address."""
    import neuroglancer

    neuroglancer.set_server_bind_address("127.0.0.1")
    viewer = neuroglancer.UnsynchronizedViewer()
    yield viewer.get_viewer_url().partition("/#")[0]
    neuroglancer.stop()


def origin(client: str) -> str:
    return f"http://{urlsplit(client).netloc}"


@contextmanager
def data(folder: Path, *cors: str, rate: float = 1000) -> Iterator[str]:
    """Serve the folder as `ndlab serve --public em cells --cors ORIGIN` does; yield its address."""
    access = Access(token="nobody has it", public=("em", "cells"), rate=Rate(rate), cors=cors)
    with serving(make_site(str(folder), access)) as server:
        yield server.url


def viewed(folder: Path, source: str, server: str, name: str) -> ImageView:
    """Return a view of one store, from disk or by the address of its raw Zarr."""
    volume = open_volume(folder / f"{name}.zarr" if source == "precomputed" else f"{server}/v1/zarr/{name}")
    view = explore.image({name: volume})
    view.goto(Z, 40, 90, unit="voxel")
    return view


@dataclass
class Shown:
    """Neuroglancer on a page, and what it was answered from `server`."""

    page: Page
    server: str
    answers: list[tuple[int, str]] = field(default_factory=list)

    def note(self, answer: Response) -> None:
        if answer.url.startswith(self.server):
            self.answers.append((answer.status, answer.url.removeprefix(self.server)))

    def open(self, url: str) -> None:
        """Open a link; return once all that it shows is drawn."""
        self.page.on("response", self.note)
        self.page.goto(url)
        self.page.wait_for_function("window.viewer?.layerManager.managedLayers.every(one => one.isReady())")
        self.page.wait_for_function("window.viewer.isReady()")

    def picture(self) -> tuple[Array, float, float]:
        """Return what it has drawn, RGB, and the row and column in it of the position that it is centred at."""
        area = self.page.locator(".neuroglancer-rendered-data-panel").first.bounding_box()
        assert area is not None
        shot = np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))
        return shot, area["y"] + area["height"] / 2, area["x"] + area["width"] / 2

    def voxels(self, shape: Sequence[int], scale: float) -> tuple[Array, Array]:
        """Return the colour at the centre of each voxel (y, x) of the plane, and which of them are in sight.

        `scale` is how many voxels a pixel is wide.
        """
        shot, row, column = self.picture()
        _, y, x = np.array(self.page.evaluate("[...window.viewer.position.value]"))[::-1] - np.divide(OFFSET, SIZE)
        rows, columns = (np.arange(shape[0]) + 0.5 - y) / scale + row, (np.arange(shape[1]) + 0.5 - x) / scale + column
        # Bars of the page above, the scale bar below.
        seen = ((rows > 80) & (rows < 630))[:, None] & ((columns > 30) & (columns < 850))[None, :]
        at = np.ix_(rows.astype(int).clip(0, len(shot) - 1), columns.astype(int).clip(0, shot.shape[1] - 1))
        return shot[at].astype(int), seen


@contextmanager
def page_of(browser: Browser, server: str) -> Iterator[Shown]:
    page = browser.new_page(viewport={"width": 900, "height": 700})
    page.set_default_timeout(60_000)
    yield Shown(page, server)
    page.close()


def chunks(shown: Shown) -> list[int]:
    """Return the statuses of all chunks that were asked for."""
    return [status for status, path in shown.answers if "/c/" in path or path.rpartition("/")[2].count("_") == 2]


@pytest.mark.parametrize("source", ["precomputed", "zarr"])
def test_every_voxel_of_the_plane_has_its_grey(browser: Browser, folder: Path, client: str, source: str) -> None:
    with data(folder, origin(client)) as server, page_of(browser, server) as shown:
        view = viewed(folder, source, server, "em")
        link = view.neuroglancer(server=server, base=client)
        assert link.state["layers"][0]["source"].startswith(f"{source}://{server}/")
        shown.open(link.url)
        found, seen = shown.voxels(STACK.shape[1:], link.state["crossSectionScale"])
        want = render.to_bytes(STACK[Z], view.layers["em"].window)
        assert seen.mean() > 0.5
        assert (found.max(axis=-1) - found.min(axis=-1))[seen].max() == 0, "grey"
        assert np.abs(found[..., 0] - want)[seen].max() <= 1
        assert want[seen].std() > 30
        assert abs(found[..., 0][seen].mean() - want[seen].mean()) < 0.5
        assert set(chunks(shown)) <= {200, 206}
        assert len(chunks(shown)) > 1
        space = shown.page.evaluate(
            "window.viewer.layerManager.managedLayers[0].layer.dataSources[0].loadState.transform.value.outputSpace"
        )
        sizes = dict(zip(space["names"], space["scales"], strict=True))
        assert sizes == pytest.approx(dict(zip("zyx", np.multiply(SIZE, 1e-9), strict=True)), rel=1e-6)
        assert set(space["units"]) == {"m"}


@pytest.mark.parametrize("source", ["precomputed", "zarr"])
def test_ids_beyond_what_a_float_holds_are_told_apart(browser: Browser, folder: Path, client: str, source: str) -> None:
    names, counts = np.unique(IDS[Z], return_counts=True)
    chosen = names[counts.argsort()[-3:]]
    chosen = chosen[chosen > 0][-1]
    with data(folder, origin(client)) as server, page_of(browser, server) as shown:
        view = viewed(folder, source, server, "cells")
        view.selection = {"cells": [str(chosen)]}
        view.layers["cells"].isolated = True
        link = view.neuroglancer(server=server, base=client)
        shown.open(link.url)
        found, seen = shown.voxels(IDS.shape[1:], link.state["crossSectionScale"])
        colours, which = np.unique(found[seen], axis=0, return_inverse=True)
        assert len(colours) == 2, "one colour for the one that is selected, nothing for all others"
        inside = which.ravel() == which.ravel()[(IDS[Z][seen] == chosen).argmax()]
        assert (inside == (IDS[Z][seen] == chosen)).all()
        assert set(chunks(shown)) <= {200, 206}


def test_both_at_once_as_the_view_shows_them(browser: Browser, folder: Path, client: str) -> None:
    with data(folder, origin(client)) as server, page_of(browser, server) as shown:
        view = explore.image(em=open_volume(folder / "em.zarr"), cells=open_volume(folder / "cells.zarr"))
        view.goto(Z, 40, 90, unit="voxel")
        link = view.neuroglancer(server=server, base=client)
        assert not link.notes
        shown.open(link.url)
        found, seen = shown.voxels(IDS.shape[1:], link.state["crossSectionScale"])
        coloured = found.max(axis=-1) - found.min(axis=-1) > 8
        assert coloured[seen & (IDS[Z] > 0)].mean() > 0.95
        assert not coloured[seen & (IDS[Z] == 0)].any(), "the EM alone where no cell is"
        grey = render.to_bytes(STACK[Z], view.layers["em"].window)
        assert np.abs(found[..., 0] - grey)[seen & (IDS[Z] == 0)].max() <= 1


def test_whoever_asks_too_often_waits_and_sees_it_all(browser: Browser, folder: Path, client: str) -> None:
    with data(folder, origin(client), rate=1) as server, page_of(browser, server) as shown:
        view = viewed(folder, "precomputed", server, "em")
        link = view.neuroglancer(server=server, base=client)
        shown.open(link.url)
        assert 429 in {status for status, _ in shown.answers}
        found, seen = shown.voxels(STACK.shape[1:], link.state["crossSectionScale"])
        assert np.abs(found[..., 0] - render.to_bytes(STACK[Z], view.layers["em"].window))[seen].max() <= 1


def test_a_page_that_is_not_allowed_sees_nothing(browser: Browser, folder: Path, client: str) -> None:
    with data(folder, "https://elsewhere.example") as server, page_of(browser, server) as shown:
        view = viewed(folder, "precomputed", server, "em")
        with shown.page.expect_event("requestfailed", lambda one: one.url.startswith(server)) as failed:
            shown.page.goto(view.neuroglancer(server=server, base=client).url)
        assert failed.value.failure == "net::ERR_FAILED"
        shown.page.wait_for_timeout(1000)
        assert not chunks(shown)
        shot, _, _ = shown.picture()
        assert shot[150:500, 100:800].std() < 1
