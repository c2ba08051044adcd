"""The arrays that blocks returned, in one file beside a record."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ndlab.errors import BadMetadata
from ndlab.pipeline import plain

__all__ = ["Values", "write_all"]

_BIG = 1 << 20


@dataclass(frozen=True, slots=True)
class _Kept:
    """A value whose arrays stand in the file."""

    encoded: Any


class Values:
    """An append-only file of arrays, made when the first one comes.

    Parameters
    ----------
    path : Path
    trusted : bool
        Other objects are pickled: no other process reads the file.
    """

    def __init__(self, path: Path, trusted: bool = False) -> None:
        self._path, self._trusted = path, trusted
        self._file: Any = None

    def encode(self, value: Any) -> Any:
        """`value` as JSON, its arrays in the file."""
        return plain.encode(value, self._put, self._trusted)

    def decode(self, encoded: Any) -> Any:
        """Return the value that `encode` was given."""
        return plain.decode(encoded, self._get, self._trusted)

    def keep(self, value: Any) -> Any:
        """Put a value that has to wait into the file, unless it is small; `load` brings it back."""
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
        big = any(getattr(part, "nbytes", 0) >= _BIG for part in parts)
        return _Kept(self.encode(value)) if big else value

    def load(self, kept: Any) -> Any:
        """Return a value that `keep` was given."""
        return self.decode(kept.encoded) if isinstance(kept, _Kept) else kept

    def clear(self) -> None:
        """Empty the file."""
        if self._file is not None or self._path.exists():
            self._open().truncate(0)

    def sync(self) -> None:
        """Bring the file to disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> Any:
        if self._file is None:
            self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 - closed by close()
        return self._file

    def _put(self, data: bytes) -> list[int]:
        file = self._open()
        at = file.seek(0, os.SEEK_END)
        write_all(file, data)
        return [at, len(data)]

    def _get(self, where: list[int]) -> bytes:
        found = os.pread(self._open().fileno(), where[1], where[0])
        if len(found) < where[1]:
            raise BadMetadata(
                f"{self._path} ends before value {where}", "its record speaks of more", "start over with overwrite=True"
            )
        return found


def write_all(file: Any, data: bytes) -> None:
    """Write to an unbuffered file, which may take less than it is given, e.g. on a nearly full disk."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
