"""`follow`: look, append, until told to stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ndlab.errors import NotFound, Problems
from ndlab.store.arrays import Stored
from ndlab.store.follow.grow import GROWING_KEY, Growing
from ndlab.store.follow.watch import Watch
from ndlab.store.ingest import checks
from ndlab.store.ingest.plan import Options
from ndlab.store.ingest.sources import settle_calibration
from ndlab.store.kv import Kv, normal_url
from ndlab.store.multiscale import open_store
from ndlab.store.records import open_record

__all__ = ["Followed", "follow"]


@dataclass(frozen=True)
class Followed:
    """What following made so far: the store, its number of sections, and why it stopped."""

    stored: Stored
    sections: int
    stopped: str


def follow(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    idle: float | None = None,
    sections: int | None = None,
    stop: threading.Event | None = None,
    settle: float = 2.0,
    poll: float = 1.0,
    patience: float = 60.0,
    workers: int | None = None,
    on_batch: Callable[[int], None] | None = None,
    **options: Any,
) -> Followed:
    """Append sections to a store as they land in a folder, until told to stop.

    A section is taken once all its files (channels, tiles) are there, have not changed for `settle` seconds and can
    be decoded, and all sections before it have been taken. Several that have landed make one batch.

    Parameters
    ----------
    source : str or path
        A folder of numbered pictures, or one that will be; may still be empty.
    dest : str or path
        Where; a store that an earlier call began is continued.
    idle : float, optional
        Stop when nothing has landed for so long [s].
    sections : int, optional
        Stop when the volume is so deep.
    stop : threading.Event, optional
        Stop when it is set.
    settle, poll : float
        How long a file must rest before it is read, and how often the folder is looked at [s].
    patience : float
        How long a file that rests but cannot be decoded is waited for before that is an error [s].
    workers : int, optional
        Threads.
    on_batch : callable, optional
        Called with the number of sections after each batch.
    **options
        As for `ingest`: voxel_size, unit, offset, kind, name, channels, pattern, version ("0.5" or "0.4"), chunks,
        shards, codec, levels.

    Returns
    -------
    Followed

    Raises
    ------
    Problems
        If something is wrong; nothing was written then.
    Conflict
        If another process follows into this store, or sections landed before the first one.
    """
    folder, url = os.fspath(source), normal_url(dest)
    given = Options(workers=workers, **options)
    _check(folder, url, given)
    watch = Watch(folder, given.pattern, settle, patience, len(given.channels or "1"))
    end = _End(idle, sections, stop)
    with open_record(url, "follow"):
        growing = Growing.resumed(url, folder, given)
        while not (why := end.reached(growing.depth if growing else 0)):
            ready = watch.ready(growing.depth if growing else 0, growing.first if growing else None)
            if not ready:
                end.wait(poll)
                continue
            if growing is None:
                growing = Growing.begun(url, folder, given, watch.first)
            count = min(ready, growing.batch, (sections or 1 << 62) - growing.depth)
            growing.append(count, workers)
            end.landed()
            if on_batch is not None:
                on_batch(growing.depth)
        if growing is None:
            raise NotFound(f"no section has landed in {folder}", f"stopped because of {why}", "check the folder")
        growing.finish(workers)
        return Followed(open_store(url), growing.depth, why)


def _check(folder: str, url: str, o: Options) -> None:
    problems: list[str] = []
    checks.check_options(o.version, o.kind, o.levels, o.chunks, o.shards, problems)
    checks.check_codec(o.codec, o.version, problems)
    if o.version == "precomputed":
        problems.append("precomputed keeps one extent for good: follow into version 0.5 or 0.4")
    if o.voxel_size is None:
        problems.append("no voxel size: pictures state none; pass voxel_size=(z, y, x) in nm, e.g. (40, 4, 4)")
    else:
        settle_calibration(None, (), o.voxel_size, o.unit, o.offset, problems)
    if Kv(url).read(GROWING_KEY) is None:
        checks.check_destination(url, False, problems)
    checks.check_apart(folder, url, problems)
    if not os.path.isdir(folder):
        problems.append(f"{folder} is no folder")
    if problems:
        raise Problems(f"follow into {url}", problems, "correct these and call follow again")


class _End:
    """When to stop."""

    def __init__(self, idle: float | None, sections: int | None, stop: threading.Event | None) -> None:
        self._idle, self._sections, self._stop = idle, sections, stop or threading.Event()
        self._last = time.monotonic()

    def landed(self) -> None:
        self._last = time.monotonic()

    def reached(self, depth: int) -> str:
        """Why to stop now; empty if not."""
        if self._stop.is_set():
            return "stop"
        if self._sections is not None and depth >= self._sections:
            return "sections"
        if self._idle is not None and time.monotonic() - self._last > self._idle:
            return "idle"
        return ""

    def wait(self, seconds: float) -> None:
        self._stop.wait(seconds)
