"""Which sections of a folder are whole, at rest, and readable."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from ndlab.errors import Conflict, NdlabError, NotFound, Problems
from ndlab.store.files.pictures import verify
from ndlab.store.files.slice_names import Listing, list_slices

__all__ = ["Watch"]

_AHEAD = 256


class Watch:
    """Which sections of a folder are whole."""

    def __init__(self, folder: str, pattern: str | None, settle: float, patience: float, channels: int = 1) -> None:
        self._folder, self._pattern, self._settle, self._patience = folder, pattern, settle, patience
        self._seen: dict[str, tuple[int, int, float]] = {}
        self._good: set[str] = set()
        self._channels = channels
        self.first = 0

    def ready(self, depth: int, first: int | None) -> int:
        """How many sections after the first `depth` are there, at rest, readable, and without a gap."""
        listing = self._list()
        if listing is None or not listing.files:
            return 0
        numbers = listing.numbers("z")
        self.first = numbers[0] if first is None else first
        if numbers[0] < self.first:
            raise Conflict(
                f"section {numbers[0]} landed in {self._folder}",
                f"the volume begins with section {self.first}",
                "move it away, or follow into a new store",
            )
        if "t" in listing.fields:
            raise Problems(f"follow {self._folder}", ["time points: follow one folder of sections a time point"])
        files: dict[int, list[str]] = {}
        for place, name in listing.files.items():
            files.setdefault(place.z, []).append(name)
        whole = max(self._channels, *map(len, files.values()))
        count, unbroken = 0, True
        for number in range(self.first + depth, self.first + depth + _AHEAD):
            names = files.get(number)
            if names is None or len(names) != whole:
                break
            # Later ones are looked at, too: each file rests from when it was first seen to be as it is.
            unbroken = self._all_rest(names) and unbroken
            count += unbroken
        return count

    def _all_rest(self, names: Sequence[str]) -> bool:
        """Look at every file, not only up to the first that is not at rest: each has its own clock."""
        rests = [self._rests(name) for name in names]
        return all(rests)

    def _list(self) -> Listing | None:
        try:
            return list_slices(self._folder, self._pattern)
        except NotFound:
            return None

    def _rests(self, name: str) -> bool:
        if name in self._good:
            return True
        path = os.path.join(self._folder, name)
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return False
        now = time.monotonic()
        size, changed, since = self._seen.get(name, (-1, -1, now))
        if (size, changed) != (found.st_size, found.st_mtime_ns):
            self._seen[name] = (found.st_size, found.st_mtime_ns, now)
            return self._settle <= 0 and self._decodes(name, path, 0.0)
        return now - since >= self._settle and self._decodes(name, path, now - since)

    def _decodes(self, name: str, path: str, rested: float) -> bool:
        try:
            verify(path)
        except NdlabError as error:
            if rested > self._patience:
                raise Problems(
                    f"follow {self._folder}", [f"{name} rests and cannot be read: {error.exists}"], "mend or remove it"
                ) from None
            return False
        self._good.add(name)
        self._seen.pop(name, None)
        return True
