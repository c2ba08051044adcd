"""Runs as they begin, told to whoever called what begins them: a function that starts Runs inside need not say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ndlab.pipeline.run import Run

__all__ = ["announce", "looking_on"]

_onlookers: ContextVar[tuple[Callable[[Run], object], ...]] = ContextVar("ndlab_onlookers", default=())


@contextmanager
def looking_on(onlooker: Callable[[Run], object]) -> Iterator[None]:
    """Have `onlooker` called with every Run that begins inside, before its first block; it may subscribe, or stop it.

    Runs that are begun inside by `Run.start`, in a thread of their own, count as well; those of threads of a pool do
    not.

    Examples
    --------
    >>> from ndlab.geometry import Grid
    >>> from ndlab.pipeline import Run, Step
    >>> seen = []
    >>> with looking_on(seen.append):
    ...     _ = Run(Step("size", lambda block: block.size), Grid((4, 4, 6), (4, 4, 4)), workers=2).run()
    >>> [(run.step.name, len(run)) for run in seen]
    [('size', 2)]
    """
    token = _onlookers.set((*_onlookers.get(), onlooker))
    try:
        yield
    finally:
        _onlookers.reset(token)


def announce(run: Run) -> None:
    """Tell those who look on that a Run begins."""
    for onlooker in _onlookers.get():
        onlooker(run)
