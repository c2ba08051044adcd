"""The record of a Run: one line of JSON per finished block, safe against ``kill -9`` and power loss."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ndlab.errors import Conflict

__all__ = ["Outcome", "Record"]

_GROUP_SECONDS = 5.0


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


class Record:
    """An append-only file of outcomes that one Run at a time may hold.

    Lines reach the file at once, so they survive the death of the process; every few seconds `flush_data` is called
    and the file is flushed to disk, in this order, so that after a power cut a line that counts never speaks
    of voxels that were lost. A torn last line, which only an interrupted write can leave, is cut off.

    Parameters
    ----------
    path : path-like
        A local file; its folder is made.
    flush_data : callable, optional
        Brings the blocks' own output to disk.

    Raises
    ------
    Conflict
        If another Run, in this process or another, holds the record. The hold ends with its process.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Record(folder + "/run.jsonl") as record:
    ...     record.begin("double", "fingerprint")
    ...     record.add("double", Outcome("0:1,0:1,0:1", "done", result=2))
    ...     sorted(record.done("double")), [o.result for o in record.outcomes("double")]
    (['0:1,0:1,0:1'], [2])
    """

    def __init__(self, path: str | os.PathLike[str], flush_data: Callable[[], None] | None = None) -> None:
        self.path = Path(path)
        self._flush_data = flush_data or (lambda: None)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _hold(self.path)
        self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 - closed by close()
        self._done: dict[str, set[str]] = {}
        self._keys: dict[str, str] = {}
        self._unsynced: list[tuple[str, str]] = []
        self._last_sync = time.monotonic()
        self._load()

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self, step: str, fingerprint: str, *, restart: bool = False) -> None:
        """Start or continue `step`; what was recorded under another fingerprint is in the way.

        With `restart`, the whole record is emptied instead: for steps whose output may be written over.

        Raises
        ------
        Conflict
            If the record holds results of the step with other parameters.
        """
        known = self._keys.get(step)
        if known == fingerprint:
            return
        if known is not None and restart:
            self.forget()
        elif known is not None:
            raise Conflict(
                f"step {step!r} was started with other parameters than {self.path} records",
                f"{len(self._done.get(step, ()))} of its blocks are done with the earlier ones",
                "use the earlier parameters to resume, or start over with overwrite=True",
                record=str(self.path),
            )
        self._keys[step] = fingerprint
        self._append({"step": step, "fingerprint": fingerprint, "boot": _boot()})

    def done(self, step: str) -> set[str]:
        """Keys of the blocks of `step` that are done."""
        return self._done.setdefault(step, set())

    def add(self, step: str, outcome: Outcome) -> None:
        """Append one outcome."""
        fields = {k: v for k, v in asdict(outcome).items() if v is not None and k != "key"}
        self._append({"step": step, "block": outcome.key, **fields})
        if outcome.state == "done":
            self.done(step).add(outcome.key)
        if time.monotonic() - self._last_sync > _GROUP_SECONDS:
            self.sync()

    def outcomes(self, step: str) -> Iterator[Outcome]:
        """Yield the outcome of each block of `step` that is done, in the order of the file."""
        seen: set[str] = set()
        wanted = self.done(step)
        for line in self._lines():
            key = line.get("block")
            if line.get("step") == step and line.get("state") == "done" and key in wanted and key not in seen:
                seen.add(key)
                names = ("state", "seconds", "worker", "attempts", "result")
                yield Outcome(key, **{name: line[name] for name in names if name in line})

    def forget(self) -> None:
        """Empty the record: all is done, and the next run starts anew."""
        self._flush_data()
        self._file.truncate(0)
        os.fsync(self._file.fileno())
        self._keys.clear()
        self._done.clear()

    def sync(self) -> None:
        """Bring the blocks' output and then the record to disk."""
        self._flush_data()
        self._append({"synced": _boot()})
        os.fsync(self._file.fileno())
        self._last_sync = time.monotonic()

    def close(self) -> None:
        """Flush and let go of the record."""
        if self._file.closed:
            return
        try:
            self.sync()
        finally:
            self._file.close()
            os.close(self._lock)

    def _append(self, line: dict[str, Any]) -> None:
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        while data:  # An unbuffered write may be partial, e.g. on a nearly full disk.
            data = data[self._file.write(data) :]

    def _lines(self) -> Iterator[dict[str, Any]]:
        with open(self.path, "rb") as file:
            for raw in file:
                if raw.endswith(b"\n"):
                    yield json.loads(raw)

    def _load(self) -> None:
        self._cut_torn_line()
        unsynced: list[tuple[str, str]] = []
        boot = ""
        for line in self._lines():
            if "synced" in line:
                boot = line["synced"]
                unsynced.clear()
            elif "block" not in line:
                self._keys[line["step"]] = line["fingerprint"]
                boot = line["boot"]
            elif line["state"] == "done":
                self.done(line["step"]).add(line["block"])
                unsynced.append((line["step"], line["block"]))
        if boot and boot != _boot():  # The machine went down since: what was not flushed may be gone.
            for step, key in unsynced:
                self.done(step).discard(key)

    def _cut_torn_line(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        keep, step = size, 1 << 16
        while keep > 0:
            start = max(0, keep - step)
            self._file.seek(start)
            found = self._file.read(keep - start).rfind(b"\n")
            if found >= 0:
                keep = start + found + 1
                break
            keep = start
        if keep < size:
            self._file.truncate(keep)


def _hold(path: Path) -> int:
    """Return a lock beside `path` that the system drops when the process ends, however it ends."""
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(lock, 64, 0).decode(errors="replace").strip()
        os.close(lock)
        raise Conflict(
            f"{path} is held by another Run" + (f" (process {holder})" if holder else ""),
            "two Runs on one output would interleave",
            "wait for it or stop it; the hold ends with its process",
            record=str(path),
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
