"""The Image Explorer's picture in a real browser: its pixels are those of the voxels, whatever the state."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ndlab import samples
from ndlab.explore import view_state
from ndlab.explore.layers import Source
from ndlab.explore.picture import render
from ndlab.geometry import Box
from ndlab.ingesting import ingest
from ndlab.serve.tiles import TileService
from ndlab.volume import Volume
from tests.browser.image_page import Site, pixels, site, wait

if TYPE_CHECKING:
    from pathlib import Path

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
    """Ids beyond 2**53, in blocks; some end where a tile does, at 512."""
    z, y, x = np.indices(shape)
    number = ((z // 3) * 7 + y // 45) * 31 + x // 32
    return np.where((y // 45 + x // 32) % 5 == 0, 0, BIG + number.astype("u8")).astype("u8")


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
        # A state that leaves layers out shows them all.
        kinds = {one["id"]: self.sources[one["id"]].kind for one in layers}
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

    def open(self, page: Page, state: dict[str, Any], views: int = 1, endpoint: Any = ENDPOINT, *,
             strict: bool = False, **traits: Any) -> None:  # fmt: skip
        infos = {layer["id"]: self.infos[layer["id"]] for layer in state["layers"] if layer["id"] in self.infos}
        self.site.open(page, {"state": state, "infos": infos, "endpoint": endpoint, "height": 480, **traits}, views,
                       strict=strict)  # fmt: skip
        wait(page)

    def oracle(self, state: dict[str, Any], like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The picture of a state in the size of another."""
        return render(state, self.sources, self.infos, like.shape[1], like.shape[0])

    def check(self, page: Page, state: dict[str, Any], view: int = 0) -> None:
        """Compare what the page shows with the voxels."""
        found = pixels(page, view)
        wanted = self.oracle(state, found)
        assert len(np.unique(wanted)) > 20, "the oracle shows something"
        assert difference(found, wanted) <= 1


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
    # What WebGL refuses it says on the console, and draws nothing.
    page.on("console", lambda said: errors.append(said.text) if "GL_INVALID" in said.text else None)
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
    stand.check(page, state)


# --- how tiles come ---------------------------------------------------------------------------------------------------


def test_the_widget_draws_under_a_policy_by_which_no_text_becomes_code(stand: Stand, page: Page) -> None:
    page.add_init_script("""window.broken = [];
        document.addEventListener('securitypolicyviolation',
            (event) => window.broken.push(event.violatedDirective));""")
    state = stand.state({"id": "em"}, {"id": "ids"})
    stand.open(page, state, strict=True)
    stand.check(page, state)
    assert page.evaluate("window.broken") == []
    # Later, in the page's own time: what a debugger calls may make code of text.
    name = page.evaluate("""() => new Promise(found => setTimeout(() => {
        try { found(new Function('return 1')()); } catch (error) { found(error.name); }
    }))""")
    assert name == "EvalError"
    assert page.evaluate("() => new Promise(found => setTimeout(() => found(window.broken), 200))") == ["script-src"]


def test_a_hub_gets_the_token_of_its_cookie_and_the_address_stands_below_its_base(stand: Stand, page: Page) -> None:
    before = len(stand.site.asked)
    stand.open(page, stand.state({"id": "em"}))
    asked = [one for one in stand.site.asked[before:] if "/ndlab/" in one[0]]
    assert {path for path, _, _ in asked} == {f"/base/ndlab/v1/k/0123/{op}" for op in ("hello", "tiles")}
    assert {headers.get("X-Xsrftoken") for _, _, headers in asked} == {"2|toast|token"}
    assert page.evaluate("window.views[0].status.transport") == "http"
    # All that is seen in one request, and what comes next in it, too.
    key = stand.infos["em"]["key"]
    assert len([path for path, query, _ in asked if path.endswith("tiles") and query["vol"] == key]) == 1


@pytest.mark.parametrize("endpoint", [None, {"path": "ndlab/v1/k/beef/"}], ids=["no address", "nobody there"])
def test_messages_to_the_kernel_bring_the_same_picture(stand: Stand, page: Page, endpoint: Any) -> None:
    state = stand.state({"id": "em"}, {"id": "ids", "opacity": 0.5})
    stand.open(page, state, endpoint=endpoint)
    assert page.evaluate("window.views[0].status.transport") == "comm"
    page.wait_for_timeout(400)
    wait(page)
    stand.check(page, state)


def test_a_dear_link_brings_jpeg_while_it_moves_and_voxels_once_it_stands(stand: Stand, page: Page) -> None:
    state = stand.state(
        {"id": "em"}, {"id": "wide", "blend": "additive", "opacity": 0.5}, {"id": "ids", "opacity": 0.5}
    )
    stand.open(page, state, endpoint=None)
    page.wait_for_timeout(600)
    wait(page)
    page.evaluate("window.model.sent.length = 0")
    step(page, -9)
    wait(page)
    moving = pixels(page)
    page.wait_for_timeout(600)
    wait(page)
    qualities = page.evaluate("window.model.sent.map(([m]) => m).filter((m) => m.t === 'req').map((m) => m.q.q)")
    assert "jpeg75" in qualities
    assert qualities[-1] == "raw"
    there = state | {"position": [state["position"][0] - 72, *state["position"][1:]]}
    stand.check(page, there)
    error = np.abs(moving.astype(int) - stand.oracle(there, moving))
    assert 0 < error.mean() < 8


def test_what_another_site_serves_is_not_asked(stand: Stand, page: Page) -> None:
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url))
    state = stand.state({"id": "em"})
    infos = {"em": stand.infos["em"]}
    stand.site.open(page, {"state": state, "infos": infos, "endpoint": {"path": "https://example.org/ndlab/"}})
    page.wait_for_timeout(500)
    assert [url for url in foreign if not url.startswith(stand.site.url)] == []
    assert page.evaluate("window.views[0].stats.tiles") > 0, "messages are left"


# --- while things change ----------------------------------------------------------------------------------------------


def step(page: Page, planes: int) -> None:
    page.evaluate(
        """(n) => window.views[0].update((s) => ({...s, position: [s.position[0] + 8 * n, ...s.position.slice(1)]}))""",
        planes,
    )


def test_the_plane_before_stays_until_the_next_one_is_there(stand: Stand, page: Page) -> None:
    state = stand.state({"id": "em"}, {"id": "wide", "blend": "additive", "opacity": 0.3})
    stand.open(page, state)
    before = pixels(page)
    found = page.evaluate(
        """() => {
            const view = window.views[0];
            view.update((s) => ({...s, position: [s.position[0] - 24, ...s.position.slice(1)]}));
            const p = view.pixels();
            return [view.stats.panels[0].layers[0].depth, window.base64(p.data)];
        }"""
    )
    assert difference(np.frombuffer(base64.b64decode(found[1]), np.uint8).reshape(before.shape), before) == 0
    wait(page)
    stand.check(page, state | {"position": [state["position"][0] - 24, *state["position"][1:]]})
    assert difference(pixels(page), before) > 20


def test_zooming_shows_what_was_there_until_finer_voxels_come(stand: Stand, page: Page) -> None:
    stand.open(page, stand.state({"id": "em"}))
    found = page.evaluate(
        """() => {
            const view = window.views[0];
            view.update((s) => ({...s, scale: 2, position: [s.position[0], s.position[1] + 900, s.position[2]]}));
            const { data } = view.pixels();
            let black = 0;
            for (let i = 0; i < data.length; i += 4) black += data[i] + data[i + 1] + data[i + 2] === 0;
            return black / (data.length / 4);
        }"""
    )
    assert found < 0.02


def test_colours_and_selection_upload_tables_and_ask_for_nothing(stand: Stand, page: Page) -> None:
    state = stand.state({"id": "em"}, {"id": "ids"})
    stand.open(page, state)
    page.wait_for_timeout(600)
    before = page.evaluate("window.views[0].stats")
    picked = str(BIG + (7 + 7) * 31 + 12)
    changed = {**state, "layers": [state["layers"][0], {**state["layers"][1], "hidden": [picked]}]}
    page.evaluate("(s) => window.views[0].update(() => s)", changed)
    wait(page)
    stand.check(page, changed)
    after = page.evaluate("window.views[0].stats")
    assert after["requests"] == before["requests"]
    assert after["uploads"] - before["uploads"] <= 4, "one table for each tile on show"


def test_a_write_is_seen_and_old_voxels_stay_until_then(browser: Browser, page: Page) -> None:
    volume = Volume.from_array(em()[:4, :300, :300].copy(), VOXEL)
    with TileService() as service, site(service) as found:
        stand = Stand(found, {"em": Source("em", "image", volume)})
        state = stand.state({"id": "em"})
        stand.open(page, state)
        before = pixels(page)
        volume.write(None, 255 - volume.read())
        key = stand.infos["em"]["key"]
        version = service.info(key)["version"]
        assert version != stand.infos["em"]["version"]
        page.evaluate("(v) => window.model.tell('msg:custom', {t: 'changed', layer: 'em', version: v}, [])", version)
        wait(page)
        stand.infos["em"] = {**stand.infos["em"], "version": version}
        stand.check(page, state)
        assert difference(pixels(page), before) > 20


def test_lost_graphics_come_back(stand: Stand, page: Page) -> None:
    state = stand.state({"id": "em"}, {"id": "ids", "style": "both"})
    stand.open(page, state)
    page.evaluate(
        """() => {
            const canvas = document.querySelector(".ndl-picture canvas");
            canvas.getContext("webgl2").getExtension("WEBGL_lose_context").loseContext();
        }"""
    )
    page.wait_for_function("window.views[0].status.lost === true")
    page.wait_for_function("window.views[0].status.lost === false")
    requests = page.evaluate("window.views[0].stats.requests")
    wait(page)
    stand.check(page, state)
    assert page.evaluate("window.views[0].stats.requests") == requests, "voxels are still here"


# --- what cannot be read ----------------------------------------------------------------------------------------------


def is_hatched(picture: np.ndarray[Any, Any]) -> bool:
    """Two colours, neither black nor grey, in stripes of 6 pixels."""
    colours = np.unique(picture.reshape(-1, 4)[:, :3], axis=0)
    flat = picture[..., 0].astype(int)
    return len(colours) == 2 and bool((colours.max(1) - colours.min(1) > 8).all()) and (flat[:-12] == flat[12:]).all()


def test_unreadable_and_missing_voxels_are_striped_and_say_why(page: Page, tmp_path: Path) -> None:
    grey = np.tile(em(), (1, 2, 2))[:2, :1024, :1024]
    volume = ingest(grey, tmp_path / "em.zarr", voxel_size=VOXEL, levels=2)
    broken = [path for path in (tmp_path / "em.zarr").rglob("*") if path.is_file() and "/c/" in path.as_posix()]
    for path in broken:
        path.write_bytes(b"\x07" * 20)
    with TileService() as service, site(service) as found:
        stand = Stand(found, {"em": Source("em", "image", volume)})
        state = stand.state({"id": "em"})
        stand.open(page, state)
        assert is_hatched(pixels(page)[:, 100:500])
        assert page.evaluate("window.views[0].status.layers.em.trouble")
        stand.infos["em"]["levels"] = [{**one, "missing": "nothing is there"} for one in stand.infos["em"]["levels"]]
        stand.open(page, state)
        assert is_hatched(pixels(page)[:, 100:500])
        assert page.evaluate("window.views[0].status.layers.em.trouble") == "level 0: nothing is there"


def half_written(path: Path) -> tuple[Volume, Volume, np.ndarray[Any, Any]]:
    """A store that lacks chunks, the volume that it is part of, and where it lacks them in a plane."""
    whole = Volume.from_array(np.ascontiguousarray(np.tile(em(), (1, 2, 2))[:2, :512, :1024]), VOXEL)
    half = whole.like(path, chunks=(2, 128, 128), shards=None)
    missing = np.zeros((512, 1024), bool)
    missing[:, 640:] = missing[128:384, 384:512] = True
    for y, x in np.argwhere(~missing[::128, ::128]) * 128:
        box = Box((0, y, x), (2, y + 128, x + 128))
        half.write(box, whole.read(box))
    return half, whole, missing


def check_hatched(
    page: Page, stand: Stand, state: dict[str, Any], missing: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Hold a picture at 8 nm a pixel to its voxels, and to hairlines where there are none; return where those are."""
    shown = pixels(page)
    height, width = shown.shape[:2]
    # Voxel (256, 512) stands in the middle.
    where = missing[256 - height // 2 : 256 + height // 2, 512 - width // 2 : 512 + width // 2]
    wanted = stand.oracle(state, shown)
    assert np.abs(shown.astype(int) - wanted)[~where].max() <= 1
    nothing = shown[where][:, :3]
    assert 0 < nothing.max() < 70, "quiet, and no black lie"
    colours, counts = np.unique(nothing, axis=0, return_counts=True)
    assert len(colours) == 2
    assert 8 < counts.max() / counts.min() < 14, "hairlines"
    return where


def test_what_was_never_written_is_hatched_quietly_and_lets_other_images_through(page: Page, tmp_path: Path) -> None:
    half, below, missing = half_written(tmp_path / "half.zarr")
    with TileService() as service, site(service) as found:
        stand = Stand(found, {"em": Source("em", "image", half), "below": Source("below", "image", below)})
        state = stand.state({"id": "em"})
        stand.open(page, state)
        where = check_hatched(page, stand, state, missing)
        assert page.evaluate("window.views[0].status.absent") is True
        assert page.evaluate("window.views[0].status.layers.em.trouble") is None
        page.get_by_text("no data stored here").wait_for()
        left, top, _, _ = frame(page)
        row, column = np.argwhere(where)[len(where) // 2]
        page.mouse.move(left + float(column) + 0.5, top + float(row) + 0.5)
        page.wait_for_function("document.querySelector('.ndi-values').textContent === 'emno data'")
        # Over another image it is not in the way, however it is mixed.
        alone = stand.state({"id": "below"})
        for blend in ("normal", "additive"):
            stand.open(page, stand.state({"id": "below"}, {"id": "em", "blend": blend}))
            shown = pixels(page)
            assert np.abs(shown.astype(int) - stand.oracle(alone, shown))[where].max() <= 1
            assert page.evaluate("window.views[0].status.absent") is False


def test_what_was_never_written_is_hatched_in_planes_that_play(page: Page, tmp_path: Path) -> None:
    half, _, missing = half_written(tmp_path / "half.zarr")
    with TileService() as service, site(service) as found:
        stand = Stand(found, {"em": Source("em", "image", half)})
        state = stand.state({"id": "em"})
        state["position"][0] = 4.0
        stand.open(page, state)
        page.evaluate("window.views[0].play('z', 30)")
        page.wait_for_function("window.views[0].state.position[0] > 8 && !window.views[0].status.playing")
        wait(page)
        check_hatched(page, stand, page.evaluate("window.views[0].state"), missing)


def test_a_missing_level_is_stood_in_for_by_another_and_said(page: Page, tmp_path: Path) -> None:
    volume = ingest(np.tile(em(), (1, 2, 2))[:2, :1024, :1024], tmp_path / "em.zarr", voxel_size=VOXEL, levels=3)
    with TileService() as service, site(service) as found:
        stand = Stand(found, {"em": Source("em", "image", volume)})
        stand.infos["em"]["levels"][1]["missing"] = "it was never made"
        state = stand.state({"id": "em"}, scale=16.0)
        stand.open(page, state)
        told = page.evaluate("window.views[0].status.layers.em")
        assert told == {"level": 0, "levels": 3, "trouble": "level 1: it was never made; level 0 is shown"}
        stand.check(page, state)


# --- picking ----------------------------------------------------------------------------------------------------------


def at(page: Page, state: dict[str, Any], x: float, y: float) -> tuple[int, int, int]:
    """The voxel under a pixel of the picture, at 8 nm a pixel."""
    _, _, width, height = frame(page)
    z, row, column = ((nm - corner) / 8 for nm, corner in zip(state["position"], (80, 40, 16), strict=True))
    return int(z), int(row - height // 2 + y), int(column - width // 2 + x)


def frame(page: Page) -> tuple[float, float, int, int]:
    """Where the picture is on the page, and its size."""
    x, y, width, height = page.evaluate(
        "(() => { const r = window.views[0].picture.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })()"
    )
    return x, y, int(width), int(height)


def picked(page: Page, x: float, y: float) -> Any:
    left, top, _, _ = frame(page)
    return page.evaluate("([x, y]) => window.views[0].pickAt(x, y)", [left + x, top + y])


def test_picks_are_exact(stand: Stand, page: Page) -> None:
    state = stand.state({"id": "em"}, {"id": "wide"}, {"id": "real"}, {"id": "ids"})
    stand.open(page, state)
    page.wait_for_timeout(300)
    wait(page)
    _, _, width, height = frame(page)
    assert width % 2 == height % 2 == 0
    for x, y in [(5, 5), (320, 240), (410, 100), (width - 1, height - 1)]:
        found = picked(page, x + 0.5, y + 0.5)
        assert [one["layer"] for one in found] == ["ids", "real", "wide", "em"]
        z, row, column = at(page, state, x, y)
        for one in found:
            assert one["voxel"] == [z, row, column]
            volume = stand.sources[one["layer"]].volume
            assert volume is not None
            value = volume.read()[z, row, column]
            if one["kind"] == "labels":
                assert one["id"] == str(value)
            else:
                assert one["value"] == pytest.approx(float(value), abs=0, nan_ok=True)


def apart(shapes: np.ndarray[Any, Any], index: int, place: Any) -> None:
    """Put one shape somewhere, and all others that lie near it elsewhere."""
    shapes[index] = place
    near = (np.abs(shapes[:, 1:3] - shapes[index, 1:3]) < 200).all(1)
    near[index] = False
    shapes[near] += 10_000


def text(values: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def test_a_hundred_thousand_points_and_boxes_are_drawn_and_found(stand: Stand, page: Page) -> None:
    rng = np.random.default_rng(4)
    state = stand.state({"id": "em", "opacity": 0.1})
    centre, reach = np.array(state["position"]), np.array([200, 1800, 2400])
    points = rng.uniform(centre - reach, centre + reach, (100_000, 3)).astype("<f4")
    apart(points, 777, centre + np.array([0, 400, 800]))
    low = rng.uniform(centre - reach, centre + reach, (100_000, 3))
    boxes = np.concatenate([low, low + 24], 1).astype("<f4")
    apart(boxes, 5, np.concatenate([centre - [8, 400, 400], centre - [-8, 320, 320]]))
    ids = BIG + np.arange(100_000, dtype="u8")
    shapes = {"spots": {"data": text(points), "ids": text(ids)}, "frames": {"data": text(boxes), "ids": None}}
    shown = {"visible": True, "opacity": 1, "blend": "normal", "channel": 0, "z_offset": 0, "color": "00FF00"}
    layers = [{"id": "frames", "kind": "boxes", **shown}, {"id": "spots", "kind": "points", **shown}]
    state = {**state, "layers": [*state["layers"], *layers], "selection": {"spots": [str(ids[777])]}}
    stand.open(page, state, shapes=shapes)
    picture = pixels(page)
    _, _, width, height = frame(page)
    x, y = width // 2 + 100, height // 2 + 50
    assert picture[y, x, :3].tolist() == [0, 255, 0]
    assert (picture[y - 4 : y + 5, x - 4 : x + 5, :3].min(axis=2) > 200).any(), "what is selected has a white rim"
    found = picked(page, x + 1, y + 1)
    assert [(one["layer"], one["id"]) for one in found][:1] == [("spots", str(ids[777]))]
    inside = picked(page, width // 2 - 45, height // 2 - 45)
    assert ("frames", "6") in [(one["layer"], one["id"]) for one in inside]
    seconds = page.evaluate(
        """() => { const t = performance.now(); for (let i = 0; i < 200; i++) window.views[0].pickAt(20 + i * 3, 200);
                   return (performance.now() - t) / 1000; }"""
    )
    assert seconds < 2, "by a grid, not by looking at each"


# --- the model --------------------------------------------------------------------------------------------------------


def test_state_goes_out_once_it_settled_and_comes_in(stand: Stand, page: Page) -> None:
    state = stand.state({"id": "em"})
    stand.open(page, state)
    page.wait_for_timeout(200)
    saved = page.evaluate("window.model.saved")
    page.evaluate("for (let i = 0; i < 5; i++) window.views[0].update((s) => ({...s, scale: s.scale / 2}))")
    assert page.evaluate("window.model.get('state').scale") == 8
    page.wait_for_timeout(300)
    assert page.evaluate("window.model.get('state').scale") == 0.25
    assert page.evaluate("window.model.saved") == saved + 1
    # Back to what it was: no echo, but a wish.
    page.evaluate("(s) => window.model.set('state', s)", state)
    wait(page)
    stand.check(page, state)
    moved = [state["position"][0], state["position"][1] + 160, state["position"][2]]
    page.evaluate("(p) => window.model.set('position', p)", moved)
    wait(page)
    stand.check(page, state | {"position": moved})
    page.evaluate("window.model.set('selection', {em: ['3']})")
    page.wait_for_timeout(50)
    assert page.evaluate("window.views[0].state.selection") == {"em": ["3"]}
    assert page.evaluate("window.model.get('status').size") == list(frame(page)[2:])


def test_two_views_of_one_model_go_together_and_each_lives_on_alone(stand: Stand, page: Page) -> None:
    state = stand.state({"id": "em"})
    stand.open(page, state, views=2)
    wait(page, 1)
    page.evaluate("window.views[0].update((s) => ({...s, scale: 4}))")
    page.wait_for_timeout(250)
    wait(page, 1)
    stand.check(page, state | {"scale": 4.0}, 0)
    stand.check(page, state | {"scale": 4.0}, 1)
    page.evaluate("window.ends[0]()")
    page.evaluate("window.views[1].update((s) => ({...s, scale: 8}))")
    wait(page, 1)
    stand.check(page, state, 1)


def test_the_kernel_gets_the_picture_it_asks_for(stand: Stand, page: Page) -> None:
    from io import BytesIO

    from PIL import Image

    state = stand.state({"id": "em"}, {"id": "ids"})
    stand.open(page, state)
    page.evaluate("window.model.tell('msg:custom', {t: 'shoot', n: 7}, [])")
    page.wait_for_function("window.model.sent.some(([m]) => m.t === 'shot')")
    number, png = page.evaluate(
        """() => {
            const [message, [buffer]] = window.model.sent.find(([message]) => message.t === "shot");
            return [message.n, window.base64(new Uint8Array(buffer))];
        }"""
    )
    assert number == 7
    with Image.open(BytesIO(base64.b64decode(png))) as picture:
        assert difference(np.asarray(picture.convert("RGBA")), pixels(page)) == 0
        stand.check(page, state)


# --- playing ----------------------------------------------------------------------------------------------------------


def ended(page: Page) -> None:
    """Wait until nothing plays any more; say what is shown if that takes too long."""
    for _ in range(300):
        if not page.evaluate("window.views[0].status.playing"):
            return wait(page)
        page.wait_for_timeout(200)
    pytest.fail(str(page.evaluate("[window.views[0].status, window.views[0].stats]")))


def test_playing_shows_every_plane_in_order_from_one_stream(stand: Stand, page: Page) -> None:
    state = stand.state({"id": "em"}, {"id": "ids", "opacity": 0.5})
    first = 80 + 4.0
    stand.open(page, state | {"position": [first, *state["position"][1:]]})
    before = len(stand.site.asked)
    page.evaluate(
        """() => {
            window.seen = [];
            window.views[0].on("drawn", () => window.seen.push(window.views[0].stats.panels[0].layers[0].depth));
            window.views[0].play("z", 200);
        }"""
    )
    ended(page)
    seen = page.evaluate("window.seen.filter((d, i, all) => i === 0 || d !== all[i - 1])")
    depth = em().shape[0]
    assert seen == list(range(1, depth))
    asked = [path.rsplit("/", 1)[1] for path, _, _ in stand.site.asked[before:]]
    assert (asked.count("play"), asked.count("tiles")) == (1, 0)
    last = [80 + 8 * depth - 4.0, *state["position"][1:]]
    stand.check(page, state | {"position": last})


def test_layers_of_different_grids_play_from_a_stream_each(page: Page) -> None:
    grey = em()
    thick = cells(grey.shape)[::2]
    sources = {
        "em": Source("em", "image", Volume.from_array(grey, VOXEL)),
        "ids": Source("ids", "labels", Volume.from_array(thick, (16.0, 8.0, 8.0), offset=(8, 0, 0), kind="labels")),
    }
    with TileService() as service, site(service) as found:
        stand = Stand(found, sources)
        state = stand.state({"id": "em"}, {"id": "ids", "opacity": 0.5})
        stand.open(page, state | {"position": [12.0, *state["position"][1:]]})
        before = len(found.asked)
        page.evaluate(
            """() => {
                const view = window.views[0];
                window.seen = [];
                view.on("drawn", () => window.seen.push(view.stats.panels[0].layers.map((layer) => layer.depth)));
                view.play("z", 200);
            }"""
        )
        ended(page)
        seen = page.evaluate("window.seen.filter((d, i, all) => i === 0 || String(d) !== String(all[i - 1]))")
        assert seen == [[d, (d - 1) // 2] for d in range(2, len(grey))]
        asked = [path.rsplit("/", 1)[1] for path, _, _ in found.asked[before:]]
        assert (asked.count("play"), asked.count("tiles")) == (2, 0)
        stand.check(page, state | {"position": [8 * len(grey) - 4.0, *state["position"][1:]]})


def test_times_play(page: Page) -> None:
    values = np.stack([np.roll(em()[:3, :200, :200], 20 * t, axis=2) for t in range(5)])
    volume = Volume.from_array(values, VOXEL, axes="tzyx")
    with TileService() as service, site(service) as found:
        stand = Stand(found, {"em": Source("em", "image", volume)})
        state = stand.state({"id": "em"})
        stand.open(page, state)
        page.evaluate("window.views[0].play('t', 0.5)")
        page.wait_for_function("window.views[0].stats.tiles >= 5")  # those to come are there before they are due
        assert page.evaluate("window.views[0].state.t") < 3
        page.evaluate("window.views[0].play('t', 50)")
        ended(page)
        assert page.evaluate("window.views[0].state.t") == 4
        stand.check(page, state | {"t": 4})
