"""What takes long beside the kernel's own thread: one thing after the other, what went out of date left undone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Work"]


class Work:
    """Computes in a thread of its own; that of a name which is asked for anew before it began is not begun.

    Parameters
    ----------
    tell : callable
        Given what is being computed, in words, whenever that changes.
    """

    def __init__(self, tell: Callable[[list[str]], None]) -> None:
        self._tell = tell
        self._changed = threading.Condition()
        self._waiting: dict[str, Callable[[], Any]] = {}
        self._running: str | None = None
        self._alive = False

    @property
    def names(self) -> list[str]:
        """What runs and waits."""
        with self._changed:
            running = [] if self._running is None else [self._running]
            return running + [name for name in self._waiting if name not in running]

    def soon(self, name: str, function: Callable[[], Any]) -> None:
        """Have `function` called; it keeps its own result and takes care of its own errors."""
        with self._changed:
            self._waiting[name] = function
            begin, self._alive = not self._alive, True
        self._tell(self.names)
        if begin:
            threading.Thread(target=self._run, name="ndlab-graph", daemon=True).start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is left to do; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._alive, seconds)

    def forget(self, names: Iterable[str]) -> list[str]:
        """Do not begin what waits under these names; return those that did wait."""
        with self._changed:
            found = [name for name in names if self._waiting.pop(name, None) is not None]
        if found:
            self._tell(self.names)
        return found

    def drop(self) -> None:
        """Begin nothing more."""
        with self._changed:
            self._waiting.clear()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._alive = False
                    self._changed.notify_all()
                    break
                name = next(iter(self._waiting))
                function, self._running = self._waiting.pop(name), name
            try:
                function()
            finally:
                with self._changed:
                    self._running = None
                self._tell(self.names)
