"""Statistics of a channel over HTTP: exact, of any type, computed once for each version and kept.

A volume that is quick to read is answered at once. For a larger one the first call starts the work in the background
and says so (202); the answer is there when it is done.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ndlab.errors import BadRequest
from ndlab.geometry import Box
from ndlab.measure.statistics import Statistics, statistics
from ndlab.serve.source import Channel
from ndlab.serve.space import ladder, voxels_of

__all__ = ["Stats", "parse_roi"]

_AT_ONCE = 64 << 20  # voxels: about a second
_KEPT = 256
_ROIS = 1024
_ROI = re.compile(r"(\d+),(\d+),(\d+)-(\d+),(\d+),(\d+)")

Roi = tuple[tuple[int, int, int], tuple[int, int, int]]


def parse_roi(text: str) -> Roi:
    """Return the corners (x, y, z) of a region written as ``x0,y0,z0-x1,y1,z1``, the second one exclusive."""
    found = _ROI.fullmatch(text)
    if not found:
        raise BadRequest(f"region {text!r}", "a region is two corners", "write x0,y0,z0-x1,y1,z1")
    a, b, c, d, e, f = (int(v) for v in found.groups())
    return (a, b, c), (d, e, f)


class Stats:
    """Answers ``/stats/TOKEN/CHANNEL/...``.

    Parameters
    ----------
    at_once : int
        Voxels up to which an answer is computed while the caller waits.
    """

    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._at_once = at_once
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ndlab-stats")
        self._known: OrderedDict[Any, Future[Statistics]] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Drop what waits; what is being computed ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def answer(self, channel: Channel, what: Sequence[str], rois: Sequence[Roi] = ()) -> tuple[int, Any]:
        """Return the HTTP status and the JSON value for the rest of a path.

        Parameters
        ----------
        channel : Channel
        what : sequence of str
            ``hist``, ``hist/roi/BOX``, ``binnedhist[/roi/BOX]``, ``genhist``, ``mean``, ``std``, ``percentile/P`` or
            ``all``. Voxels of value 0 are left out, as they always were.
        rois : sequence of regions, optional
            What was posted to ``genhist``.
        """
        shape, percentiles, boxes = _asked(what, rois)
        regions = [_box(channel, one) for one in boxes]
        voxels = sum(box.size for box in regions) if regions else channel.volume.size
        if channel.volume.ndim != 3:
            channel = _first_time(channel)
        found = self._future(channel, percentiles, tuple(regions))
        if voxels > self._at_once and not found.done():
            return 202, {"status": "running", "voxels": voxels, "then": "ask again"}
        return 200, shape(found.result())

    def _future(self, channel: Channel, percentiles: tuple[float, ...], boxes: tuple[Box, ...]) -> Future[Statistics]:
        volume = channel.volume
        key = (volume.url, channel.token, channel.name, volume.version, percentiles, boxes)
        with self._lock:
            found = self._known.get(key)
            if found is None or (found.done() and found.exception() is not None):
                found = self._pool.submit(
                    statistics, volume, zeros=False, percentiles=percentiles, rois=boxes, workers=1, progress=False
                )
                self._known[key] = found
            self._known.move_to_end(key)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
            return found


def _first_time(channel: Channel) -> Channel:
    from dataclasses import replace

    axes = channel.volume.axes
    view = channel.volume.isel(t=0 if "t" in axes else None, c=0 if "c" in axes else None)
    return replace(channel, volume=view)


def _box(channel: Channel, roi: Roi) -> Box:
    start, stop = (corner[::-1] for corner in roi)
    return voxels_of(ladder(channel.volume)[0], start, stop, f"channel {channel.name!r}")


def _asked(
    what: Sequence[str], rois: Sequence[Roi]
) -> tuple[Callable[[Statistics], Any], tuple[float, ...], tuple[Roi, ...]]:
    """Return how the answer looks, which percentiles it needs, and over which regions."""
    match list(what):
        case ["hist"] | ["genhist"] if not rois:
            return _hist, (), ()
        case ["genhist"]:
            if len(rois) > _ROIS:
                raise BadRequest(f"{len(rois)} regions", f"at most {_ROIS} are taken at a time", "ask for fewer")
            return _hist, (), tuple(rois)
        case ["hist", "roi"]:
            return (lambda s: [_hist(one) for one in s.rois] or [_hist(s)]), (), ()
        case ["hist", "roi", box]:
            return _hist, (), (parse_roi(box),)
        case ["binnedhist"]:
            return _binned, (), ()
        case ["binnedhist", "roi", box]:
            return _binned, (), (parse_roi(box),)
        case ["mean"]:
            return (lambda s: {"mean": s.to_json()["mean"]}), (), ()
        case ["std"]:
            return (lambda s: {"std": s.to_json()["std"]}), (), ()
        case ["percentile", p]:
            wanted = _percent(p)
            return (lambda s: {p: s.to_json()["percentiles"][f"{wanted:g}"]}), (wanted,), ()
        case ["all"]:
            return _all, (1.0, 50.0, 99.0), ()
    raise BadRequest(f"stats/{'/'.join(what)}", "there are hist, hist/roi/BOX, binnedhist/roi/BOX, genhist, mean, std, "
                     "percentile/P and all", "ask for one of them")  # fmt: skip


def _percent(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 100:
        raise BadRequest(f"percentile {text!r}", "a percentile lies between 0 and 100", "ask for percentile/50")
    return found


def _hist(s: Statistics) -> dict[str, Any]:
    plain = s.to_json()
    return {"hist": plain["counts"], "bins": plain["edges"][:-1]}


def _binned(s: Statistics) -> dict[str, Any]:
    """Fold the full histogram into 256 bins of equal width."""
    plain = _hist(s)
    counts, edges = plain["hist"], plain["bins"]
    width = max(1, -(-len(counts) // 256))
    return {
        "hist": [sum(counts[i : i + width]) for i in range(0, len(counts), width)],
        "bins": edges[::width],
    }


def _all(s: Statistics) -> dict[str, Any]:
    plain = s.to_json()
    return {
        **_hist(s),
        "mean": plain["mean"],
        "stddev": plain["std"],
        "percentiles": {p: plain["percentiles"][p] for p in ("1", "50", "99")},
        "min": plain["min"],
        "max": plain["max"],
    }
