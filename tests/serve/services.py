"""A tile service that counts what is taken from it: whoever streams must neither hold back nor run ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ndlab.errors import BadRequest, NotFound

__all__ = ["Counting"]


class Counting:
    """Yields `query["n"]` parts of `query["size"]` bytes, `query["wait"]` seconds apart; part i is full of byte i."""

    def __init__(self, name: str = "em") -> None:
        self.name = name
        self.made = 0
        self.ended = threading.Event()

    def info(self, id: str) -> dict[str, Any]:  # noqa: A002 - the name on the wire
        """Facts."""
        if id != self.name:
            raise NotFound(f"volume {id!r} was asked for", f"there is {self.name!r}", f"ask for vol={self.name}")
        return {"id": id, "version": 3, "big": str(2**63 + 1)}

    def tiles(self, query: Mapping[str, str], cancelled: Callable[[], bool]) -> Iterator[bytes]:
        """Parts."""
        return self.play(query, cancelled)

    def play(self, query: Mapping[str, str], cancelled: Callable[[], bool]) -> Iterator[bytes]:
        """Parts, until there are no more or nobody waits."""
        if not query.get("n", "3").isdecimal():
            raise BadRequest(f"n={query['n']}", "n is a whole number", "ask for n=3")
        return self._parts(query, cancelled)

    def _parts(self, query: Mapping[str, str], cancelled: Callable[[], bool]) -> Iterator[bytes]:
        self.ended.clear()
        self.made = 0
        try:
            for number in range(int(query.get("n", "3"))):
                if cancelled():
                    return
                time.sleep(float(query.get("wait", "0")))
                if number == int(query.get("fail", "-1")):
                    raise RuntimeError("/somewhere/secret broke")
                self.made += 1
                yield bytes([number % 256]) * int(query.get("size", "10"))
        finally:
            self.ended.set()
