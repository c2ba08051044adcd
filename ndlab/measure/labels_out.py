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
    what: str = "components"

    @staticmethod
    @contextmanager
    def open(
        out: str | os.PathLike[str],
        view: Volume,
        settings: dict[str, Any],
        identity: str,
        overwrite: bool,
        what: str = "components",
    ) -> Iterator[Destination]:
        """Check and hold the place; `what` is written there, in messages and in the names of records.

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
        earlier = kv.read_json(_note(what))
        if earlier is None and not (overwrite and exists(url)):
            _nothing_there(url)
        everything = Box((0, 0, 0), view.shape, 0)
        with (
            open_record(url, what) as record,
            claim(record.path.parent / "claims", everything, what),
        ):
            if overwrite:
                _clear(url, what)
                record.forget()
                earlier = None
            if earlier is not None and earlier["identity"] != note["identity"]:
                differ = [k for k, v in settings.items() if earlier.get("settings", {}).get(k) != v]
                raise Conflict(
                    f"{what} at {url} were made with other settings",
                    f"these differ: {', '.join(differ) or 'the voxels of the source'}",
                    "use the same to resume, choose another out=, or pass overwrite=True",
                    differs=differ,
                )
            if earlier is None:
                kv.write_json(_note(what), note)
            yield Destination(url, view, record, bool(earlier and earlier["complete"]), note, what)

    @property
    def scratch(self) -> str:
        """Address for what one pass leaves for the next."""
        return join(self.url, _scratch(self.what))

    def create(self, count: int, block: Int3, attrs: dict[str, Any], dtype: Any = None) -> Stored:
        """Make the store for `count` objects, with shards of `block`; or open it where an earlier run made it."""
        if not exists(self.url):
            calibration = Calibration(self.view.voxel_size, self.view.offset)
            dtype = _dtype(count) if dtype is None else np.dtype(dtype)
            levels = plan(
                self.view.shape, dtype.itemsize, calibration.voxel_size, shard=block,
                nbytes=max(1 << 20, dtype.itemsize * math.prod(block)),
            )  # fmt: skip
            scales = tuple(Scale(str(i), calibration.coarser(level.factors)) for i, level in enumerate(levels))
            create(
                self.url,
                Multiscale(("z", "y", "x"), scales, name=_name(self.view, self.what), kind="labels"),
                [level.shape for level in levels],
                dtype,
                chunks=[level.chunk for level in levels],
                shards=[level.unit for level in levels],
                attrs={"step": self.what, **attrs},
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
        receipt = record_path(self.url, self.what).with_name(f"{self.what}-receipt.json")
        receipt.write_text(json.dumps(runs, indent=1))
        Kv(self.url).write_json(_note(self.what), self.note | {"complete": True})
        Kv(self.url).delete_all(_scratch(self.what) + "/")

    def stored(self) -> Stored:
        """Open what was made."""
        return open_store(self.url)


def memory_out(view: Volume, what: str = "components", dtype: Any = np.uint32) -> Stored:
    """Labels in memory, all 0, that lie where `view` does: of 32 bits unless said; see `check_count`."""
    calibration = Calibration(view.voxel_size, view.offset)
    return memory_stored(np.zeros(view.shape, dtype), calibration, kind="labels", name=_name(view, what))


def with_attrs(stored: Stored, attrs: dict[str, Any], what: str = "components") -> Stored:
    """Return labels in memory that say how they were made."""
    return replace(stored, attrs={"ndlab": {"step": what, **attrs}})


def check_memory(view: Volume, what: str = "components", itemsize: int = 4) -> None:
    """Refuse labels in memory where they do not fit.

    Raises
    ------
    TooLarge
        With the remedy.
    """
    nbytes, free = view.size * itemsize, describe.available_memory()
    if free is not None and nbytes > free:
        raise TooLarge(
            f"{what} of {view.shape} voxels are {describe.si_bytes(nbytes)}",
            f"{describe.si_bytes(free)} of memory are available",
            f'store them instead: pass out="{what}.zarr"',
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


def _name(view: Volume, what: str) -> str:
    return f"{what} of {view.name}" if view.name else what


def _note(what: str) -> str:
    return f"{state.FOLDER}/{what}.json"


def _scratch(what: str) -> str:
    return f"{state.FOLDER}/{what}"


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


def _clear(url: str, what: str) -> None:
    """Remove what is there, but for the records, one of which holds the place."""
    path = local_path(url)
    if path is None:
        Kv(url).delete_all()
        return
    runs = record_path(url, what).parent
    for entry in [*path.iterdir(), *(path / state.FOLDER).iterdir()]:
        if entry not in (runs, path / state.FOLDER):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
