"""A picture that the page is asked for, computed here where no page answers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

__all__ = ["Screenshot"]


class Screenshot:
    """A PNG that is on its way; waiting for it keeps nothing else from running.

    Parameters
    ----------
    instead : callable
        Makes the picture here.
    seconds : float
        How long to wait for the page; 0 where there is none.

    Examples
    --------
    >>> shot = Screenshot(lambda: b"a picture", 0)
    >>> shot.result(), shot.source
    (b'a picture', 'kernel')
    """

    def __init__(self, instead: Callable[[], bytes], seconds: float) -> None:
        self._page: Future[bytes] = Future()
        self._done: Future[bytes] = Future()
        self._instead, self._seconds = instead, seconds
        self.source = ""
        threading.Thread(target=self._wait, name="ndlab-screenshot", daemon=True).start()

    def take(self, png: bytes) -> None:
        """Take what the page answers."""
        if not self._page.done():
            self._page.set_result(png)

    def _wait(self) -> None:
        try:
            png = self._page.result(self._seconds)
            self.source = "page"
        except TimeoutError:
            try:
                png = self._instead()
            except Exception as error:
                self._done.set_exception(error)
                return
            self.source = "kernel"
        self._done.set_result(png)

    def result(self, timeout: float | None = None) -> bytes:
        """Wait for the picture, and return it as PNG."""
        return self._done.result(timeout)

    @property
    def done(self) -> bool:
        """Whether the picture is there."""
        return self._done.done()

    def __await__(self) -> Generator[Any, None, bytes]:
        import asyncio

        return asyncio.wrap_future(self._done).__await__()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a PNG file."""
        target = Path(path)
        target.write_bytes(self.result())
        return target

    def _repr_png_(self) -> bytes:
        return self.result()
