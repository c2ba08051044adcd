"""A view of a volume on a web server is there before its voxels are; its default window follows."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from ndlab import explore, render
from ndlab.ingesting import ingest
from ndlab.volume import open as open_volume
from tests.servers import FolderServer, serving

VALUES = np.random.default_rng(3).normal(20_000, 900, (2, 6, 80, 90)).astype("u2")
VALUES[1] //= 4


class Gated(FolderServer):
    """Answers requests for voxels only once `open` is set."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.open = threading.Event()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        if "/c/" in request.path:
            self.open.wait(30)
        super().answer(request)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Gated]:
    for name, values, axes in (("em", VALUES[0], "zyx"), ("two", VALUES, "czyx")):
        # Not by ingest, which writes a window.
        array = zarr.create_array(tmp_path / f"{name}.zarr", data=values, dimension_names=tuple(axes))
        assert array.shape == values.shape
    with serving(Gated(tmp_path)) as found:
        yield found
        found.open.set()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def window_now(view: Any) -> list[float]:
    view.look()
    found: list[float] = view.infos["em"]["window"]
    return found


def test_a_view_opens_while_no_voxel_has_come(server: Gated, tmp_path: Path) -> None:
    view = explore.image(em=open_volume(f"{server.url}/em.zarr"))
    assert view.infos["em"]["window"] == [0, 65535]
    sent: list[Any] = []
    view.send = lambda message, buffers=None: sent.append(message)
    for _ in range(3):
        assert window_now(view) == [0, 65535]
    server.open.set()
    want = list(render.window(open_volume(tmp_path / "em.zarr")))
    until(lambda: window_now(view) == want)
    assert view.state["layers"][0]["window"] is None, "nobody has chosen one"
    assert not sent, "the voxels are the same: tiles that the page has are good"
    view.close()


def test_every_channel_gets_its_own(server: Gated, tmp_path: Path) -> None:
    view = explore.image(open_volume(f"{server.url}/two.zarr"))
    (name, *_), infos = view.infos, view.infos
    assert all(one["window"] == [0, 65535] for one in infos.values())
    assert all(channel["window"] is None for channel in infos[name]["channels"])
    server.open.set()
    near = open_volume(tmp_path / "two.zarr")
    second = next(layer["id"] for layer in view.state["layers"] if layer["channel"] == 1)

    def there() -> bool:
        view.look()
        return bool(view.infos[second]["channels"][1]["window"] == list(render.window(near, c=1)))

    until(there)
    until(lambda: bool(view.infos[name]["window"] == list(render.window(near, c=0))))
    view.close()


def test_a_picture_waits_for_the_window(server: Gated, tmp_path: Path) -> None:
    near, far = (explore.image(em=open_volume(f"{root}/em.zarr")) for root in (tmp_path, server.url))
    threading.Timer(0.3, server.open.set).start()
    np.testing.assert_array_equal(far.render(200, 200), near.render(200, 200))
    near.close()
    far.close()


def test_a_window_that_the_store_states_takes_no_voxel(server: Gated, tmp_path: Path) -> None:
    ingest(VALUES[0], tmp_path / "own.zarr", voxel_size=(40, 4, 4))
    own = open_volume(tmp_path / "own.zarr").window
    view = explore.image(em=open_volume(f"{server.url}/own.zarr"))
    until(lambda: window_now(view) == list(own or ()))
    assert not any("/c/" in path for _, path, _ in server.asked)
    view.close()


def test_voxels_that_cannot_be_read_leave_the_view_open(server: Gated) -> None:
    volume = open_volume(f"{server.url}/em.zarr")
    server.status = 404
    view = explore.image(em=volume)
    server.open.set()
    view.look(wait=True)
    assert view.infos["em"]["levels"][0]["shape"] == [6, 80, 90]
    view.close()


@pytest.mark.parametrize("patience", [0, 0.8])
def test_a_program_may_end_while_it_is_looked_for(server: Gated, patience: float) -> None:
    code = f"""
import time
import ndlab
from ndlab import explore
view = explore.image(em=ndlab.open("{server.url}/em.zarr"))
print(view.infos["em"]["window"], flush=True)
time.sleep({patience})
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "[0.0, 65535.0]\n"
        threading.Timer(1.5, server.open.set).start()
        _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (0, "")
