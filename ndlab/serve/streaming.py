"""A blocking iterator of bytes, run in a thread and written by an event loop as fast as the client takes it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor

__all__ = ["Cancel", "Pump"]

Write = Callable[[bytes], Awaitable[None]]
# Made before the client takes it: a plane of 1024², and the next while that is on its way.
_AHEAD = 2 << 20


class Cancel:
    """A word from the loop to a thread that nobody waits for its work any more.

    Examples
    --------
    >>> cancel = Cancel()
    >>> cancel(), cancel.set(), cancel()
    (False, None, True)
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> bool:
        """Tell whether it was said."""
        return self._event.is_set()

    def set(self) -> None:
        """Say that the work may stop."""
        self._event.set()


class Pump:
    """Carries what an iterator yields from a thread to a writer, at most 2 MiB ahead of it.

    Parameters
    ----------
    source : callable
        ``source()`` gives the iterator; called and run in the thread.
    cancel : Cancel
        Set by the pump once the writer fails, and by anyone else who wants the iterator to end.
    """

    def __init__(self, source: Callable[[], Iterator[bytes]], cancel: Cancel) -> None:
        self._source, self._cancel = source, cancel
        self._parts: deque[bytes] = deque()
        self._waiting = 0
        self._room = threading.Condition()
        self._more = asyncio.Event()
        self._ended = False
        self._error: BaseException | None = None

    async def run(self, threads: Executor, write: Write) -> None:
        """Write everything, joined as it comes; raise what the iterator or the writer raised.

        A mistake of the iterator before its first bytes is raised before `write` is ever called, so that it can
        still be answered with a status.
        """
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(threads, self._fill, loop)
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                taken, ended = self._take()
                if taken:
                    await write(taken)
                if ended and not self._parts:
                    break
        finally:
            self._stop()
            await asyncio.shield(work)
        if self._error is not None:
            raise self._error

    def _take(self) -> tuple[bytes, bool]:
        with self._room:
            taken = self._parts.popleft() if len(self._parts) == 1 else b"".join(self._parts)
            self._parts.clear()
            self._waiting = 0
            self._room.notify_all()
            return taken, self._ended

    def _stop(self) -> None:
        self._cancel.set()
        with self._room:
            self._room.notify_all()

    def _fill(self, loop: asyncio.AbstractEventLoop) -> None:
        iterator: Iterator[bytes] | None = None
        try:
            iterator = self._source()
            for part in iterator:
                if not self._put(part, loop):
                    break
        except BaseException as error:
            self._error = error
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            self._ended = True
            self._tell(loop)

    def _put(self, part: bytes, loop: asyncio.AbstractEventLoop) -> bool:
        with self._room:
            self._room.wait_for(lambda: self._waiting < _AHEAD or self._cancel())
            if self._cancel():
                return False
            self._parts.append(part)
            self._waiting += len(part)
        self._tell(loop)
        return True

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(self._more.set)
        except RuntimeError:  # The loop has ended: nobody is left to tell.
            self._cancel.set()
