"""The view from Python: state, position, selection and layers are one thing; what the page says is acted on."""

from __future__ import annotations

import base64
import gc
import io
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ndlab import explore
from ndlab.annotations import Annotations, Neuron, Segment, Synapse
from ndlab.errors import BadRequest, NotFound, Unsupported
from ndlab.explore import served
from ndlab.explore.image_messages import facts_of
from ndlab.explore.image_widget import ImageView
from ndlab.geometry import Box
from ndlab.samples import toy
from ndlab.serve.wire import unpack
from ndlab.volume import Volume
from ndlab.volume import open as open_volume


@pytest.fixture
def view() -> Iterator[ImageView]:
    brain = toy()
    shown = explore.image(
        em=brain.volume("image"),
        labels={"labels": brain.volume("labels")},
        points={"synapses": [[450.0, 225.0, 250.0]]},
    )
    yield shown
    shown.close()


class Page:
    """Stands for the page: hears what the view sends, and speaks."""

    def __init__(self, view: ImageView, monkeypatch: pytest.MonkeyPatch) -> None:
        self.view = view
        self.heard: list[tuple[dict[str, Any], list[Any]]] = []
        self.answer: Callable[[dict[str, Any]], None] = lambda message: None
        monkeypatch.setattr(view, "send", self._hear)

    def _hear(self, message: dict[str, Any], buffers: Any = None) -> None:
        self.heard.append((message, list(buffers or ())))
        self.answer(message)

    def say(self, message: dict[str, Any], *buffers: bytes) -> list[dict[str, Any]]:
        before = len(self.heard)
        self.view._handle_custom_msg(message, list(buffers))
        return [one for one, _ in self.heard[before:]]

    def wait(self, kind: str) -> dict[str, Any]:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for message, _ in self.heard:
                if message["t"] == kind:
                    return message
            time.sleep(0.01)
        raise AssertionError(f"nothing of kind {kind} in {[one['t'] for one, _ in self.heard]}")


@pytest.fixture
def page(view: ImageView, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(view, monkeypatch)


def seen(view: ImageView, name: str) -> list[Any]:
    found: list[Any] = []
    view.observe(lambda event: found.append(event["new"]), names=name)
    return found


# --- traits ---------------------------------------------------------------------------------------------------


def test_state_position_and_selection_are_one_thing(view: ImageView) -> None:
    states, positions, selections = (seen(view, name) for name in ("state", "position", "selection"))
    view.position = (100, 200.5, 300)
    assert view.state["position"] == [100, 200.5, 300]
    view.selection = {"labels": [21, 2**63]}
    assert view.state["selection"] == view.selection == {"labels": ["21", str(2**63)]}
    view.state = view.state | {"position": [1, 2, 3], "selection": {}}
    assert list(view.position) == [1, 2, 3]
    assert view.selection == {}
    assert [one["position"] for one in states] == [[100, 200.5, 300], [100, 200.5, 300], [1, 2, 3]]
    assert (len(positions), len(selections)) == (2, 2)


def test_a_state_restores_exactly(view: ImageView) -> None:
    view.set(layout="three", scale=3.3, marker=[1, 2, 3], tool="pick", theme="dark")
    view.layers["em"].window = (3, 200)
    view.layers["labels"].style = "outline"
    view.selection = {"labels": [21]}
    text = json.dumps(view.state)
    before = view.render(80, 60)
    other = explore.image(view.volumes, points={"synapses": view.sources["synapses"].shapes}, state=json.loads(text))
    try:
        assert json.dumps(other.state) == text
        np.testing.assert_array_equal(other.render(80, 60), before)
    finally:
        other.close()


def test_what_does_not_fit_is_refused_and_changes_nothing(view: ImageView) -> None:
    before = view.state
    with pytest.raises(BadRequest, match=r"state.scale = -1"):
        view.set(scale=-1)
    with pytest.raises(BadRequest, match="three numbers, z, y, x in nm"):
        view.position = [1, 2]
    with pytest.raises(BadRequest, match="selection in layer 'cells'"):
        view.selection = {"cells": [1]}
    with pytest.raises(BadRequest, match="a number from 0 to 1"):
        view.layers["em"].opacity = 3
    assert view.layers["em"].opacity == 1
    assert view.state == before
    with pytest.raises(BadRequest, match=r"state\.tool"):
        explore.image(view.volumes, state={"tool": "axe"})


def test_what_nobody_touched_fits_the_page(view: ImageView) -> None:
    first = view.state["scale"]
    view.status = {"size": [1440, 960]}
    assert view.state["scale"] == first / 2
    view.status = {"size": [720, 480]}
    assert view.state["scale"] == first / 2
    other = explore.image(view.volumes)
    other.goto(1, 2, 3)
    other.status = {"size": [1440, 960]}
    assert (other.state["scale"], other.state["position"]) == (first, [1, 2, 3])
    other.close()


def test_layers_are_traits_that_follow_and_lead(view: ImageView) -> None:
    em = view.layers["em"]
    low, high = em.window
    assert view.state["layers"][0]["window"] is None
    assert [low, high] == view.infos["em"]["window"]
    em.opacity = 0.25
    assert view.state["layers"][0]["opacity"] == 0.25
    assert view.state["layers"][0]["window"] is None
    em.window = (10, 90)
    assert view.state["layers"][0]["window"] == [10, 90]
    view.state = view.state | {"layers": [view.state["layers"][0] | {"gamma": 2.0}, *view.state["layers"][1:]]}
    assert em.gamma == 2
    assert list(view.layers) == ["em", "labels", "synapses"]
    assert "labels" in view.layers
    with pytest.raises(NotFound, match="there are 'em', 'labels', 'synapses'"):
        _ = view.layers["raw"]


def test_it_is_an_ipywidget(view: ImageView) -> None:
    slider = ipywidgets.FloatRangeSlider(min=0, max=255)
    box = ipywidgets.VBox([view, ipywidgets.HBox([slider])])
    link = ipywidgets.jslink((view.layers["em"], "window"), (slider, "value"))
    twin = ipywidgets.jslink((view, "position"), (ipywidgets.FloatsInput(), "value"))
    both = ipywidgets.link((view.layers["em"], "window"), (slider, "value"))
    slider.value = (20, 40)
    assert view.state["layers"][0]["window"] == [20, 40]
    ipywidgets.interact(lambda z: view.goto(z, 0, 0), z=(0.0, 90.0))
    assert view in box.children
    for one in (link, twin):
        one.close()
    both.unlink()


def test_go_to_a_voxel_or_a_position(view: ImageView) -> None:
    view.goto(4, 10, 12, unit="voxel")
    assert view.position == list(view.volumes["em"].calibration.centre((4, 10, 12)))
    view.goto(1, 2, 3)
    assert view.position == [1, 2, 3]
    with pytest.raises(BadRequest, match="unit 'um'"):
        view.goto(1, 2, 3, unit="um")  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="three numbers"):
        view.goto(1, 2, float("nan"))


# --- the page -------------------------------------------------------------------------------------------------


def test_the_page_gets_points_as_bytes_and_ids_as_text(view: ImageView) -> None:
    shapes = view.shapes["synapses"]
    assert np.frombuffer(shapes["data"], "<f4").tolist() == [450, 225, 250]
    assert np.frombuffer(shapes["ids"], "<u8").tolist() == [1]
    assert {one["key"] for one in view.infos.values()} == set(view.tile_ids.values())
    json.dumps(view.infos)


def test_tiles_by_messages_are_the_voxels(page: Page) -> None:
    key = page.view.tile_ids["labels"]
    page.say({"t": "req", "id": 5, "op": "tiles", "q": {"vol": key, "k": "4,0,0", "q": "raw"}})
    end = time.monotonic() + 10
    while not page.heard and time.monotonic() < end:
        time.sleep(0.01)
    message, buffers = page.heard[0]
    assert (message["t"], message["id"], message["last"]) == ("part", 5, True)
    [frame] = unpack(bytes(buffers[0]))
    from ndlab.serve.wire import pixels

    np.testing.assert_array_equal(pixels(frame), page.view.volumes["labels"].read()[4])


def test_what_is_known_of_a_picked_id_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame(
        {"type": ["axon", "spine"], "volume": [1.5, np.nan], "near": [2**60, 3]}, index=[21, 2**63 + 1]
    )
    view = explore.image(toy().volume("labels"), metadata=table)
    page = Page(view, monkeypatch)
    [name] = view.volumes
    assert page.say({"t": "pick", "layer": name, "id": "21", "position": [0, 0, 0]}) == [
        {"t": "facts", "layer": name, "id": "21", "values": {"type": "axon", "volume": 1.5, "near": str(2**60)}}
    ]
    big = page.say({"t": "pick", "layer": name, "id": str(2**63 + 1)})[0]
    assert big["values"] == {"type": "spine", "volume": None, "near": 3}
    assert page.say({"t": "pick", "layer": name, "id": "5"})[0]["values"] == {}
    assert page.say({"t": "pick", "layer": name, "id": "x"})[0]["t"] == "error"
    view.close()


def test_a_set_of_annotations_says_what_a_picked_id_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = Annotations.temporary()
    big = 2**63 + 1
    axon = Segment(id=21, segmentclass="axon", neuron=7, author="Ana", keys={"type": "odd", "n": 2**60})
    driven = [Synapse(id=100 + i, presegments=[21], centroid=(40.0, 8.5, 8.0)) for i in range(14)]
    ann.add([Neuron(id=7), axon, *driven, Segment(id=big)])
    view = explore.image(toy().volume("labels"), points=[[40, 8, 8]], metadata=ann)
    page = Page(view, monkeypatch)
    name = next(iter(view.volumes))

    def known(number: int) -> dict[str, Any]:
        values: dict[str, Any] = page.say({"t": "pick", "layer": name, "id": str(number)})[-1]["values"]
        assert values.pop("time", None) or not values
        return values

    synapses = ", ".join(map(str, range(100, 112))) + " … (14)"
    assert known(21) == {"kind": "segment", "segmentclass": "axon", "neuron": 7, "author": "Ana", "type": "odd",
                         "n": str(2**60), "synapses": synapses, "presynapses": synapses}  # fmt: skip
    assert known(7)["segments"] == "21"
    assert known(100)["centroid"] == "40, 8.5, 8"
    assert known(big)["kind"] == "segment"
    assert known(5) == {}
    ann.update(21, status="locked", type=None)
    assert known(21)["status"] == "locked"
    assert "type" not in known(21)
    view.close()


def test_metadata_that_is_none_is_named() -> None:
    brain = toy()
    with pytest.raises(BadRequest, match="no layer has ids"):
        explore.image(brain.volume("image"), metadata=pd.DataFrame())
    with pytest.raises(BadRequest, match=r"metadata of layer 'b'\. the layers are a"):
        explore.image(a=brain.volume("labels"), metadata={"b": pd.DataFrame()})
    with pytest.raises(BadRequest, match="a pandas DataFrame with ids as its index"):
        explore.image(a=brain.volume("labels"), metadata=[1])
    table = pd.DataFrame({"a": [1, 2]}, index=[7, 7])
    assert facts_of(table, 7) == {"a": 1}


def test_what_is_drawn_is_kept_and_taken_back(page: Page) -> None:
    view = page.view
    page.say({"t": "draw", "kind": "point", "points": [[1, 2, 3]]})
    told = page.say({"t": "draw", "kind": "line", "points": [[1, 2, 3], [1, 2, 9]]})
    assert [one["kind"] for one in told[0]["drawn"]] == ["point", "line"]
    assert view.drawn.frame()["length"].tolist() == [0, 6]
    page.say({"t": "undo"})
    assert [one.kind for one in view.drawn] == ["point"]
    assert "a line of 1 vertices" in page.say({"t": "draw", "kind": "line", "points": [[1, 2, 3]]})[0]["message"]


def test_a_brush_paints_through_the_volume_and_the_page_is_told(page: Page) -> None:
    view = page.view
    labels = view.volumes["labels"]
    before, version = labels.read(), view.infos["labels"]["version"]
    at = labels.calibration.centre((4, 10, 12))
    stroke = {"t": "draw", "kind": "brush", "layer": "labels", "id": "77", "radius": 60, "points": [at], "plane": "xy"}
    told = page.say(stroke)
    assert labels.read()[4, 10, 12] == 77
    assert told == [{"t": "changed", "layer": "labels", "version": view.infos["labels"]["version"]}]
    assert view.infos["labels"]["version"] != version
    page.say({"t": "undo"})
    np.testing.assert_array_equal(labels.read(), before)
    assert not view.undo()
    assert "labels are painted; there are labels" in page.say(stroke | {"layer": "em"})[0]["message"]
    with pytest.raises(BadRequest, match="labels are painted"):
        view.messages.paint(stroke | {"layer": "em"})


def test_coarser_levels_follow_the_brush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = Volume.from_array(np.zeros((4, 256, 256), "u4"), (40, 4, 4), kind="labels")
    made = volume.like(tmp_path / "cells.zarr", kind="labels").update_levels()
    assert len(made.levels) > 1
    view = explore.image(cells=made)
    page = Page(view, monkeypatch)
    stroke = {"t": "draw", "kind": "brush", "layer": "cells", "id": 9, "radius": 80, "points": [[20, 512, 512]]}
    page.say(stroke)
    end = time.monotonic() + 20
    assert made.levels[1].stale
    while time.monotonic() < end and made.levels[1].stale:
        time.sleep(0.05)
    assert (made.levels[1].read()[0, 64, 64], made.levels[1].stale) == (9, False)
    view.close()


def test_a_write_by_anyone_is_told_to_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = Volume.from_array(np.zeros((4, 64, 64), "u1"), (40, 4, 4))
    made = volume.like(tmp_path / "em.zarr")
    view = explore.image(em=made, memory=volume)
    page = Page(view, monkeypatch)
    page.say({"t": "hello"})
    time.sleep(0.7)
    assert page.heard == []
    open_volume(tmp_path / "em.zarr").write(Box((0, 0, 0), (1, 64, 64)), 7)
    assert page.wait("changed")["layer"] == "em"
    page.heard.clear()
    volume.write(Box((0, 0, 0), (1, 64, 64)), 7)
    assert page.wait("changed")["layer"] == "memory"
    view.close()
    page.heard.clear()
    volume.write(Box((0, 0, 0), (1, 64, 64)), 8)
    time.sleep(0.8)
    assert page.heard == []


# --- pictures -------------------------------------------------------------------------------------------------


def test_a_screenshot_is_the_pages_and_keeps_nothing_waiting(page: Page) -> None:
    page.say({"t": "hello"})

    def answer(message: dict[str, Any]) -> None:
        if message["t"] == "shoot":
            threading.Timer(0.1, page.say, ({"t": "shot", "n": message["n"]}, b"png of the page")).start()

    page.answer = answer
    shot = page.view.screenshot()
    assert not shot.done
    assert (shot.result(10), shot.source) == (b"png of the page", "page")


def test_without_a_page_it_is_computed(page: Page, tmp_path: Path) -> None:
    first = page.view.screenshot()
    assert first.result(10)[:4] == b"\x89PNG"
    page.say({"t": "hello"})
    late = page.view.screenshot(seconds=0.05)
    path = late.save(tmp_path / "shot.png")
    assert late.source == "kernel"
    shown = np.asarray(Image.open(path))
    np.testing.assert_array_equal(shown, page.view.render()[..., :3])


def test_a_saved_notebook_shows_a_picture(view: ImageView) -> None:
    data, _ = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    np.testing.assert_array_equal(picture, view.render()[..., :3])
    assert data["text/plain"].startswith("ImageView of image 'em', labels 'labels', points 'synapses'")


def test_a_picture_that_takes_its_time_holds_no_cell_up(view: ImageView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ndlab.explore.image_messages._STILL_SECONDS", 0.05)
    gate = threading.Event()
    monkeypatch.setattr(view, "png", lambda: b"late" if gate.wait(10) else b"")
    data, _ = view._repr_mimebundle_()
    assert "image/png" not in data
    gate.set()


def test_a_volume_at_the_end_of_a_cell_shows_itself() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    class Shell(InteractiveShell):  # type: ignore[misc]
        kernel = object()

    shell = Shell()
    assert explore.register(shell)
    data, _ = shell.display_formatter.format(toy().volume("image"))
    assert {"application/vnd.jupyter.widget-view+json", "text/html", "image/png"} <= set(data)
    assert "<table" in data["text/html"]
    missing = Volume.from_array(np.zeros((0, 4, 4), "u1"), (4, 4, 4))
    data, _ = shell.display_formatter.format(missing)
    assert "text/html" in data


# --- code, views, projects ------------------------------------------------------------------------------------


def test_cutout_code_reads_what_is_on_screen(tmp_path: Path) -> None:
    from ndlab.ingesting import ingest

    values = np.random.default_rng(1).integers(0, 255, (8, 256, 256), np.uint8)
    np.save(tmp_path / "a.npy", values)
    ingest(tmp_path / "a.npy", tmp_path / "a.zarr", voxel_size=(40, 4, 4))
    stored = open_volume(tmp_path / "a.zarr")
    movie = Volume.from_array(np.stack([values, values[::-1]])[:, None], (40, 4, 4), axes="tczyx")
    view = explore.image({"Fib-SEM": stored[1:8, 16:], "movie": movie})
    view.goto(140, 512, 512)
    view.set(scale=8, t=1)
    view.status = {"size": [64, 48]}
    found: dict[str, Any] = {"view": view}
    exec(view.cutout(), found)
    level = stored.levels[1].read()
    assert found["fib_sem_xy"].shape == (1, 48, 64)
    np.testing.assert_array_equal(found["fib_sem_xy"][0], level[3, 40:88, 32:96])
    np.testing.assert_array_equal(found["movie_xy"][0], values[::-1][3, 80:176, 64:192])
    window = view.infos["Fib-SEM"]["window"]
    view.layers["movie"].visible = False
    from ndlab.render import to_bytes

    np.testing.assert_array_equal(view.render()[..., 0], to_bytes(found["fib_sem_xy"][0], tuple(window)))
    view.set(layout="three")
    exec(view.cutout(), found)
    assert {"fib_sem_xy", "fib_sem_zy", "fib_sem_xz"} <= set(found)
    assert "movie" not in view.cutout()
    view.goto(-1e6, 0, 0)
    assert view.cutout() == "import ndlab\n"
    view.close()


def test_views_under_names(view: ImageView) -> None:
    told = seen(view, "named")
    view.goto(100, 200, 300)
    view.views.save("a")
    view.goto(0, 0, 0)
    view.views["b"] = view.state | {"layout": "xz"}
    view.views.show("a")
    assert view.position == [100, 200, 300]
    assert (list(view.views), len(view.views), told[-1]["b"]["layout"]) == (["a", "b"], 2, "xz")
    view.views["a"]["position"][0] = 5  # A copy.
    assert view.views["a"]["position"][0] == 100
    with pytest.raises(NotFound, match=r"there are 'a', 'b'. view.views.save\('c'\)"):
        view.views.show("c")
    with pytest.raises(BadRequest, match=r"state.scale"):
        view.views["c"] = view.state | {"scale": 0}
    with pytest.raises(BadRequest, match="a name is not empty"):
        view.views.save(" ")
    del view.views["b"]
    assert "b" not in view.views
    np.testing.assert_array_equal(view.render(60, 40, state=view.views["a"]), view.render(60, 40))


def test_views_that_the_page_keeps_and_drops_are_those_of_python(view: ImageView) -> None:
    view.views.save("a")
    kept = view.state | {"layout": "three"}
    view.set_state({"named": {"b": kept}})
    assert dict(view.views) == {"b": kept}
    with pytest.raises(BadRequest, match="layout"):
        view.named = {"c": kept | {"layout": "four"}}
    with pytest.raises(BadRequest, match="not empty"):
        view.named = {" ": kept}
    assert list(view.views) == list(view.named) == ["b"]


def test_a_project_opens_again_with_everything(tmp_path: Path) -> None:
    made = toy().volume("labels").like(tmp_path / "cells.zarr", kind="labels")
    made.write(None, toy().volume("labels").read())
    memory = toy().volume("image")
    view = explore.image(memory=memory, cells=made[2:8], points=[[1.5, 2, 3]], boxes=[[0, 0, 0, 4, 5, 6]])
    view.layers["cells"].style = "both"
    view.views.save("first")
    view.goto(300, 400, 500)
    path = view.save(tmp_path / "project.json", name="toy", caption="three synapses")
    again = explore.project(path, memory=memory)
    assert again.state == view.state
    assert dict(again.views) == dict(view.views)
    assert again.volumes["cells"].box == made[2:8].box
    np.testing.assert_array_equal(again.render(90, 70), view.render(90, 70))
    for name in ("points", "boxes"):
        np.testing.assert_array_equal(again.sources[name].shapes, view.sources[name].shapes)
    found = json.loads(path.read_text())
    assert (found["name"], found["caption"]) == ("toy", "three synapses")
    assert explore.project(json.dumps(found), memory=memory).state == view.state
    with pytest.raises(BadRequest, match=r"its volume was in memory. pass it: explore.project\(path, memory=volume\)"):
        explore.project(found)
    with pytest.raises(NotFound, match=r"view.save\(path\) makes one"):
        explore.project(tmp_path / "none.json")
    for wrong in ({"v": 1}, "{", found | {"v": 2}, found | {"layers": {"a": {"kind": "image"}}}, 7):
        with pytest.raises(BadRequest, match="project"):
            explore.project(wrong, memory=memory)


def test_napari_is_asked_for_where_it_is_missing(view: ImageView, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "napari", None)
    with pytest.raises(Unsupported) as caught:
        view.napari()
    assert "pip install 'napari[all]'" in str(caught.value)
    code = caught.value.remedy.split("\n\n", 1)[1]
    compile(code, "code", "exec")
    assert "viewer.add_image(levels[0], scale=[100.0, 50.0, 50.0]" in code
    assert "viewer.add_labels" in code
    assert "viewer.add_points" in code


# --- life -----------------------------------------------------------------------------------------------------


def test_two_views_of_a_volume_share_its_tiles_until_both_are_closed() -> None:
    volume = toy().volume("image")
    first, second = explore.image(volume), explore.image(a=volume, b=volume)
    keys = {*first.tile_ids.values(), *second.tile_ids.values()}
    assert len(keys) == 1
    first.close()
    [key] = keys
    assert served.service().info(key)
    second.close()
    with pytest.raises(NotFound):
        served.service().info(key)
    second.close()


def test_a_view_that_could_not_be_made_leaves_nothing_behind() -> None:
    volume = toy().volume("image")
    before = len(served._held)
    with pytest.raises(BadRequest):
        explore.image(volume, state={"layout": "no"})
    assert len(served._held) == before


def test_messages_only_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "_in_kernel", lambda: True)
    found = served.endpoint(served.transport())
    assert found is not None
    assert found["path"].startswith("ndlab/v1/k/")
    monkeypatch.setenv("NDLAB_TRANSPORT", "comm")
    assert served.endpoint(served.transport()) is None
    with pytest.raises(BadRequest, match="auto, comm, zarr"):
        served.transport("carrier pigeon")


def test_a_closed_view_is_forgotten() -> None:
    view = explore.image(toy().volume("image"))
    gone = weakref.ref(view)
    view.close()
    del view
    gc.collect()
    assert gone() is None
