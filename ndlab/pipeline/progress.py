"""How far a Run is, and a bar that shows it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Progress", "ProgressCallback", "progress_bar"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A Run at one moment.

    Attributes
    ----------
    step : str
        The step's name.
    total, done, failed, skipped : int
        Blocks altogether; done now or before; failed; done before this Run started.
    seconds : float
        Since this Run started [s].
    retried : int
        Attempts beyond the first, of the blocks that have ended.
    dashboard : str
        Address of the cluster's dashboard; empty on threads, and where it has none.
    """

    step: str
    total: int
    done: int
    failed: int
    skipped: int
    seconds: float
    retried: int = 0
    dashboard: str = ""


ProgressCallback = Callable[[Progress], None]


def progress_bar(show: bool | None = None) -> AbstractContextManager[ProgressCallback]:
    """Return a bar for a terminal or notebook: a context manager that gives a callback for `Run`.

    Above the bar of a Run on a cluster stands where its dashboard is.

    Parameters
    ----------
    show : bool, optional
        False for silence; None decides: a bar where somebody looks (a terminal or a notebook), else silence.

    Examples
    --------
    >>> with progress_bar(False) as callback:
    ...     callback(Progress("step", 2, 1, 0, 0, 0.1))
    """
    return _bars() if (_watched() if show is None else show) else _silence()


def _watched() -> bool:
    # That ipykernel is loaded is not enough: a program that runs notebooks loads it too.
    ipython = sys.modules.get("IPython")
    if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):
        return True
    return bool(sys.stderr and sys.stderr.isatty())


@contextmanager
def _silence() -> Iterator[ProgressCallback]:
    yield lambda progress: None


@contextmanager
def _bars() -> Iterator[ProgressCallback]:
    from tqdm.auto import tqdm

    bars: dict[str, Any] = {}

    def update(progress: Progress) -> None:
        bar = bars.get(progress.step)
        if bar is None:
            if progress.dashboard:
                tqdm.write(f"{progress.step}: dashboard at {progress.dashboard}", file=sys.stderr)
            bar = bars[progress.step] = tqdm(
                total=progress.total, initial=progress.skipped, desc=progress.step, unit="block"
            )
        counts = {"failed": progress.failed, "retried": progress.retried}
        bar.set_postfix({name: count for name, count in counts.items() if count}, refresh=False)
        bar.total = progress.total
        bar.update(progress.done + progress.failed - bar.n)

    try:
        yield update
    finally:
        for bar in bars.values():
            bar.close()
