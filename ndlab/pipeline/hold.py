"""Holds on files that end with the process, and boxes of an output that one Run at a time may write."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ndlab.errors import Conflict
from ndlab.geometry import Box

__all__ = ["claim", "hold", "holder"]


def hold(path: Path) -> int:
    """Return a lock beside `path` that the system drops when the process ends, however it ends.

    Raises
    ------
    Conflict
        If another Run, in this process or another, has it.
    """
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        process = _read(lock)
        os.close(lock)
        raise Conflict(
            f"{path} is held by another Run" + (f" (process {process})" if process else ""),
            "two Runs on one output would interleave",
            "wait for it or stop it; the hold ends with its process",
            record=str(path),
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def holder(path: Path) -> str | None:
    """Return the process that holds `path` now, None if no one does."""
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR)
    except OSError:
        return None
    try:
        # Shared, so that two who look at the same time do not take each other for the holder.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _read(lock) or "unknown"
    else:
        return None
    finally:
        os.close(lock)


def _read(lock: int) -> str:
    return os.pread(lock, 64, 0).decode(errors="replace").strip()


@contextmanager
def claim(folder: Path, box: Box, who: str) -> Iterator[None]:
    """Keep others from writing to `box` of the output whose runs are recorded in `folder`.

    Parameters
    ----------
    folder : Path
        Where claims stand, one file each, locked as long as it counts.
    box : Box
        In voxels of its level, grown to whole units of writing.
    who : str
        Named to those who are refused.

    Raises
    ------
    Conflict
        If a Run that is alive has claimed a box that shares voxels with it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.claim"
    with _exclusive(folder / "claims.lock"):
        for other in folder.glob("*.claim"):
            _refuse_shared(other, box, who)
        mine = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(mine, fcntl.LOCK_EX)
        about = {"start": box.start, "stop": box.stop, "level": box.level, "who": who, "process": os.getpid()}
        os.pwrite(mine, json.dumps(about).encode(), 0)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        os.close(mine)


def _refuse_shared(other: Path, box: Box, who: str) -> None:
    handle = os.open(other, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        about = json.loads(os.pread(handle, 1 << 12, 0))
        taken = Box(about["start"], about["stop"], about["level"])
        if taken.level == box.level and (taken & box).size:
            raise Conflict(
                f"{who} would write {box.start} to {box.stop} of {other.parent.parent.parent}",
                f"{about['who']} (process {about['process']}) is writing {taken.start} to {taken.stop} now",
                "wait for it or stop it, or give this one another output",
                process=about["process"],
            ) from None
    else:
        other.unlink(missing_ok=True)  # Its process is gone.
    finally:
        os.close(handle)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
