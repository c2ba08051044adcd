"""A function in a thread, and what it returned or raised."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Background"]

T = TypeVar("T")


class Background(threading.Thread, Generic[T]):
    """A thread that keeps what its function returned or raised.

    Examples
    --------
    >>> thread = Background(lambda: 6 * 7)
    >>> thread.start()
    >>> thread.result()
    42
    """

    def __init__(self, function: Callable[[], T]) -> None:
        super().__init__(name="ndlab-run", daemon=True)
        self._function, self._context = function, contextvars.copy_context()
        self._found: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        """Call the function."""
        try:
            self._found.append(self._context.run(self._function))
        except BaseException as error:
            self._error = error

    def result(self) -> T:
        """Wait, and return what the function returned or raise what it raised."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._found[0]
