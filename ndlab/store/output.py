"""A box of a store as the output of a run: written in whole shards, levels marked once, a record beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.geometry import Box, Int3
from ndlab.pipeline import Record
from ndlab.pipeline.progress import ProgressCallback
from ndlab.store import pyramid, state
from ndlab.store.arrays import Array, Stored
from ndlab.store.kv import local_path, refuse_read_only
from ndlab.store.records import bulk, flushes_itself, open_record, record_path
from ndlab.store.writing import box_at_level, same_values

__all__ = ["Output"]


@dataclass(frozen=True)
class Output:
    """What a run writes to: the voxels of `box`, at some time points and channels, of one level of a store.

    Pickles as an address. Writes from any number of processes are safe; those in whole `unit` are fast.

    Parameters
    ----------
    stored : Stored
    level : int
    lead : tuple of (int, int)
        Start and stop of the axes before z.
    box : Box
        Voxels (z, y, x) of the level.
    opener : str
        Import name of what opens it again, for recipes.
    """

    stored: Stored
    level: int
    lead: tuple[tuple[int, int], ...]
    box: Box
    opener: str = ""

    @property
    def url(self) -> str:
        """Address of the store; empty in memory."""
        return self.stored.url

    @cached_property
    def array(self) -> Array:
        """The level's array, flushed by the record where that is cheaper."""
        return bulk(self.stored.levels[self.level].array, self._flushing)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Voxel type."""
        return self.array.dtype

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the stored axes."""
        return self.stored.axes

    @property
    def unit(self) -> Int3:
        """The piece (z, y, x) that is written as a whole: a shard, or a chunk."""
        z, y, x = (self.array.shards or self.array.chunks)[-3:]
        return z, y, x

    @property
    def claims(self) -> Box:
        """`box`, grown to whole units: what no one else may write meanwhile."""
        shape = self.array.shape[-3:]
        start = [a // u * u for a, u in zip(self.box.start, self.unit, strict=True)]
        stop = [min(-(-b // u) * u, n) for b, u, n in zip(self.box.stop, self.unit, shape, strict=True)]
        return Box(start, stop, self.level)

    @property
    def compressed(self) -> float:
        """Bytes on disk for each byte written, as far as one can say before."""
        if self.array.codec == "none" or self.stored.kind == "image":
            return 1.0
        return 0.1

    @property
    def made(self) -> str | None:
        """Fingerprint of the step that the store was made for."""
        found: str | None = self.stored.attrs.get("ndlab", {}).get("made", {}).get("fingerprint")
        return found

    @property
    def unwritten(self) -> bool:
        """Whether no run or write through ndlab has begun on the store; never so for one in memory."""
        return bool(self.url) and state.read(self.url).version == 0

    @property
    def where(self) -> dict[str, Any]:
        """Address, level, box (z, y, x) and parts of the other axes, as `Volume.where` gives them."""
        found: dict[str, Any] = {"url": self.url, "level": self.level}
        found |= {"start": list(self.box.start), "stop": list(self.box.stop)}
        return found | {axis: list(part) for axis, part in zip(self.axes[:-3], self.lead, strict=True)}

    def write(self, box: Box, values: np.ndarray[Any, Any], t: int | None = None, c: int | None = None) -> None:
        """Write the voxels of `box` (z, y, x of the level); `t` and `c` count from the output's own first."""
        at = {"t": t, "c": c}
        lead, axes = [], self.axes[:-3]
        for axis, (first, last) in zip(axes, self.lead, strict=True):
            number = at[axis]
            lead.append((first, last) if number is None else (first + number, first + number + 1))
        full = values.reshape([*(b - a for a, b in lead), *box.shape])
        self.array.write([*(a for a, _ in lead), *box.start], same_values(full, self.dtype, self.url))

    def record_path(self, name: str) -> Path:
        """Return where the record of the run called `name` is."""
        return record_path(self.url, name)

    def open_record(self, name: str) -> Record:
        """Open the record of the run called `name`, holding it against others."""
        return open_record(self.url, name, flushing=self._flushing)

    def begin(self) -> None:
        """Count a write and mark what will lag behind, before the first voxel is written."""
        if self.url:
            refuse_read_only(self.url)
            self._mark()

    def finish(
        self,
        done: bool,
        *,
        workers: int | None = None,
        client: Any = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Count a write; when all is `done`, bring the coarser levels up to date."""
        if not self.url:
            return
        self._mark()
        if not done or not self._coarser:
            return
        whole = self.level == 0 and self.box.shape == self.array.shape[-3:]
        how = {"workers": workers, "client": client, "progress": progress}
        if whole and self._all_lead:
            pyramid.build(self.stored, **how)
        elif self.level == 0:
            pyramid.rebuild(self.stored, **how)

    @property
    def _all_lead(self) -> bool:
        return all((a, b) == (0, n) for (a, b), n in zip(self.lead, self.array.shape[:-3], strict=True))

    @property
    def _coarser(self) -> Sequence[Box]:
        numbers = range(self.level + 1, len(self.stored.levels))
        return [box_at_level(self.stored.levels, self.box, number) for number in numbers]

    @property
    def _flushing(self) -> bool:
        array = self.stored.levels[self.level].array
        local = local_path(self.url) is not None if self.url else False
        return local and not flushes_itself((array.shards or array.chunks)[-3:], array.dtype.itemsize)

    def _mark(self) -> None:
        def marked(now: state.State) -> state.State:
            now = replace(now, version=now.version + 1)
            for box in self._coarser:
                now = now.with_stale(box)
            return now

        state.change(self.url, marked)
