"""A record that somebody else writes, read as it grows: each byte once."""

from __future__ import annotations

from pathlib import Path

from ndlab.errors import BadMetadata
from ndlab.pipeline.lines import StepLines, Told, parsed

__all__ = ["Follower"]

_CHUNK = 1 << 20
_TAIL = 256


class Follower:
    """Reads what was appended to a record since the last look; holds nothing.

    A last line without its newline is one that is being written, and is read when it is whole. A record that was
    emptied, cut or replaced no longer holds what was read last where it stood; it is read anew.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    told : Told
        What the lines so far say.

    Examples
    --------
    >>> import tempfile
    >>> from ndlab.pipeline.outcome import Outcome
    >>> from ndlab.pipeline.record import Record
    >>> with tempfile.TemporaryDirectory() as folder, Record(folder + "/run.jsonl") as record:
    ...     follower = Follower(record.path)
    ...     record.begin("double", "fingerprint")
    ...     record.add("double", Outcome("0:1,0:1,0:1", "done"))
    ...     follower.refresh(), len(follower.steps["double"].done), follower.refresh()
    (True, 1, False)
    """

    def __init__(self, path: Path) -> None:
        self.path, self.told = path, Told()
        self._seen: tuple[int, int, int] | None = None
        self._end, self._tail, self._rest = 0, b"", b""

    @property
    def steps(self) -> dict[str, StepLines]:
        """What is known of each step."""
        return self.told.steps

    def refresh(self) -> bool:
        """Take in what is new and return whether there was anything.

        Raises
        ------
        BadMetadata
            If what stands there is not a record.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return self._forget()
        seen = found.st_ino, found.st_size, found.st_mtime_ns
        if seen == self._seen:
            return False
        try:
            changed = self._read()
        except BadMetadata:
            self._forget()
            raise
        # As it was before it was read: what was appended meanwhile is looked for next time.
        self._seen = seen
        return changed

    def _read(self) -> bool:
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self._end - len(self._tail))
            changed = file.read(len(self._tail)) != self._tail and self._forget()
            file.seek(self._end)
            while chunk := file.read(_CHUNK):
                changed |= self._take(chunk)
        return changed

    def _take(self, chunk: bytes) -> bool:
        """Take in the whole lines of what follows; the rest is kept for the line to go on."""
        self._end += len(chunk)
        self._tail = (self._tail + chunk)[-_TAIL:]
        whole, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._rest += chunk
            return False
        lines, self._rest = self._rest + whole, rest
        self.told.take(iter(parsed(lines, self.path)))
        return True

    def _forget(self) -> bool:
        """Know nothing again; return whether something was known."""
        known = bool(self.told.steps)
        self.told, self._seen = Told(), None
        self._end, self._tail, self._rest = 0, b"", b""
        return known
