"""The Image Explorer's picture in a real browser: its pixels are those of the voxels, whatever the state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ndlab import samples
from ndlab.explore import view_state
from ndlab.explore.layers import Source
from ndlab.explore.picture import render
from ndlab.serve.tiles import TileService
from ndlab.volume import Volume
from tests.browser.image_page import Site, pixels, site, wait

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.timeout(300)

VOXEL = (8.0, 8.0, 8.0)
ENDPOINT = {"path": "ndlab/v1/k/0123/"}
BIG = 720575996132767246


def em() -> np.ndarray[Any, Any]:
    """A real stack, repeated until it takes more than one tile."""
    from PIL import Image

    slices = np.stack([np.asarray(Image.open(path)) for path in sorted(samples.fibsem_slices().iterdir())])
    return np.ascontiguousarray(np.tile(slices, (1, 6, 6))[:, :700, :900])


def cells(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Ids beyond 2**53, in blocks that no tile ends with."""
    z, y, x = np.indices(shape)
    number = ((z // 3) * 7 + y // 45) * 31 + x // 37
    return np.where((y // 45 + x // 37) % 5 == 0, 0, BIG + number.astype("u8")).astype("u8")


class Stand:
    """A server with volumes, and what the page and the oracle are told of them."""

    def __init__(self, site: Site, sources: dict[str, Source]) -> None:
        self.site, self.sources = site, sources
        self.infos = {}
        for name, source in sources.items():
            if source.volume is not None:
                key = site.service.add(source.volume)
                self.infos[name] = site.service.info(key) | {"key": key}

    def state(self, *layers: dict[str, Any], **values: Any) -> dict[str, Any]:
        kinds = {name: source.kind for name, source in self.sources.items()}
        first = self.infos[layers[0]["id"]]["levels"][0]
        middle = [
            o + (n // 2 + 0.5) * s for o, n, s in zip(first["offset"], first["shape"], first["voxel_size"], strict=True)
        ]
        given = {
            "position": middle,
            "scale": 8.0,
            "layers": [{"kind": kinds[one["id"]], **one} for one in layers],
            **values,
        }
        return view_state.checked(given, kinds, self.infos)

    def open(self, page: Page, state: dict[str, Any], views: int = 1, endpoint: Any = ENDPOINT, **traits: Any) -> None:
        infos = {layer["id"]: self.infos[layer["id"]] for layer in state["layers"] if layer["id"] in self.infos}
        self.site.open(page, {"state": state, "infos": infos, "endpoint": endpoint, "height": 480, **traits}, views)
        wait(page)

    def oracle(self, state: dict[str, Any], width: int = 640, height: int = 480) -> np.ndarray[Any, Any]:
        return render(state, self.sources, self.infos, width, height)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    grey = em()
    wide = grey.astype("u2") * 200 + 1000
    real = (grey.astype("f4") / 255) ** 2
    real[:, 340:360, 440:460] = np.nan
    sources = {
        "em": Source("em", "image", Volume.from_array(grey, VOXEL, offset=(80, 40, 16))),
        "wide": Source("wide", "image", Volume.from_array(wide, VOXEL, offset=(80, 40, 16))),
        "real": Source("real", "image", Volume.from_array(real, VOXEL, offset=(80, 40, 16))),
        "ids": Source("ids", "labels", Volume.from_array(cells(grey.shape), VOXEL, offset=(80, 40, 16), kind="labels")),
    }
    with TileService() as service, site(service) as found:
        yield Stand(found, sources)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 700, "height": 560})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def difference(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


STATES: dict[str, tuple[tuple[dict[str, Any], ...], dict[str, Any]]] = {
    "as it is": (({"id": "em"},), {}),
    "closer": (({"id": "em"},), {"scale": 2.0}),
    "away": (({"id": "em"},), {"scale": 16.0}),
    "window, gamma, invert, colour": (
        ({"id": "em", "window": [30, 180], "gamma": 1.7, "invert": True, "color": "40C0FF"},),
        {},
    ),
    "16 bits": (({"id": "wide", "window": [5000, 40000]},), {}),
    "reals and NaN": (({"id": "real", "window": [0.1, 0.7], "invert": True},), {}),
    "xz": (({"id": "em"},), {"layout": "xz", "scale": 4.0}),
    "yz": (({"id": "em"},), {"layout": "yz", "scale": 4.0}),
    "three": (({"id": "em"}, {"id": "ids", "opacity": 0.4}), {"layout": "three"}),
    "labels": (({"id": "em"}, {"id": "ids", "opacity": 0.5}), {}),
    "hidden": (({"id": "em"}, {"id": "ids", "hidden": [str(BIG + 260 + i) for i in range(40)]}), {}),
    "isolated": (
        ({"id": "em"}, {"id": "ids", "isolated": True}),
        {"selection": {"ids": [str(BIG + (7 + 8) * 31 + 12), str(BIG + (7 + 7) * 31 + 11)]}},
    ),
    "outline": (({"id": "em"}, {"id": "ids", "style": "outline"}), {}),
    "both": (({"id": "em"}, {"id": "ids", "style": "both", "opacity": 0.7}), {}),
    "additive": (
        ({"id": "em", "color": "FF4000"}, {"id": "wide", "blend": "additive", "color": "0060FF", "opacity": 0.8}),
        {},
    ),
    "subtractive": (({"id": "em"}, {"id": "real", "blend": "subtractive", "window": [0, 1]}), {}),
    "multiply": (({"id": "em"}, {"id": "wide", "blend": "multiply", "opacity": 0.6, "color": "80FF80"}), {}),
    "the plane after next, in another colour": (
        ({"id": "em", "color": "FF0000"}, {"id": "wide", "z_offset": 2, "blend": "additive", "color": "00FFFF"}),
        {},
    ),
    "four layers": (
        (
            {"id": "em"},
            {"id": "wide", "blend": "additive", "opacity": 0.9},
            {"id": "real", "blend": "subtractive", "window": [0, 0.9], "opacity": 0.7},
            {"id": "ids", "opacity": 0.33},
        ),
        {},
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_pixels_are_voxels(stand: Stand, page: Page, name: str) -> None:
    layers, values = STATES[name]
    state = stand.state(*layers, **values)
    stand.open(page, state)
    found, wanted = pixels(page), stand.oracle(state)
    assert len(np.unique(wanted)) > 20, "the oracle shows something"
    assert difference(found, wanted) <= 1
