"""What became of one task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one task.

    Attributes
    ----------
    key : str
        The task's name (`Task.key`).
    state : str
        ``"done"`` or ``"failed"``.
    seconds : float
        Time the task itself took, all attempts together [s].
    worker : str
        Which thread or machine did it.
    attempts : int
        1 unless it was retried.
    result : object
        What the step returned, if it was done.
    error : str or None
        The worker's traceback, if it failed.
    """

    key: str
    state: str
    seconds: float = 0.0
    worker: str = ""
    attempts: int = 1
    result: Any = None
    error: str | None = None
