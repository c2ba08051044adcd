"""Default windows of a volume: at once where its voxels are near, else looked for while others go on.

The default window of an image without one of its own follows from its voxels. On a disk they are read in some
hundredths of a second; over a network it may take a minute, for which nobody who opens a view should wait.
"""

from __future__ import annotations

import threading

import numpy as np

from ndlab.errors import NdlabError
from ndlab.render.sample import sample
from ndlab.render.window import Window, spread, window
from ndlab.store.freshness import is_remote
from ndlab.volume import Volume

__all__ = ["Windows", "provisional"]

_COMPUTED_VOXELS = 1 << 15
# Wider types seldom use their range.
_WIDEST_BITS = 16


def provisional(volume: Volume, c: int = 0) -> Window:
    """Return a window that takes no reading: the channel's own, else all that its type holds.

    Examples
    --------
    >>> provisional(Volume.from_array(np.zeros((1, 2, 2), "i2"), (40, 4, 4)))
    (-32768.0, 32767.0)
    >>> provisional(Volume.from_array(np.zeros((1, 2, 2), "f4"), (40, 4, 4)))
    (0.0, 1.0)
    """
    own = (volume.isel(c=c) if "c" in volume.axes else volume).window
    if own is not None:
        return float(own[0]), float(own[1])
    if volume.dtype.kind not in "iu":
        return 0.0, 1.0
    bits = min(8 * volume.dtype.itemsize, _WIDEST_BITS)
    limits = np.iinfo(np.dtype(f"{volume.dtype.kind}{bits // 8}"))
    return float(limits.min), float(limits.max)


class Windows:
    """The default windows of one volume, by channel, each kept until the volume's version changes.

    Attributes
    ----------
    found : int
        How many threads have found one; who shows a provisional one looks again when it has grown.
    """

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._remote = is_remote(volume.url)
        self._known: dict[int, tuple[int, Window | None]] = {}
        self._looking: dict[tuple[int, int], threading.Thread] = {}
        self._lock = threading.Lock()
        self.found = 0

    def now(self, version: int, c: int = 0) -> Window | None:
        """Return the window at a version, found if need be; None if no voxel can be read and nothing states one."""
        self.settle()
        known = self._known.get(c)
        if known is None or known[0] != version:
            known = self._known[c] = version, self._look(c)
        return known[1]

    def soon(self, version: int, c: int = 0) -> Window | None:
        """Return what is known of it at once, and of a remote volume have a thread find the rest."""
        if not self._remote:
            return self.now(version, c)
        known = self._known.get(c)
        if known is None or known[0] != version:
            self._start(version, c)
        return provisional(self._volume, c) if known is None else known[1]

    def settle(self) -> None:
        """Wait until all that is looked for is found."""
        with self._lock:
            looking = list(self._looking.values())
        for thread in looking:
            thread.join()

    def follow(self, version: int) -> None:
        """Have those of a remote volume that were found at another version looked for again."""
        if not self._remote:
            return
        for c, (seen, _) in list(self._known.items()):
            if seen != version:
                self.soon(version, c)

    def known(self, c: int) -> Window | None:
        """Return the window of a channel of a remote volume if it has been found."""
        return self._known.get(c, (0, None))[1] if self._remote else None

    def _start(self, version: int, c: int) -> None:
        with self._lock:
            if (version, c) in self._looking:
                return
            # Not a daemon: one that comes out of the engine while the interpreter ends would abort the process.
            thread = threading.Thread(target=self._find, args=(version, c), name="ndlab-window")
            self._looking[version, c] = thread
            thread.start()

    def _find(self, version: int, c: int) -> None:
        found = self._look(c)
        with self._lock:
            self._known[c] = version, found
            self.found += 1
            del self._looking[version, c]

    def _look(self, c: int) -> Window | None:
        volume = self._volume
        try:
            # What is computed voxel by voxel is looked at in a few places, not in millions.
            if volume._stored.levels[volume.level_index].array.codec == "computed":
                return spread(sample(volume, c=c, voxels=_COMPUTED_VOXELS).values)
            return window(volume, c=c)
        # One chunk that cannot be read must not hide the others; and where the program ends no thread is begun.
        except (NdlabError, OSError, RuntimeError):
            return (volume.isel(c=c) if "c" in volume.axes else volume).window
