"""What the page asks of an image's values, and what is drawn again on a page that comes later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ndlab import explore
from ndlab.explore.image_widget import ImageView
from ndlab.volume import Volume

SIZE = (40.0, 4.0, 4.0)


@pytest.fixture
def values() -> np.ndarray[Any, Any]:
    return np.random.default_rng(5).gamma(4, 300, (2, 2, 6, 40, 50)).astype("u2")


@pytest.fixture
def view(values: np.ndarray[Any, Any]) -> Iterator[ImageView]:
    volume = Volume.from_array(values, SIZE, axes="tczyx", name="em")
    ids = np.ones((6, 40, 50), "u8")
    shown = explore.image(volume, labels=Volume.from_array(ids, SIZE, kind="labels"))
    yield shown
    shown.close()


def answer(view: ImageView, monkeypatch: pytest.MonkeyPatch, *asked: dict[str, Any], kind: str) -> dict[str, Any]:
    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(view, "send", lambda message, buffers=None: heard.append(message))
    for message in asked:
        view._handle_custom_msg(message, [])
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = [one for one in heard if one["t"] == kind]
        if found:
            return found[-1]
        time.sleep(0.01)
    raise AssertionError(f"nothing of kind {kind} in {heard}")


@pytest.mark.parametrize(("t", "c"), [(0, 0), (1, 0), (1, 1)])
def test_a_histogram_counts_the_channel_and_time_that_are_shown(
    view: ImageView, values: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch, t: int, c: int
) -> None:
    name = next(one for one, kind in view.kinds.items() if kind == "image")
    asked = {"t": "histogram", "layer": name, "channel": c, "time": t}
    found = answer(view, monkeypatch, asked, kind="histogram")
    assert (found["layer"], found["channel"], found["time"]) == (name, c, t)
    edges = np.array(found["edges"])
    np.testing.assert_array_equal(found["counts"], np.histogram(values[t, c], edges)[0])
    assert sum(found["counts"]) == values[t, c].size
    wanted = np.percentile(values[t, c], (1, 50, 99))
    np.testing.assert_allclose([found["percentiles"][p] for p in ("1", "50", "99")], wanted)


def test_channels_and_times_that_are_not_there_are_the_nearest(
    view: ImageView, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(one for one, kind in view.kinds.items() if kind == "image")
    found = answer(view, monkeypatch, {"t": "histogram", "layer": name, "channel": 9, "time": -3}, kind="histogram")
    assert (found["channel"], found["time"]) == (1, 0)
    found = answer(view, monkeypatch, {"t": "histogram", "layer": name, "channel": "x"}, kind="histogram")
    assert found["channel"] == 0


@pytest.mark.parametrize("layer", ["labels", "nothing", None])
def test_only_images_have_a_histogram(view: ImageView, monkeypatch: pytest.MonkeyPatch, layer: str | None) -> None:
    found = answer(view, monkeypatch, {"t": "histogram", "layer": layer}, kind="error")
    assert f"a histogram of {str(layer)!r}" in found["message"]
    assert "images have one" in found["message"]


def test_a_page_that_comes_later_is_told_what_was_drawn(view: ImageView, monkeypatch: pytest.MonkeyPatch) -> None:
    view._handle_custom_msg({"t": "draw", "kind": "point", "points": [[40, 8, 12]]}, [])
    found = answer(view, monkeypatch, {"t": "hello"}, kind="drawn")
    assert [(one["kind"], list(map(list, one["points"]))) for one in found["drawn"]] == [("point", [[40, 8, 12]])]
