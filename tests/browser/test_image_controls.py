"""The controls of the Image Explorer in a real browser: keys, pointer and panel change what they say, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ndlab.explore.layers import Source
from ndlab.serve.tiles import TileService
from ndlab.volume import Volume
from tests.browser.image_page import site, wait
from tests.browser.test_image_core import BIG, VOXEL, Stand, cells, em

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    grey = em()
    sources = {
        "em": Source("em", "image", Volume.from_array(grey, VOXEL)),
        "ids": Source("ids", "labels", Volume.from_array(cells(grey.shape), VOXEL, kind="labels")),
    }
    with TileService() as service, site(service) as found:
        yield Stand(found, sources)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1140, "height": 760})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # What the notebook around would hear of keys.
    page.add_init_script("window.leaked = []; addEventListener('keydown', (e) => leaked.push(e.key));")
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () => document.head.insertAdjacentHTML('beforeend',"
        " '<style>.view { width: 1100px !important }</style>'));"
    )
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def stage(page: Page, stand: Stand) -> Locator:
    stand.open(page, stand.state({"id": "em"}, {"id": "ids", "opacity": 0.5}))
    stage = page.locator(".ndi-stage")
    stage.focus()
    return stage


def state(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("() => views[0].state")
    return found


def layer(page: Page, name: str) -> dict[str, Any]:
    return next(one for one in state(page)["layers"] if one["id"] == name)


def sent(page: Page, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate("(t) => model.sent.map(([m]) => m).filter((m) => m.t === t)", kind)
    return found


def hear(page: Page, message: dict[str, Any]) -> None:
    page.evaluate("(m) => model.tell('msg:custom', m, [])", message)


def middle(stage: Locator) -> tuple[float, float]:
    box = stage.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_keys_move_and_none_reaches_the_page(page: Page, stage: Locator) -> None:
    z, y, x = state(page)["position"]
    for key, position in (
        (".", [z + 8, y, x]),
        ("Shift+PageUp", [z - 72, y, x]),
        ("Alt+PageDown", [49.5 * 8, y, x]),
        ("ArrowRight", [49.5 * 8, y, x + 60 * 8]),
        ("Shift+ArrowUp", [49.5 * 8, y - 300 * 8, x + 60 * 8]),
    ):
        page.keyboard.press(key)
        assert state(page)["position"] == pytest.approx(position), key
    page.keyboard.press("+")
    assert state(page)["scale"] == pytest.approx(8 / 1.25)
    for key, layout in zip("1234", ("xy", "xz", "yz", "three"), strict=True):
        page.keyboard.press(key)
        assert state(page)["layout"] == layout
    page.keyboard.press("q")  # no key of ours, and the notebook's all the same
    assert page.evaluate("() => leaked") == []
    assert page.locator(".ndl-image").get_attribute("data-lm-suppress-shortcuts") == "true"


def test_a_key_that_a_control_needs_stays_with_it(page: Page, stage: Locator) -> None:
    z, y, x = state(page)["position"]
    page.locator(".ndi-strip input").first.focus()
    page.keyboard.press("ArrowRight")
    assert state(page)["position"] == pytest.approx([z + 8, y, x])
    page.locator("[data-layer=ids] .ndi-add").fill("12")
    page.keyboard.type("34")
    page.keyboard.press("Enter")
    assert state(page)["selection"]["ids"] == ["1234"]
    assert state(page)["layout"] == "xy"


def test_layers_are_changed_by_keys_and_by_the_panel(page: Page, stand: Stand, stage: Locator) -> None:
    page.locator("[data-layer=em] .ndi-card-name").click()
    stage.focus()
    for key in ("i", "[", "["):
        page.keyboard.press(key)
    assert layer(page, "em") | {"invert": True, "opacity": 0.8} == layer(page, "em")
    low, high = stand.infos["em"]["window"]
    handle = page.locator("[data-layer=em] [role=slider]").first
    handle.focus()
    page.keyboard.press("ArrowRight")
    assert layer(page, "em")["window"] == [low + 1, high]
    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 6, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 46, box["y"] + 20, steps=4)
    page.mouse.up()
    assert low + 20 < layer(page, "em")["window"][0] < high
    page.locator("[data-layer=ids] [aria-label='Hide ids']").click()
    assert layer(page, "ids")["visible"] is False
    wait(page)
    stand.check(page, state(page))
    # Topmost last: up on the page is up in the stack.
    page.locator("[data-layer=em] .ndi-grip").focus()
    page.keyboard.press("ArrowUp")
    assert [one["id"] for one in state(page)["layers"]] == ["ids", "em"]
    assert page.locator(".ndi-card").first.get_attribute("data-layer") == "em"
    assert page.evaluate("() => document.activeElement.classList.contains('ndi-grip')")


def test_the_histogram_of_the_kernel_sets_the_window(page: Page, stage: Locator) -> None:
    page.locator("[data-layer=em] .ndi-card-name").click()
    assert sent(page, "histogram")[0] | {"layer": "em", "channel": 0} == sent(page, "histogram")[0]
    counts = {"counts": [1, 98, 1], "edges": [0, 10, 200, 255], "percentiles": {"1": 10, "50": 90, "99": 200}}
    hear(page, {"t": "histogram", "layer": "em", "channel": 0} | counts)
    page.locator("[data-layer=em] >> text=auto").click()
    assert layer(page, "em")["window"] == [10, 200]
    page.locator("[data-layer=em] >> text=reset").click()
    assert layer(page, "em")["window"] is None


def test_a_click_selects_and_the_kernel_is_asked_what_is_known(page: Page, stage: Locator) -> None:
    x, y = middle(stage)
    spots = [(dx, dy) for dx in (0, 40, 80, 120) for dy in (0, 50)]
    ids = [
        page.evaluate("([x, y]) => views[0].pickAt(x, y).find((p) => p.layer === 'ids')?.id ?? null", [x + dx, y + dy])
        for dx, dy in spots
    ]
    there = [(spot, one) for spot, one in zip(spots, ids, strict=True) if one not in (None, "0")]
    (first, a), (second, b) = there[0], next(one for one in there if one[1] != there[0][1])
    page.mouse.click(x + first[0], y + first[1])
    assert state(page)["selection"]["ids"] == [a]
    assert int(a) > BIG
    page.keyboard.down("Shift")
    page.mouse.click(x + second[0], y + second[1])
    page.keyboard.up("Shift")
    assert state(page)["selection"]["ids"] == [a, b]
    assert [one["id"] for one in sent(page, "pick")] == [a, b]
    hear(page, {"t": "facts", "layer": "ids", "id": b, "values": {"type": "axon", "volume": None}})
    assert page.locator(".ndi-facts").inner_text().split() == [b, "type", "axon", "volume", "–"]
    page.keyboard.press("o")
    assert layer(page, "ids")["isolated"] is True
    page.keyboard.press("h")
    assert layer(page, "ids")["hidden"] == [a, b]
    page.keyboard.press("Shift+H")
    assert layer(page, "ids") | {"hidden": [], "isolated": False} == layer(page, "ids")


def test_drag_and_wheel_keep_what_is_under_the_pointer(page: Page, stage: Locator) -> None:
    x, y = middle(stage)
    before = state(page)["position"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 50, y - 30, steps=5)
    page.mouse.up()
    assert state(page)["position"] == pytest.approx([before[0], before[1] + 240, before[2] - 400])
    at = "([x, y]) => views[0].placeAt(x, y).position"
    under = page.evaluate(at, [x + 100, y + 60])
    page.mouse.move(x + 100, y + 60)
    page.mouse.wheel(0, -240)
    page.wait_for_function("() => views[0].state.scale < 8")
    assert state(page)["scale"] == pytest.approx(4)
    # Pictures begin at whole pixels: half of one of before.
    assert page.evaluate(at, [x + 100, y + 60]) == pytest.approx(under, abs=4)
    z = state(page)["position"][0]
    page.keyboard.down("Shift")
    page.mouse.wheel(0, 100)
    page.wait_for_function("(z) => views[0].state.position[0] !== z", arg=z)
    page.keyboard.up("Shift")
    assert state(page)["position"][0] == pytest.approx(z + 8)
    assert state(page)["scale"] == pytest.approx(4)


def test_go_to_says_what_it_does_not_understand(page: Page, stage: Locator) -> None:
    page.keyboard.press("g")
    page.keyboard.type("9000, 0, 0")
    page.keyboard.press("Enter")
    error = page.locator(".ndi-goto-error")
    assert error.inner_text() == "x lies outside: 0 to 899 voxels"
    assert page.locator(".ndi-goto").get_attribute("aria-invalid") == "true"
    page.locator(".ndi-goto").fill("100, 200, 3")
    page.keyboard.press("Enter")
    assert not error.is_visible()
    assert state(page)["position"] == pytest.approx([3.5 * 8, 200.5 * 8, 100.5 * 8])
    assert page.evaluate("() => document.activeElement.classList.contains('ndi-stage')")


def test_what_is_drawn_is_the_message_that_the_kernel_takes(page: Page, stage: Locator) -> None:
    x, y = middle(stage)
    z, cy, cx = state(page)["position"]

    def place(dx: float, dy: float) -> Any:
        return pytest.approx([z, cy + 8 * dy, cx + 8 * dx], abs=8)

    def drag(*spots: tuple[float, float]) -> None:
        page.mouse.move(x + spots[0][0], y + spots[0][1])
        page.mouse.down()
        for dx, dy in spots[1:]:
            page.mouse.move(x + dx, y + dy, steps=4)
        page.mouse.up()

    page.keyboard.press("p")
    page.mouse.click(x + 20, y + 10)
    page.keyboard.press("l")
    for dx, dy in ((0, 0), (30, 0), (30, 40)):
        page.mouse.click(x + dx, y + dy)
    page.keyboard.press("Enter")
    page.keyboard.press("b")
    drag((-40, -40), (10, 20))
    point, line, box = sent(page, "draw")
    assert (point["kind"], line["kind"], box["kind"]) == ("point", "line", "box")
    assert point["points"] == [place(20, 10)]
    assert line["points"] == [place(0, 0), place(30, 0), place(30, 40)]
    # As deep as the plane that it is drawn on.
    assert [one[0] for one in box["points"]] == pytest.approx([z - 4, z + 4])
    assert box["points"][0][1:] == pytest.approx([cy - 320, cx - 320], abs=8)
    page.keyboard.press("n")
    page.locator(".ndi-paint").fill(str(BIG))
    page.keyboard.press("Enter")
    stage.focus()
    page.keyboard.press("Shift+]")
    drag((0, 60), (60, 60))
    stroke = sent(page, "draw")[-1]
    assert stroke | {"kind": "brush", "layer": "ids", "id": str(BIG), "plane": "xy", "radius": 80} == stroke
    assert stroke["points"][0] == place(0, 60)
    assert stroke["points"][-1] == place(60, 60)
    assert page.locator(".ndi-brush").count() == 1
    page.keyboard.press("u")
    assert len(sent(page, "undo")) == 1
    assert page.locator(".ndi-brush").count() == 0
    hear(page, {"t": "drawn", "drawn": [{"id": "1", "kind": "line", "points": [[z, cy, cx], [z, cy, cx + 400]]}]})
    assert page.locator("polyline.ndi-drawn.ndi-over").count() == 1
    page.keyboard.press(".")
    page.wait_for_function("() => document.querySelectorAll('polyline.ndi-drawn').length === 0")
    hear(page, {"t": "error", "message": "labels cannot be written: read-only"})
    assert "read-only" in page.locator(".ndi-notices").inner_text()


def test_help_marker_cross_hair_and_read_out(page: Page, stage: Locator) -> None:
    page.keyboard.press("?")
    help_ = page.locator(".ndi-help")
    assert "through the planes" in help_.inner_text()
    for told in ("keep a view, go to one", "dark, light, as the page is", "Two fingers"):
        assert told in help_.inner_text()
    page.keyboard.press("Escape")
    assert not help_.is_visible()
    page.keyboard.press("c")
    page.keyboard.press("m")
    assert state(page)["marker"] == state(page)["position"]
    assert page.locator(".ndi-cross.ndi-over").count() == 1
    assert page.locator("path.ndi-marker.ndi-over").count() == 1
    x, y = middle(stage)
    page.mouse.move(x + 1, y + 1)
    wait(page)
    value = page.evaluate("([x, y]) => views[0].pickAt(x, y).find((p) => p.layer === 'em').value", [x + 1, y + 1])
    page.wait_for_function(
        "(value) => document.querySelector('.ndi-values').textContent.includes('em' + value)", arg=value
    )
    voxel = [
        int(np.floor(one / 8)) for one in page.evaluate("([x, y]) => views[0].placeAt(x, y).position", [x + 1, y + 1])
    ]
    assert page.locator(".ndi-voxel").inner_text() == f"x {voxel[2]}  y {voxel[1]}  z {voxel[0]}"
    assert page.locator(".ndi-scale-text").inner_text() == "1 µm"
    bar = page.locator(".ndi-scale-bar").bounding_box()
    assert bar is not None
    assert bar["width"] == pytest.approx(1000 / 8, abs=1)


def test_every_control_can_be_reached_and_has_a_name(page: Page, stage: Locator) -> None:
    page.locator("[data-layer=em] .ndi-card-name").click()
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll(".ndl-image :is(button, input, select, [role=slider], [tabindex='0'])")]
            .filter((e) => e.offsetParent !== null)
            .filter((e) => e.tabIndex < 0 || !(e.getAttribute("aria-label") || e.textContent.trim()
                || e.closest("label")?.textContent.trim()))
            .map((e) => e.outerHTML)"""
    )
    assert unnamed == []


def test_the_theme_is_the_pages_or_ones_own(page: Page, stage: Locator) -> None:
    dark = "() => document.querySelector('.ndl-image').classList.contains('ndl-dark')"
    assert page.evaluate(dark) is False
    page.evaluate("() => { document.body.style.background = 'rgb(20, 20, 20)'; document.body.className = 'x'; }")
    page.wait_for_function(dark)
    page.evaluate("() => views[0].update((s) => ({...s, theme: 'light'}))")
    assert page.evaluate(dark) is False


def test_a_key_and_a_button_go_through_the_themes(page: Page, stage: Locator) -> None:
    box = page.locator(".ndl-image")
    for theme, dark in (("dark", True), ("light", False), ("auto", False)):
        page.keyboard.press("d")
        assert state(page)["theme"] == theme
        assert page.evaluate("() => document.querySelector('.ndl-image').classList.contains('ndl-dark')") is dark
    box.get_by_role("button", name="Theme: as the page is").click()
    assert box.get_by_role("button", name="Theme: dark").is_visible()


def named(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("() => model.get('named') ?? {}")
    return found


def test_views_are_kept_gone_to_and_dropped_by_keys_alone(page: Page, stage: Locator) -> None:
    first = state(page)
    page.keyboard.press("k")
    panel = page.locator(".ndi-views")
    assert "None was kept" in panel.inner_text()
    page.keyboard.type("here")  # The field has the focus, and letters are no keys of the picture.
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert not panel.is_visible()
    assert named(page) == {"here": first}
    for key in ("4", ".", "i", "k"):
        page.keyboard.press(key)
    second = state(page)
    assert second != first
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # Without a name of its own.
    assert named(page) == {"here": first, "view 1": second}
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert state(page) == first
    assert page.evaluate("() => document.activeElement.className") == "ndi-stage"
    page.keyboard.press("k")
    assert panel.locator("[aria-current]").inner_text() == "here"
    page.keyboard.press("Delete")
    assert named(page) == {"view 1": second}
    assert page.evaluate("() => document.activeElement.textContent") == "view 1"
    # What Python keeps is there, too.
    page.evaluate("(s) => { model.set('named', {'from Python': s}); }", first)
    assert panel.locator(".ndi-view-name").all_inner_texts() == ["from Python"]
    panel.get_by_role("button", name="Drop from Python").click()
    assert named(page) == {}
    assert page.evaluate("() => leaked") == []


def test_two_fingers_move_and_zoom_and_draw_nothing(browser: Browser, stand: Stand) -> None:
    context = browser.new_context(viewport={"width": 700, "height": 620}, has_touch=True)
    page = context.new_page()
    stand.open(page, stand.state({"id": "em"}, {"id": "ids", "opacity": 0.5}, tool="brush"))
    session = context.new_cdp_session(page)
    x, y = middle(page.locator(".ndi-stage"))

    def touch(kind: str, *spots: tuple[float, float]) -> None:
        points = [{"x": x + dx, "y": y + dy, "id": i} for i, (dx, dy) in enumerate(spots)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def under(dx: float, dy: float) -> list[float]:
        found: list[float] = page.evaluate("([x, y]) => views[0].placeAt(x, y).position", [x + dx, y + dy])
        return found

    before = [under(-50, 20), under(70, 20)]
    touch("touchStart", (-50, 20))
    touch("touchStart", (-50, 20), (70, 20))
    for i in range(1, 6):
        touch("touchMove", (-50 - 8 * i, 20 + 6 * i), (70 + 12 * i, 20 + 6 * i))
    # The last of the moves may come after the others have been drawn.
    page.wait_for_function("() => Math.abs(views[0].state.scale - 8 * 120 / 220) < 0.08")
    for found, want in zip([under(-90, 50), under(130, 50)], before, strict=True):
        assert found == pytest.approx(want, abs=24)
    touch("touchEnd", (130, 50))
    touch("touchEnd")
    assert sent(page, "draw") == [], "the first finger began a stroke that the second one took back"
    assert page.locator(".ndi-brush").count() == 0
    # One finger draws.
    touch("touchStart", (0, 0))
    touch("touchMove", (30, 0))
    touch("touchEnd")
    page.wait_for_function("() => model.sent.some(([m]) => m.t === 'draw')")
    assert len(sent(page, "draw")) == 1
    context.close()


@pytest.mark.parametrize("width", [340, 520, 600, 1100])
def test_nothing_is_cut_off(page: Page, stand: Stand, width: int) -> None:
    stand.open(page, stand.state({"id": "em"}, {"id": "ids", "opacity": 0.5}))
    page.evaluate(f"() => document.querySelector('.view').style.setProperty('width', '{width}px', 'important')")
    wait(page)
    over = page.evaluate(
        """() => { const frame = document.querySelector(".ndl-image").getBoundingClientRect();
            return [...document.querySelectorAll(".ndl-image :is(.ndi-button, .ndi-slider, .ndi-goto, .ndi-link)")]
                .filter((e) => e.offsetParent !== null).map((e) => e.getBoundingClientRect())
                .filter((r) => r.right > frame.right + 0.5 || r.left < frame.left - 0.5).length; }"""
    )
    assert over == 0
