"""Where somebody is heading who scrolls, pans, zooms or plays, told from what was asked for last.

Nothing here reads: a view's last requests become a `Trend`, and a trend the planes that are likely wanted next.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

__all__ = ["Look", "Motion", "Trend", "wishes"]

HORIZON = 1.0  # how far ahead of the scroll planes are made ready [s]
_MOST_SLABS = 4
_REMEMBERED = 5
_FORGOTTEN = 10.0  # a look this old says nothing about the next [s]
_MOST_VIEWS = 64


@dataclass(frozen=True, slots=True)
class Look:
    """What a view asked for: a plane at a level, and the rows and columns of it, in voxels of that level."""

    level: int
    d: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Trend:
    """Direction of a view: along the depth (-1, 0, 1), planes a step, planes a second, rows and columns, levels."""

    sign: int = 0
    stride: int = 1
    speed: float = 0.0
    pan: tuple[int, int] = (0, 0)
    zoom: int = 0

    @staticmethod
    def of(looks: Sequence[Look]) -> Trend:
        """Tell the trend from the looks of a view, oldest first.

        A page asks for planes ahead of its own now and then, so one step says little: what counts is how far the
        plane moved over the last four. Two steps back are a turn.

        Examples
        --------
        >>> looks = [Look(0, d, (0, 512), (0, 512), d / 50) for d in (10, 12, 14, 16)]
        >>> Trend.of(looks)
        Trend(sign=1, stride=2, speed=50.0, pan=(0, 0), zoom=0)
        """
        if len(looks) < 2:
            return Trend()
        last, before = looks[-1], looks[-2]
        recent = [look for look in looks if last.time - look.time <= _FORGOTTEN]
        zoom = _sign(last.level - before.level) if before in recent else 0
        same = [look for look in recent if look.level == last.level]
        pan = _pan(before, last) if before in same and before.d == last.d else (0, 0)
        return replace(_along(same), pan=pan, zoom=zoom)


def _along(looks: Sequence[Look]) -> Trend:
    moves = [b.d - a.d for a, b in pairwise(looks) if b.d != a.d]
    if not moves:
        return Trend()
    sign = _sign(sum(moves)) or _sign(moves[-1])
    stride = round(statistics.median([abs(move) for move in moves if move * sign > 0]))
    seconds = looks[-1].time - looks[0].time
    return Trend(sign, max(1, stride), abs(sum(moves)) / seconds if seconds > 0 else 0.0)


def _pan(a: Look, b: Look) -> tuple[int, int]:
    return _sign(sum(b.rows) - sum(a.rows)), _sign(sum(b.columns) - sum(a.columns))


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def wishes(look: Look, trend: Trend, step: int, shapes: Sequence[tuple[int, int, int] | None]) -> Iterator[Look]:
    """Yield what is likely wanted next, most likely first; clipped to the volume, which may repeat what is there.

    Parameters
    ----------
    look, trend
        What was asked for, and where it leads.
    step : int
        Planes in a slab: the next slab begins at most so many planes away.
    shapes : sequence
        Depth, rows and columns of each level; None for one that cannot be read.

    Examples
    --------
    >>> look = Look(0, 70, (0, 512), (0, 512))
    >>> [wish.d for wish in wishes(look, Trend(sign=1, speed=60), 64, [(200, 512, 512)])]
    [134, 198]
    >>> [wish.d for wish in wishes(look, Trend(sign=-1), 64, [(200, 512, 512)])]
    [6]
    """
    shape = shapes[look.level]
    if shape is None:
        return
    if trend.sign:
        stride = max(step, trend.stride)
        for n in range(1, min(_MOST_SLABS, 1 + round(trend.speed * HORIZON / stride)) + 1):
            yield from _inside(replace(look, d=look.d + trend.sign * n * stride), shape, look)
    if any(trend.pan):
        height, width = look.rows[1] - look.rows[0], look.columns[1] - look.columns[0]
        down, right = trend.pan
        for dr, dc in dict.fromkeys([(down, right), (down, 0), (0, right)]):
            if dr or dc:
                yield from _inside(replace(look, rows=_moved(look.rows, dr * height),
                                           columns=_moved(look.columns, dc * width)), shape, look)  # fmt: skip
    if trend.zoom:
        yield from _next_level(look, look.level + trend.zoom, shape, shapes)


def _next_level(
    look: Look, level: int, shape: tuple[int, int, int], shapes: Sequence[tuple[int, int, int] | None]
) -> Iterator[Look]:
    """Yield the middle of what is seen at another level, as large on the screen as it is now."""
    other = shapes[level] if 0 <= level < len(shapes) else None
    if other is None:
        return
    size = look.rows[1] - look.rows[0], look.columns[1] - look.columns[0]
    middles = (sum(look.rows) / 2 * other[1] / shape[1], sum(look.columns) / 2 * other[2] / shape[2])
    rows, columns = ((round(m - n / 2), round(m + n / 2)) for m, n in zip(middles, size, strict=True))
    yield from _inside(Look(level, int((look.d + 0.5) * other[0] / shape[0]), rows, columns), other, None)


def _moved(span: tuple[int, int], by: int) -> tuple[int, int]:
    return span[0] + by, span[1] + by


def _inside(wish: Look, shape: tuple[int, int, int], at: Look | None) -> Iterator[Look]:
    """Yield a wish as far as it lies in the volume and is not what was looked at."""
    d = min(max(wish.d, 0), shape[0] - 1)
    rows, columns = (
        (max(0, span[0]), min(n, span[1])) for span, n in zip((wish.rows, wish.columns), shape[1:], strict=True)
    )
    if rows[0] < rows[1] and columns[0] < columns[1]:
        found = replace(wish, d=d, rows=rows, columns=columns)
        if found != at:
            yield found


class Motion:
    """The last looks of each view. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._views: OrderedDict[Hashable, deque[Look]] = OrderedDict()
        self._lock = threading.Lock()

    def observe(self, view: Hashable, look: Look) -> Trend:
        """Take note of a look and return where its view is heading."""
        with self._lock:
            looks = self._views.setdefault(view, deque(maxlen=_REMEMBERED))
            looks.append(replace(look, time=self._clock()))
            self._views.move_to_end(view)
            while len(self._views) > _MOST_VIEWS:
                self._views.popitem(last=False)
            return Trend.of(looks)
