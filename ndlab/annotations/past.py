"""Earlier states of paint: the labels of now, with what later writes found put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from ndlab.annotations import before
from ndlab.annotations.applying import Before, Exceptions
from ndlab.annotations.merging import Merger
from ndlab.annotations.overlay import Moment, Overlay, Pending, Voxels
from ndlab.errors import NotFound
from ndlab.geometry import Box

__all__ = ["Past", "PastMoment", "kept_from", "pasts"]

T = TypeVar("T")
# Files of what merges found that are kept in memory.
_MOST = 256


def kept_from(merger: Merger, merged: int) -> int:
    """Return the number of the first stroke whose past is kept."""
    return min((first for first, _, _ in merger.index.merges()), default=merged + 1)


def pasts(merger: Merger, merged: int, spans: Sequence[tuple[int, int]]) -> Iterator[before.Befores]:
    """Yield what merges of strokes in `spans` found, the oldest first.

    Raises
    ------
    NotFound
        If some of it is forgotten meanwhile.
    """
    needed = [first for first, last, _ in merger.index.merges() if any(a <= last and first <= b for a, b in spans)]
    for first in sorted(needed):
        for path in sorted(merger.past(first).glob("*.bin")):
            yield before.load(path)
    check_kept(merger, merged, min(needed, default=merged + 1))


def check_kept(merger: Merger, merged: int, first: int, said: str = "") -> None:
    """Refuse where what was found from stroke `first` on has been forgotten."""
    oldest = kept_from(merger, merged)
    if first < oldest:
        raise NotFound(
            said or f"the labels in {merger.folder} as they were before write {first}",
            "what they were is no longer kept so far back",
            "attach or open them with a larger history_bytes to keep more from now on",
        )


@dataclass(frozen=True)
class PastMoment(Moment):
    """The state after stroke `upto`: what is pending behind it is left out, what was merged behind it taken back."""

    upto: int = 0
    # What merges found in a unit, by the merge's file.
    files: dict[Path, before.Befores] = field(default_factory=dict)
    _units: dict[int, dict[int, list[Before]]] = field(default_factory=dict)

    @staticmethod
    def of(moment: Moment, upto: int, files: dict[Path, before.Befores], said: str) -> PastMoment:
        """Go back from a moment.

        Raises
        ------
        NotFound
            If the past is not kept so far back.
        """
        if upto < moment.merged:
            check_kept(moment.merger, moment.merged, upto + 1, said)
        return PastMoment(moment.merger, moment.merged, _until(moment.pending, upto), upto=upto, files=files)

    def base(self, number: int) -> tuple[Voxels, Exceptions]:
        """Return a chunk's labels and exceptions as they are in the store, with what was merged later taken back."""
        labels, exceptions = super().base(number)
        unit = int(self.merger.chunking.unit_of(np.array([number]))[0])
        later = self._later(unit).get(number)
        if later:
            where, was = before.first_labels(later)
            labels[where] = was
            first = before.first_exceptions(later)
            exceptions = {at: ids for at, ids in {**exceptions, **first}.items() if ids}
        return labels, exceptions

    def overlaid(self, box: Box | None = None) -> AbstractSet[int]:
        """Return the chunks, in the units of a box or in all, whose state is not what store and index say."""
        found = set(super().overlaid(box))
        for unit in self._units_in(box):
            found.update(self._later(unit))
        return found

    def mixed(self) -> AbstractSet[int]:
        """Return the chunks in which any object may be."""
        return super().mixed() | self.overlaid()

    def _merges(self) -> list[int]:
        """Begin of each merge that has to be taken back, the oldest first."""
        return sorted(first for first, last, _ in self.merger.index.merges() if self.upto < last <= self.merged)

    def _units_in(self, box: Box | None) -> set[int]:
        if box is not None:
            chunking = self.merger.chunking
            return set(chunking.unit_of(chunking.touching(box.start, box.stop)).tolist()) if box.size else set()
        return {int(path.stem) for first in self._merges() for path in self.merger.past(first).glob("*.bin")}

    def _later(self, unit: int) -> dict[int, list[Before]]:
        """Return what merged strokes behind this moment found in each chunk of a unit, in the order of time."""
        if unit in self._units:
            return self._units[unit]
        found: dict[int, list[Before]] = {}
        for first in self._merges():
            for number, several in self._file(self.merger.past(first) / f"{unit}.bin").items():
                mine = [one for one in several if one.sequence > self.upto]
                if mine:
                    found.setdefault(number, []).extend(mine)
        self._units[unit] = found
        return found

    def _file(self, path: Path) -> before.Befores:
        known = self.files.get(path)
        if known is None:
            if len(self.files) >= _MOST:
                self.files.clear()
            known = self.files[path] = before.load(path)
        return known


@dataclass
class Past:
    """Hands out moments after a stroke, as `Overlay` does of now."""

    overlay: Overlay
    upto: int
    said: str
    _files: dict[Path, before.Befores] = field(default_factory=dict)

    def at_once(self, how: Callable[[Moment], T]) -> T:
        """Return ``how(moment)``, asked again if a merge was finished meanwhile."""

        def looked(moment: Moment) -> T:
            found = how(PastMoment.of(moment, self.upto, self._files, self.said))
            if self.upto < moment.merged:  # Files of a past that is forgotten read as if nothing was found.
                check_kept(moment.merger, moment.merged, self.upto + 1, self.said)
            return found

        return self.overlay.at_once(looked)


def _until(pending: Pending, upto: int) -> Pending:
    if upto >= pending.last:
        return pending
    kept = {n: [p for p in several if p.sequence <= upto] for n, several in pending.pieces.items()}
    strokes = [stroke for stroke in pending.strokes if stroke.sequence <= upto]
    return replace(pending, last=upto, strokes=strokes, pieces={n: several for n, several in kept.items() if several})
