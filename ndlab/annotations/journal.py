"""The journal: strokes in one serial order, on disk before they are acknowledged, whoever writes at the same time.

A folder of segments, each named after the first stroke it may hold. A record is a fixed head (checksum, length, the
stroke's number, its transaction, where its group began), then the stroke's bytes. Writers hold a lock of the
file system while they number, append and flush; those of one process that come meanwhile share the next flush. What a
crash leaves unfinished at the end was acknowledged to nobody: the next writer sets it aside and goes on before it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import google_crc32c

from ndlab.annotations.records import LONGEST, read, record
from ndlab.annotations.strokes import Stroke, pack
from ndlab.errors import BadMetadata, ReadOnly, TooLarge

__all__ = ["Journal", "locked"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(slots=True, eq=False)
class _Waiting:
    """One write on its way to disk."""

    strokes: Sequence[Stroke]
    bodies: list[bytes]
    sums: list[int]
    done: bool = False
    error: BaseException | None = None


@dataclass
class Journal:
    """An append-only, many-writer log of strokes in a folder.

    Parameters
    ----------
    folder : path
        It is made if it can be; a folder that cannot be written is read.
    verdict : callable, optional
        Tells which of some tokens stand, of writes that are halves of a change; the others never happened.

    Examples
    --------
    >>> import tempfile
    >>> from ndlab.annotations.strokes import Mode, Shape
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal, other = Journal(Path(folder)), Journal(Path(folder))
    ...     _ = journal.append([Stroke(Mode.OVERWRITE, Shape.BOX, 7, (0, 0, 0), (1, 2, 3))])
    ...     [(stroke.sequence, stroke.id) for stroke in other.pending(0)]
    [(1, 7)]
    """

    folder: Path
    verdict: Callable[[set[int]], set[int]] = lambda tokens: set()
    _strokes: list[Stroke] = field(default_factory=list)
    _last: int = 0
    _segment: int = 0
    _offset: int = 0
    _torn: int = 0
    # The last write, where it is read without a lock and its other half has not been heard of.
    _open: list[Stroke] = field(default_factory=list)
    _damage: str = ""
    _queue: list[_Waiting] = field(default_factory=list)
    _mutex: threading.RLock = field(default_factory=threading.RLock)
    _leader: threading.Lock = field(default_factory=threading.Lock)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    flushes: int = 0

    def __post_init__(self) -> None:
        self.writable = True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / "lock"):
                if not self._segments():
                    _new_file(self.folder / _name(1))
        except OSError as error:
            if error.errno not in (*_CLOSED, *_FULL):
                raise
            self.writable = False

    # --- writing ----------------------------------------------------------------------------------------------

    def append(self, strokes: Sequence[Stroke]) -> int:
        """Make strokes durable as one transaction, and return its number, that of its first stroke.

        Raises
        ------
        TooLarge
            If the disk is full: nothing of the transaction is kept.
        ReadOnly
            If the folder cannot be written.
        BadMetadata
            If acknowledged records are damaged.
        """
        bodies = [pack(stroke) for stroke in strokes]
        if any(len(body) > LONGEST for body in bodies):
            raise TooLarge("a stroke of more than 1 GiB", "the journal takes 1 GiB at once", "write it box by box",
                           nbytes=max(map(len, bodies)), limit=LONGEST)  # fmt: skip
        mine = _Waiting(strokes, bodies, [google_crc32c.value(body) for body in bodies])
        with self._guard:
            self._queue.append(mine)
        with self._leader:
            if not mine.done:
                with self._guard:
                    group, self._queue = self._queue, []
                self._write(group)
        if mine.error is not None:
            raise mine.error
        return strokes[-1].transaction

    def _write(self, group: list[_Waiting]) -> None:
        """Append and flush what has gathered; whoever waits learns how it went."""
        try:
            self.check_writable()
            with self.hold():
                self._append(group)
        except BaseException as error:
            for one in group:
                one.error = _named(error, self.folder)
        for one in group:
            one.done = True

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold off every other writer, having read what they wrote."""
        self.check_writable()
        try:
            with locked(self.folder / "lock"), self._mutex:
                self._catch_up()
                self._check_whole()
                self._cut()
                yield
        except OSError as error:
            raise _named(error, self.folder) from None

    def append_held(self, strokes: Sequence[Stroke]) -> int:
        """Append inside `hold`."""
        self.prepare(strokes)()
        return strokes[-1].transaction

    def prepare(self, strokes: Sequence[Stroke]) -> Callable[[], None]:
        """Append inside `hold`, and return what makes them count here.

        Without it they are found again at the next look, and `verdict` is asked whether they stand.
        """
        bodies = [pack(stroke) for stroke in strokes]
        return self._put([_Waiting(strokes, bodies, [google_crc32c.value(body) for body in bodies])])

    def _append(self, group: Sequence[_Waiting]) -> None:
        self._put(group)()

    def _put(self, group: Sequence[_Waiting]) -> Callable[[], None]:
        path = self.folder / _name(self._segment)
        sequence, begin = self._last, self._offset
        now = time.time_ns() // 1000
        raw: list[bytes] = []
        strokes: list[Stroke] = []
        for waiting in group:
            transaction = sequence + 1
            final = len(waiting.strokes) - 1
            for i, stroke in enumerate(waiting.strokes):
                sequence += 1
                stroke.sequence, stroke.transaction, stroke.time, stroke.last = sequence, transaction, now, i == final
                raw += record(stroke, waiting.bodies[i], waiting.sums[i], begin)
                strokes.append(stroke)
        whole = b"".join(raw)
        handle = os.open(path, os.O_WRONLY)
        try:
            _write_all(handle, whole, begin)
            os.fsync(handle)
        except BaseException:
            # Nobody was told that it is there, and nobody may find it.
            os.ftruncate(handle, begin)
            raise
        finally:
            os.close(handle)
        self.flushes += 1

        def counted() -> None:
            self._strokes += strokes
            self._last, self._offset = sequence, begin + len(whole)

        return counted

    def seal(self) -> int:
        """Begin a new segment, and return the number of the last stroke before it."""
        with self.hold():
            if self._segment <= self._last:
                self._segment, self._offset = self._last + 1, 0
                _new_file(self.folder / _name(self._segment))
            return self._last

    def drop(self, upto: int) -> None:
        """Remove segments whose strokes are all numbered `upto` or less."""
        with self.hold():
            names = self._segments()
            for first, following in pairwise(names):
                if following <= upto + 1:
                    (self.folder / _name(first)).unlink(missing_ok=True)
        self.forget(upto)

    def check_writable(self) -> None:
        """Refuse to go on where the folder cannot be written."""
        if not self.writable:
            raise ReadOnly(f"{self.folder} cannot be written", "the journal of the annotations is there",
                           "check the permissions of the folder, or annotate into another one")  # fmt: skip

    def _check_whole(self) -> None:
        if self._damage:
            raise BadMetadata(
                f"the journal in {self.folder} is damaged",
                self._damage,
                "everything before it can be read; .repair() sets the rest aside and goes on from there",
            )

    def _cut(self) -> None:
        """Set aside what an interrupted writer left at the end; nobody was told that it was written."""
        if not self._torn:
            return
        path = self.folder / _name(self._segment)
        with path.open("r+b") as file:
            file.seek(self._offset)
            rest = file.read()
            if rest.strip(b"\0"):
                (self.folder / f"torn-{self._segment:020d}-{self._offset}.bin").write_bytes(rest)
            file.truncate(self._offset)
            os.fsync(file.fileno())
        self._torn = 0

    def repair(self) -> int:
        """Set aside everything from the first damaged record on, and return how many bytes that were."""
        self.check_writable()
        with locked(self.folder / "lock"), self._mutex:
            self._catch_up()
            bytes_left = self._torn
            for later in [first for first in self._segments() if first > self._segment]:
                path = self.folder / _name(later)
                bytes_left += path.stat().st_size
                path.rename(path.with_name(f"torn-{later:020d}-0.bin"))
            self._damage = ""
            self._cut()
            return bytes_left

    # --- reading ----------------------------------------------------------------------------------------------

    def pending(self, merged: int, after: int = 0) -> list[Stroke]:
        """Return all strokes numbered above `merged`, of every writer; only those above `after`, too."""
        if self._news():
            # The lock of the file system comes first wherever both are taken.
            with locked(self.folder / "lock", shared=True) if self.writable else nullcontext(), self._mutex:
                self._catch_up()
        with self._mutex:
            self.forget(merged)
            return self._strokes[bisect_right(self._strokes, after, key=lambda stroke: stroke.sequence) :]

    @property
    def damage(self) -> str:
        """What is wrong with the journal; empty if nothing is."""
        return self._damage

    def beyond(self, stroke: int) -> bool:
        """Whether there may be strokes after one; cheap."""
        return self._news() or self._last > stroke

    @property
    def last(self) -> int:
        """Number of the last stroke known."""
        return self._last

    @property
    def nbytes(self) -> int:
        """Bytes of all segments."""
        return sum((self.folder / _name(first)).stat().st_size for first in self._segments())

    def forget(self, upto: int) -> None:
        """Drop strokes that were merged from memory."""
        with self._mutex:
            if self._strokes and self._strokes[0].sequence <= upto:
                self._strokes = [stroke for stroke in self._strokes if stroke.sequence > upto]

    def _segments(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("*.log"))

    def _news(self) -> bool:
        """Whether anybody else has written since; cheap, for every read asks."""
        try:
            size = (self.folder / _name(self._segment)).stat().st_size
        except OSError:
            return True
        # A sealed segment is no longer written to, and where it ends another begins.
        sealed = self._segment != self._last + 1 and (self.folder / _name(self._last + 1)).exists()
        # Another may have put a record of the same length where a torn one was.
        return sealed or self._torn > 0 or size != self._offset or bool(self._open)

    def _catch_up(self) -> None:
        """Read what others wrote, under the lock."""
        names = self._segments()
        for first in names:
            if first < self._segment or self._damage:
                continue
            if first > self._segment:
                if first > self._last + 1 and self._segment in names and self._torn:
                    self._damage = f"segment {self._segment} ends {self._torn} bytes early, and {first} follows"
                    break
                self._segment, self._offset = first, 0
            # Older segments were merged and are gone: numbers go on where this one begins.
            self._last = max(self._last, first - 1)
            found = read(self.folder / _name(first), self._offset, self._last + 1)
            fresh = found.strokes
            self._strokes += self._standing(fresh)
            self._offset, self._torn = found.end, found.size - found.end
            if fresh:
                self._last = fresh[-1].sequence
            if found.damaged:
                self._damage = (
                    f"{_name(first)} is wrong at byte {found.end} of {found.size}, and whole records follow it"
                )

    def _standing(self, fresh: list[Stroke]) -> list[Stroke]:
        """Leave out writes whose other half never came about.

        Who writes both halves holds the lock until both are there, so under the lock the verdict is final. Without it
        the last write may be on its way.
        """
        if self._open:
            fresh, self._open = self._open + fresh, []
        tokens = {stroke.token for stroke in fresh if stroke.token}
        if not tokens:
            return fresh
        standing = self.verdict(tokens)
        gone = {stroke.transaction for stroke in fresh if stroke.token and stroke.token not in standing}
        if not self.writable and fresh[-1].transaction in gone:
            self._open = [stroke for stroke in fresh if stroke.transaction == fresh[-1].transaction]
        return [stroke for stroke in fresh if stroke.transaction not in gone]


def _name(first: int) -> str:
    return f"{first:020d}.log"


def _new_file(path: Path) -> None:
    path.touch()
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, raw: bytes, offset: int) -> None:
    view = memoryview(raw)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def _named(error: BaseException, folder: Path) -> BaseException:
    if isinstance(error, OSError) and error.errno in _FULL:
        return TooLarge(f"{folder}: no space left for the journal", str(error),
                        "free some space and write again; what was acknowledged is kept")  # fmt: skip
    if isinstance(error, OSError) and error.errno in _CLOSED and not isinstance(error, ReadOnly):
        return ReadOnly(f"{folder} cannot be written", str(error), "check the permissions of the folder")
    return error


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[Any]:
    """Hold a lock of the file system, which ends with its process; threads of one process exclude each other, too.

    Raises
    ------
    BlockingIOError
        If it is held and `wait` is off.
    """
    handle = os.open(path, os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield handle
    finally:
        os.close(handle)
