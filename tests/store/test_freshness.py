"""A store behind HTTP that others change: it is noticed in time, asked seldom, and nobody waits for the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

from ndlab.explore.changes import mark_of
from ndlab.geometry import Box
from ndlab.ingesting import ingest
from ndlab.serve.names import Folder
from ndlab.serve.tiles import TileService
from ndlab.serve.wire import pixels, unpack
from ndlab.store import freshness, state
from ndlab.store.kv import stamp
from ndlab.volume import open as open_volume
from tests.servers import FolderServer, serving

SHAPE = (4, 64, 64)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FolderServer]:
    ingest(np.full(SHAPE, 7, "u1"), tmp_path / "em.zarr", voxel_size=(40, 4, 4))
    with serving(FolderServer(tmp_path)) as found:
        yield found


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what lasts seconds and minutes last some tenths of a second."""
    monkeypatch.setattr(state._Cached, "REMOTE_SECONDS", 0.1)
    monkeypatch.setattr(state._Cached, "UNWRITTEN_SECONDS", 0.1)
    monkeypatch.setattr(freshness, "ABOUT_SECONDS", 0.1)
    monkeypatch.setattr(freshness, "VOXEL_SECONDS", 0.5)


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def grey(service: TileService) -> int:
    """Return the grey of the first tile, as the page gets it."""
    (packed,) = service.tiles({"vol": "em", "k": "0,0,0", "s": "64"})
    (frame,) = unpack(packed)
    return int(pixels(frame).flat[0])


def test_a_write_through_ndlab_by_another_process_is_seen(server: FolderServer, soon: None, tmp_path: Path) -> None:
    volume = open_volume(f"{server.url}/em.zarr")
    with TileService() as service:
        service.add(volume, "em")
        assert grey(service) == 7
        before, version = mark_of(volume), service.info("em")["version"]
        open_volume(tmp_path / "em.zarr").write(Box((0, 0, 0), SHAPE), 9)
        until(lambda: mark_of(volume) != before)
        until(lambda: grey(service) == 9)
        assert service.info("em")["version"] > version


def test_a_write_that_nobody_counts_is_seen_when_voxels_are_old(
    server: FolderServer, soon: None, tmp_path: Path
) -> None:
    volume = open_volume(f"{server.url}/em.zarr")
    with TileService() as service:
        service.add(volume, "em")
        assert grey(service) == 7
        before = mark_of(volume)
        zarr.open_array(tmp_path / "em.zarr" / "0", mode="r+")[:] = 11
        until(lambda: grey(service) == 11)
        assert mark_of(volume) != before, "the page is told, too"


def test_a_store_that_says_something_else_of_itself_is_opened_anew(
    server: FolderServer, soon: None, tmp_path: Path
) -> None:
    names = Folder(f"{server.url}/em.zarr")
    first = names.default_channel("em").volume
    assert first.voxel_size == (40, 4, 4)
    assert names.default_channel("em").volume is first, "as long as nothing changed it stays open"
    path = tmp_path / "em.zarr" / "zarr.json"
    text = json.loads(path.read_text())
    for level in text["attributes"]["ome"]["multiscales"][0]["datasets"]:
        for change in level["coordinateTransformations"]:
            change[change["type"]] = [2 * value for value in change[change["type"]]]
    path.write_text(json.dumps(text))
    until(lambda: names.default_channel("em").volume.voxel_size == (80, 8, 8))


def test_it_is_asked_seldom_and_in_the_background(
    server: FolderServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(state._Cached, "UNWRITTEN_SECONDS", 3600)
    monkeypatch.setattr(freshness, "ABOUT_SECONDS", 0.3)
    url = f"{server.url}/em.zarr"
    mark = freshness.mark(url)
    until(lambda: freshness._watched(url)._seen is not None)
    server.asked.clear()
    server.delay = 2  # whoever waited for the answer would have been here for minutes
    began = time.monotonic()
    for _ in range(200):
        assert freshness.mark(url) == mark
        time.sleep(0.005)
    passed = time.monotonic() - began
    assert passed < 100
    until(lambda: len(server.asked) >= 2)
    assert len(server.asked) <= (time.monotonic() - began) / 0.3 + 1
    assert {path for _, path, _ in server.asked} == {"/em.zarr/zarr.json"}, "only what is there is asked for again"
    server.delay = 0


def test_a_store_that_is_away_is_as_it_was(server: FolderServer, soon: None) -> None:
    url = f"{server.url}/em.zarr"
    freshness.mark(url)
    until(lambda: freshness._watched(url)._seen is not None)
    before = stamp(url, "zarr.json"), freshness._watched(url).changes
    server.status = 503
    time.sleep(0.3)
    freshness._watched(url)._ask()
    assert (stamp(url, "zarr.json"), freshness._watched(url).changes) == before


def test_a_local_store_is_not_asked(tmp_path: Path) -> None:
    assert freshness.mark(str(tmp_path)) == freshness.mark("") == 0
