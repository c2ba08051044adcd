"""Bring the coarser levels of a channel up to date, in the background, one channel at a time."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ndlab.errors import Conflict, ReadOnly
from ndlab.serve.source import Channel
from ndlab.volume import Volume

__all__ = ["Propagation"]


class Propagation:
    """Answers ``setPropagate`` and ``getPropagate``: 0 out of date, 1 under way, 2 up to date.

    Examples
    --------
    >>> import numpy as np
    >>> one = Channel("toy", "image", "image", Volume.from_array(np.ones((2, 2, 2), "u1"), (40, 4, 4)))
    >>> Propagation().status(one)
    0
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ndlab-propagate")
        self._jobs: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Drop what waits; what is under way ends by itself, and a level is written shard by shard."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def status(self, channel: Channel) -> int:
        """Return 0, 1 or 2; an error of the last job is raised once."""
        with self._lock:
            job = self._jobs.get(channel.volume.url)
            if job is not None and not job.done():
                return 1
            self._jobs.pop(channel.volume.url, None)
        if job is not None and (error := job.exception()) is not None:
            raise error
        return 2 if _up_to_date(channel.volume) else 0

    def start(self, channel: Channel) -> int:
        """Start the job unless it runs, and return the status.

        Raises
        ------
        ReadOnly
            If the channel is read-only.
        Conflict
            If its levels are up to date.
        """
        if channel.readonly:
            raise ReadOnly(f"levels of channel {channel.name!r}", "it is read-only", "propagate another channel")
        if (now := self.status(channel)) == 1:
            return now
        if now == 2:
            raise Conflict(f"levels of channel {channel.name!r}", "they are up to date", "write voxels first")
        with self._lock:
            self._jobs[channel.volume.url] = self._pool.submit(Volume(channel.volume._stored).update_levels, workers=1)
        return 1


def _up_to_date(volume: Volume) -> bool:
    levels = volume.levels
    return len(levels) > 1 and not any(level.stale for level in levels[1:])
