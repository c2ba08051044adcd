"""Tiles by kernel messages: parts of a bounded size, two under way, cancelled work stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from ndlab.errors import BadRequest
from ndlab.explore import comm_tiles
from ndlab.explore.comm_tiles import CommTiles


class Counting:
    """A service whose frames are as many and as large as the query says."""

    def __init__(self) -> None:
        self.made = 0
        self.closed = threading.Event()
        self.asked: list[dict[str, str]] = []

    def info(self, vol: str) -> dict[str, Any]:
        return {"id": vol, "version": 3}

    def tiles(self, query: Mapping[str, str], cancelled: Callable[[], bool]) -> Iterator[bytes]:
        self.asked.append(dict(query))
        if "vol" not in query:
            raise BadRequest("a request without vol", "every request names one")
        return self._frames(int(query["n"]), int(query["size"]), cancelled)

    play = tiles

    def _frames(self, count: int, size: int, cancelled: Callable[[], bool]) -> Iterator[bytes]:
        try:
            for number in range(count):
                if cancelled():
                    return
                self.made += 1
                yield bytes([number % 256]) * size
        finally:
            self.closed.set()


class Page:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, Any], list[bytes]]] = []
        self._more = threading.Condition()

    def __call__(self, message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        with self._more:
            self.heard.append((dict(message), list(buffers)))
            self._more.notify_all()

    def wait(self, count: int) -> list[tuple[dict[str, Any], list[bytes]]]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.heard) >= count, 10), f"{len(self.heard)} of {count} parts"
            return list(self.heard)


@pytest.fixture
def service() -> Counting:
    return Counting()


def request(number: int, op: str = "tiles", **query: Any) -> dict[str, Any]:
    return {"t": "req", "id": number, "op": op, "q": {"vol": "em", **query}}


def test_small_frames_travel_together_and_whole(service: Counting) -> None:
    page = Page()
    tiles = CommTiles(service, page)
    assert tiles.receive(request(7, n=10, size=1000))
    [(message, buffers)] = page.wait(1)
    assert message == {"t": "part", "id": 7, "last": True}
    assert buffers == [bytes([i]) * 1000 for i in range(10)]
    assert service.asked == [{"q": "jpeg75", "vol": "em", "n": "10", "size": "1000"}]


def test_no_more_than_two_parts_are_under_way(service: Counting) -> None:
    page = Page()
    tiles = CommTiles(service, page)
    tiles.receive(request(1, "play", n=40, size=600_000, q="raw"))
    page.wait(2)
    time.sleep(0.1)
    assert len(page.heard) == 2
    # Two parts sent, one ready: a frame more would have to wait in memory.
    assert service.made == 6
    assert service.asked[0]["q"] == "raw"
    got = 0
    while not page.heard[-1][0]["last"]:
        tiles.receive({"t": "ack", "id": 1})
        got += 1
        page.wait(2 + got)
    frames = [frame for _, buffers in page.heard for frame in buffers]
    assert [frame[0] for frame in frames] == list(range(40))
    assert all(sum(map(len, buffers)) < 2 * comm_tiles.PART_BYTES for _, buffers in page.heard)


def test_what_is_cancelled_stops(service: Counting) -> None:
    page = Page()
    tiles = CommTiles(service, page)
    tiles.receive(request(1, n=1000, size=600_000))
    page.wait(2)
    tiles.receive({"t": "cancel", "id": 1})
    assert service.closed.wait(10)
    assert len(page.heard) == 2
    assert service.made < 10


def test_a_page_that_is_gone_is_given_up(service: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm_tiles, "PATIENCE_SECONDS", 0.05)
    page = Page()
    tiles = CommTiles(service, page)
    tiles.receive(request(1, n=1000, size=600_000))
    assert service.closed.wait(10)
    end = time.monotonic() + 10
    while tiles.under_way and time.monotonic() < end:
        time.sleep(0.01)
    assert tiles.under_way == 0
    assert len(page.heard) == 2


def test_closing_cancels_everything(service: Counting) -> None:
    page = Page()
    tiles = CommTiles(service, page)
    for number in range(3):
        tiles.receive(request(number, n=1000, size=600_000))
    page.wait(6)
    tiles.close()
    end = time.monotonic() + 10
    while tiles.under_way and time.monotonic() < end:
        time.sleep(0.01)
    assert tiles.under_way == 0


def test_errors_arrive_as_words(service: Counting) -> None:
    page = Page()
    tiles = CommTiles(service, page)
    tiles.receive({"t": "req", "id": 1, "op": "tiles", "q": {}})
    page.wait(1)
    tiles.receive({"t": "req", "id": 2, "op": "delete", "q": {}})
    page.wait(2)
    tiles.receive({"t": "req", "id": 3, "op": "tiles"})
    page.wait(3)
    tiles.receive({"t": "req", "id": 4, "op": "tiles", "q": {"vol": "em", "n": "x", "size": "1"}})
    messages = [message for message, _ in page.wait(4)]
    assert all(message["last"] for message in messages)
    assert [message["error"].split(".")[0] for message in messages] == [
        "a request without vol",
        "op 'delete' with q {}",
        "op 'tiles' with q None",
        "ValueError(\"invalid literal for int() with base 10: 'x'\")",
    ]


def test_info_and_strangers(service: Counting) -> None:
    page = Page()
    tiles = CommTiles(service, page)
    assert tiles.receive({"t": "req", "id": 1, "op": "info", "q": {"vol": "em"}})
    assert page.wait(1)[0][0] == {"t": "part", "id": 1, "last": True, "info": {"id": "em", "version": 3}}
    assert tiles.receive({"t": "ack", "id": 99})
    assert not tiles.receive({"t": "hello"})
