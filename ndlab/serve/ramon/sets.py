"""Which annotations are behind a channel: those in its store that its labels belong to, or that are called like it.

``brain.zarr/annotations/NAME`` is behind the channel ``cells`` of ``brain`` if ``brain.zarr/labels/cells`` is attached
to it. A channel that nothing is attached to has the set of its own name, objects without voxels. Whoever first writes
objects to a channel of ids that has neither makes a set, with the channel's labels attached.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ndlab.annotations import Annotations
from ndlab.annotations.database import FILE
from ndlab.describe import si_bytes
from ndlab.errors import BadRequest, NdlabError, NotFound, TooLarge
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.frame import Frame
from ndlab.serve.source import Channel
from ndlab.store.kv import local_path, normal_url

__all__ = ["Sets"]

FOLDER = "annotations"
# Labels that are indexed when somebody first posts objects.
_INDEXED = 2 << 30


@dataclass
class _Open:
    """A set that is open, and the file that it was when it was opened."""

    annotations: Annotations
    seen: tuple[int, int]


@dataclass
class Sets:
    """The sets of annotations that a server has open, by folder."""

    _known: dict[Path, _Open] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def close(self) -> None:
        """Close every set; what is painted and not yet merged stays in its journal."""
        with self._lock:
            sets, self._known = list(self._known.values()), {}
        for one in sets:
            one.annotations.close()

    def forget(self, url: str) -> None:
        """Close the sets in a store that is about to be deleted."""
        root = local_path(normal_url(url))
        if root is None:
            return
        with self._lock:
            gone = [self._known.pop(path) for path in list(self._known) if path.is_relative_to(root)]
        for one in gone:
            one.annotations.close()

    def behind(self, channel: Channel, make: bool = False) -> Behind:
        """Return what is behind a channel.

        Parameters
        ----------
        channel : Channel
        make : bool
            Make a set where there is none, if the channel may be written.

        Raises
        ------
        NotFound
            If there is none.
        BadRequest
            If the channel does not hold ids.
        """
        if channel.kind != "annotation":
            raise BadRequest(f"objects of {channel.token}/{channel.name}", f"it is of type {channel.kind}",
                             "ask an annotation channel")  # fmt: skip
        with self._lock:
            found = self._found(channel)
            if found is None and make and not channel.readonly:
                _check_size(channel)
                found = self._made(channel)
        if found is None:
            raise NotFound(f"objects of {channel.token}/{channel.name}", "there are no annotations beside it",
                           f"make some: Annotations.create('STORE/{FOLDER}/{channel.name}', space=labels), and "
                           "attach(labels)")  # fmt: skip
        return found

    def make(self, channel: Channel) -> None:
        """Make a set for a channel that is new, if it holds ids and lies on this machine."""
        if channel.kind == "annotation":
            with self._lock:
                if self._found(channel) is None:
                    self._made(channel)

    def has(self, channel: Channel) -> bool:
        """Tell whether a channel has annotations."""
        with self._lock:
            return channel.kind == "annotation" and self._found(channel) is not None

    def settle(self, channel: Channel) -> None:
        """Bring what was painted here into the volume of a channel, for who reads that."""
        if channel.kind == "annotation" and self._known:
            try:
                with self._lock:
                    found = self._found(channel)
            except NdlabError:
                return  # a set that cannot be opened has painted nothing here; who asks for its objects is told
            if found is not None and found.labels is not None and found.labels.pending:
                found.settle()

    # --- finding ------------------------------------------------------------------------------------------------

    def _found(self, channel: Channel) -> Behind | None:
        named: Behind | None = None
        for path in _folders(channel):
            annotations = self._opened(path)
            labels = _labels_of(annotations, channel)
            if labels is not None:
                return Behind(annotations, labels, Frame(channel))
            if path.name == channel.name and not len(annotations.paints):
                named = Behind(annotations, None, Frame(channel))
        return named

    def _opened(self, path: Path) -> Annotations:
        seen = _seen(path / FILE)
        known = self._known.get(path)
        if known is not None and known.seen != seen:
            # Another set of the same name: what is open is a file that is no longer there.
            known.annotations.close()
            known = None
        if known is None:
            known = self._known[path] = _Open(Annotations.open(path), seen)
        return known.annotations

    def _made(self, channel: Channel) -> Behind | None:
        roots = _roots(channel)
        if not roots:
            return None
        path = roots[0] / FOLDER / channel.name
        annotations = Annotations.create(path, channel.volume)
        self._known[path] = _Open(annotations, _seen(path / FILE))
        try:
            labels = annotations.attach(channel.volume)
        except NdlabError:
            labels = None  # labels of several times, or of a format that is not painted: objects alone
        return Behind(annotations, labels, Frame(channel))


def _check_size(channel: Channel) -> None:
    """Refuse to index labels while somebody waits for an answer that would take minutes."""
    if channel.volume.nbytes > _INDEXED:
        raise TooLarge(f"annotations for {channel.token}/{channel.name} to be made",
                       f"its labels, {si_bytes(channel.volume.nbytes)}, are to be indexed first",
                       f"do that once: Annotations.create('STORE/{FOLDER}/{channel.name}', space=labels)"
                       ".attach(labels)", nbytes=channel.volume.nbytes, limit=_INDEXED)  # fmt: skip


def _roots(channel: Channel) -> list[Path]:
    """Return the local stores that annotations of a channel may lie in: its own, and the one that its labels are in."""
    own = local_path(normal_url(channel.volume.url)) if channel.volume.url else None
    if own is None:
        return []
    return [own.parents[1], own] if own.parent.name == "labels" else [own]


def _folders(channel: Channel) -> Iterator[Path]:
    for root in _roots(channel):
        folder = root / FOLDER
        if folder.is_dir():
            yield from (path for path in sorted(folder.iterdir()) if (path / FILE).is_file())


def _labels_of(annotations: Annotations, channel: Channel) -> Any:
    """Return the paint of the channel's labels, if they belong to a set."""
    here = local_path(normal_url(channel.volume.url))
    for paint in annotations.paints.values():
        if local_path(normal_url(paint.volume.url)) == here:
            return paint
    return None


def _seen(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
