"""Where new labels go: a store that a stopped run can go on with, or memory."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ndlab import describe
from ndlab.errors import BadRequest, Conflict, TooLarge
from ndlab.geometry import Box, Calibration, Int3
from ndlab.measure.blocks import How, watched
from ndlab.metadata import Multiscale, Scale
from ndlab.pipeline import Receipt, Record, environment
from ndlab.pipeline.hold import claim
from ndlab.store import pyramid, state
from ndlab.store.arrays import Stored
from ndlab.store.create import create, exists
from ndlab.store.kv import Kv, join, local_path, normal_url, refuse_read_only
from ndlab.store.layout import plan
from ndlab.store.memory import memory_stored
from ndlab.store.multiscale import open_store
from ndlab.store.records import flush, open_record, record_path
from ndlab.volume import Volume

__all__ = ["Destination", "check_count", "check_memory", "memory_out", "with_attrs"]

_NOTE = f"{state.FOLDER}/components.json"
_SCRATCH = f"{state.FOLDER}/components"


@dataclass
class Destination:
    """A store of labels in the making, held against other runs.

    Attributes
    ----------
    url : str
    view : Volume
        What is labelled; the store lies where it does.
    record : Record
    complete : bool
        Whether an earlier run with the same settings made it already.
    """

    url: str
    view: Volume
    record: Record
    complete: bool
    note: dict[str, Any]

    @staticmethod
    @contextmanager
    def open(
        out: str | os.PathLike[str], view: Volume, settings: dict[str, Any], identity: str, overwrite: bool
    ) -> Iterator[Destination]:
        """Check and hold the place.

        Raises
        ------
        Conflict
            If something else is there, it was begun with other settings, or a Run writes there now.
        """
        url = normal_url(out)
        refuse_read_only(url)
        _apart(url, view.url)
        kv = Kv(url)
        note = {"identity": identity, "complete": False, "settings": settings}
        earlier = kv.read_json(_NOTE)
        if earlier is None and not (overwrite and exists(url)):
            _nothing_there(url)
        everything = Box((0, 0, 0), view.shape, 0)
        with (
            open_record(url, "components") as record,
            claim(record.path.parent / "claims", everything, "components"),
        ):
            if overwrite:
                _clear(url)
                record.forget()
                earlier = None
            if earlier is not None and earlier["identity"] != note["identity"]:
                differ = [k for k, v in settings.items() if earlier.get("settings", {}).get(k) != v]
                raise Conflict(
                    f"components at {url} were made with other settings",
                    f"these differ: {', '.join(differ) or 'the voxels of the source'}",
                    "use the same to resume, choose another out=, or pass overwrite=True",
                    differs=differ,
                )
            if earlier is None:
                kv.write_json(_NOTE, note)
            yield Destination(url, view, record, bool(earlier and earlier["complete"]), note)

    @property
    def scratch(self) -> str:
        """Address for what one pass leaves for the next."""
        return join(self.url, _SCRATCH)

    def create(self, count: int, block: Int3, attrs: dict[str, Any]) -> Stored:
        """Make the store for `count` components, with shards of `block`; or open it where an earlier run made it."""
        if not exists(self.url):
            calibration = Calibration(self.view.voxel_size, self.view.offset)
            dtype = _dtype(count)
            levels = plan(
                self.view.shape, dtype.itemsize, calibration.voxel_size, shard=block,
                nbytes=max(1 << 20, dtype.itemsize * math.prod(block)),
            )  # fmt: skip
            scales = tuple(Scale(str(i), calibration.coarser(level.factors)) for i, level in enumerate(levels))
            create(
                self.url,
                Multiscale(("z", "y", "x"), scales, name=_name(self.view), kind="labels"),
                [level.shape for level in levels],
                dtype,
                chunks=[level.chunk for level in levels],
                shards=[level.unit for level in levels],
                attrs={"step": "components", **attrs},
            )
            state.change(self.url, lambda now: now)
        stored = open_store(self.url)
        first = replace(stored.levels[0], array=pyramid.unsynced(stored.levels[0].array))
        return replace(stored, levels=(first, *stored.levels[1:]))

    def finish(self, stored: Stored, receipts: Sequence[Receipt], how: How) -> None:
        """Build the coarser levels, keep the receipts, and only then say that all is there."""
        made = list(receipts)
        if len(stored.levels) > 1:
            with watched(how.progress) as callback:
                made += pyramid.build(stored, workers=how.workers, client=how.client, progress=callback)
        flush(self.url)
        runs = {**self.note, "complete": True, "runs": [r.to_json() for r in made], "environment": environment()}
        record_path(self.url, "components").with_name("components-receipt.json").write_text(json.dumps(runs, indent=1))
        Kv(self.url).write_json(_NOTE, self.note | {"complete": True})
        Kv(self.url).delete_all(_SCRATCH + "/")

    def stored(self) -> Stored:
        """Open what was made."""
        return open_store(self.url)


def memory_out(view: Volume) -> Stored:
    """Labels in memory, all 0, that lie where `view` does: of 32 bits; see `check_count`."""
    calibration = Calibration(view.voxel_size, view.offset)
    return memory_stored(np.zeros(view.shape, np.uint32), calibration, kind="labels", name=_name(view))


def with_attrs(stored: Stored, attrs: dict[str, Any]) -> Stored:
    """Return labels in memory that say how they were made."""
    return replace(stored, attrs={"ndlab": {"step": "components", **attrs}})


def check_memory(view: Volume) -> None:
    """Refuse labels in memory where they do not fit.

    Raises
    ------
    TooLarge
        With the remedy.
    """
    nbytes, free = view.size * 4, describe.available_memory()
    if free is not None and nbytes > free:
        raise TooLarge(
            f"components of {view.shape} voxels are {describe.si_bytes(nbytes)}",
            f"{describe.si_bytes(free)} of memory are available",
            'store them instead: pass out="components.zarr"',
            nbytes=nbytes,
            limit=free,
        )


def check_count(count: int) -> None:
    """Refuse more components than labels in memory have numbers.

    Raises
    ------
    TooLarge
        With the remedy.
    """
    if _dtype(count) != np.uint32:
        raise TooLarge(
            f"{count} components as labels of 32 bits in memory",
            "there are 4294967295 numbers besides 0",
            'store them instead, with 64 bits: pass out="components.zarr"',
        )


def _dtype(count: int) -> np.dtype[Any]:
    return np.dtype(np.uint32 if count < 1 << 32 else np.uint64)


def _name(view: Volume) -> str:
    return f"components of {view.name}" if view.name else "components"


def _apart(url: str, source: str) -> None:
    a, b = url.rstrip("/") + "/", source.rstrip("/") + "/"
    if source and (a.startswith(b) or b.startswith(a)):
        raise BadRequest(
            f"out={url} for a volume at {source}", "one would be inside the other", "choose a place beside it"
        )


def _nothing_there(url: str) -> None:
    path = local_path(url)
    if exists(url) or (path is not None and path.exists() and (not path.is_dir() or any(path.iterdir()))):
        remedy = "choose another out=" + (", or pass overwrite=True" if exists(url) else "")
        raise Conflict(f"something is at {url} already", "ndlab does not write over what it did not make", remedy)


def _clear(url: str) -> None:
    """Remove what is there, but for the records, one of which holds the place."""
    path = local_path(url)
    if path is None:
        Kv(url).delete_all()
        return
    runs = record_path(url, "components").parent
    for entry in [*path.iterdir(), *(path / state.FOLDER).iterdir()]:
        if entry not in (runs, path / state.FOLDER):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
