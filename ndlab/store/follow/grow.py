"""The store as it grows: sections written first, the metadata after them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ndlab.errors import Conflict, Problems
from ndlab.geometry import Box, Calibration, Grid, Int3, level_shape
from ndlab.metadata import Multiscale, Scale
from ndlab.pipeline import Run, Step
from ndlab.store import state
from ndlab.store.arrays import Array, Level, Stored
from ndlab.store.create import make_documents
from ndlab.store.follow.array import GrowingArray
from ndlab.store.ingest.plan import Options, channels_of, choose_codec, sample_of
from ndlab.store.ingest.slab import Slab, fill
from ndlab.store.ingest.sources import Source, settle_calibration
from ndlab.store.ingest.verify import CHECKSUMS_KEY, parse_key
from ndlab.store.ingest.voxels import Seen, find_window, merge_seen, sample_values
from ndlab.store.ingest.windows import write_windows
from ndlab.store.kv import Kv, join
from ndlab.store.layout import LevelPlan, plan
from ndlab.store.multiscale import open_store
from ndlab.store.pyramid import rebuild
from ndlab.store.state import FOLDER
from ndlab.store.sums import voxel_checksum

__all__ = ["GROWING_KEY", "Growing"]

GROWING_KEY = f"{FOLDER}/follow.json"


@dataclass
class Growing:
    """The store as it grows."""

    url: str
    folder: str
    options: Options
    first: int
    depth: int
    multiscale: Multiscale
    levels: tuple[LevelPlan, ...]
    codec: Any
    dtype: np.dtype[Any]
    channel_count: int
    seen: dict[str, Seen] = field(default_factory=dict)

    @classmethod
    def begun(cls, url: str, folder: str, o: Options, first: int) -> Growing:
        """Lay the store out after its first section; nothing is written yet."""
        stored = _open_folder(folder, o)
        array = stored.levels[0].array
        problems: list[str] = []
        source = Source(stored, folder, True, None)
        calibration = settle_calibration(None, stored.notes, o.voxel_size, o.unit, o.offset, problems)
        if problems or calibration is None:
            raise Problems(f"follow into {url}", problems)
        kind = o.kind or stored.kind
        levels = _layout(array, calibration, o)
        sample = sample_of(_FirstSection(array), (1, *levels[0].chunk[1:]))
        codec, _ = choose_codec(o, kind, sample)
        scales = tuple(Scale(str(i), calibration.coarser(level.factors)) for i, level in enumerate(levels))
        name = o.name or url.rpartition("/")[2].partition(".")[0]
        m = Multiscale(stored.axes, scales, name=name, version=o.version, kind=kind,
                       channels=channels_of(source, o, kind))  # fmt: skip
        lead = array.shape[0] if "c" in stored.axes else 1
        return cls(url, folder, o, first, 0, m, levels, codec, array.dtype, lead)

    @classmethod
    def resumed(cls, url: str, folder: str, o: Options) -> Growing | None:
        """Take up the store that an earlier call left, if one did."""
        note = Kv(url).read_json(GROWING_KEY)
        if note is None:
            return None
        made = cls.begun(url, folder, o, note["first"])
        if made._settings() != note["settings"]:
            differs = sorted(k for k, v in made._settings().items() if note["settings"].get(k) != v)
            raise Conflict(
                f"{url} was followed with other settings",
                f"these differ: {', '.join(differs)}",
                "use the same, or follow into a new store",
                differs=differs,
            )
        depth = open_store(url).levels[0].array.shape[-3] if Kv(url).read(made._root) is not None else 0
        return replace(made, depth=depth, seen=note["seen"])

    @property
    def batch(self) -> int:
        """Sections at once: up to the end of the present layer of shards."""
        deep = self.levels[0].unit[0]
        return deep - self.depth % deep

    @property
    def _root(self) -> str:
        return "zarr.json" if self.multiscale.version == "0.5" else ".zattrs"

    def _settings(self) -> dict[str, Any]:
        m = self.multiscale
        return {
            "folder": os.path.abspath(self.folder),
            "axes": "".join(m.axes),
            "channels": self.channel_count,
            "dtype": self.dtype.name,
            "plane": list(self.levels[0].shape[1:]),
            "version": m.version,
            "kind": m.kind,
            "voxel_size": list(m.scales[0].calibration.voxel_size) if m.scales[0].calibration else None,
            "chunks": [list(level.chunk) for level in self.levels],
            "shards": [list(level.unit) for level in self.levels],
        }

    def append(self, count: int, workers: int | None) -> None:
        """Write the next `count` sections at every level, then let the metadata grow."""
        z0, z1 = self.depth, self.depth + count
        documents = self._documents(z1)
        grown = self._stored(documents)
        kv = Kv(self.url)
        kv.write_json(GROWING_KEY, self._note())
        self._write_sections(grown.levels[0].array, z0, z1, workers)
        plane = self.levels[0].shape[1:]
        if len(self.levels) > 1:
            rebuild(grown, [Box((z0, 0, 0), (z1, *plane))], workers=workers)
        for key in reversed(list(documents)):
            if key != self._root and key != ".zgroup":
                kv.write(key, documents[key])
        if z0 == 0:  # The root last: only now is it a store.
            for key in (".zgroup", self._root):
                if key in documents:
                    kv.write(key, documents[key])
        self.depth = z1
        state.change(self.url, lambda now: replace(now, version=now.version + 1))
        kv.write_json(GROWING_KEY, self._note())
        if z1 % self.levels[0].unit[0] == 0:
            self._add_checksums(grown, z1 - self.levels[0].unit[0], z1, workers)

    def finish(self, workers: int | None) -> None:
        """Bring windows and checksums up to date."""
        deep = self.levels[0].unit[0]
        last = self.depth // deep * deep
        if last < self.depth:
            self._add_checksums(open_store(self.url), last, self.depth, workers)
        if self.multiscale.kind == "image":
            found = [
                find_window([self.seen[str(c)]] if str(c) in self.seen else [], self.dtype)
                for c in range(self.channel_count)
            ]
            write_windows(self.url, self.multiscale, found, self._attrs())

    def _attrs(self) -> dict[str, Any]:
        return {"source": os.path.abspath(self.folder), "records": GROWING_KEY}

    def _note(self) -> dict[str, Any]:
        return {"first": self.first, "settings": self._settings(), "seen": self.seen}

    def _documents(self, depth: int) -> dict[str, bytes]:
        """Return what the store says of itself when it is `depth` sections deep."""
        lead = (self.channel_count,) if "c" in self.multiscale.axes else ()
        ones = (1,) * len(lead)
        plane = self.levels[0].shape[1:]
        return make_documents(
            self.multiscale,
            [(*lead, *level_shape((depth, *plane), level.factors)) for level in self.levels],
            self.dtype,
            chunks=[(*ones, *level.chunk) for level in self.levels],
            shards=[(*ones, *level.unit) if self.multiscale.version == "0.5" else None for level in self.levels],
            codec=self.codec,
            attrs=self._attrs(),
        )

    def _stored(self, documents: dict[str, bytes]) -> Stored:
        """Return the store as it will be, opened by what its metadata will say."""
        v3 = self.multiscale.version == "0.5"
        levels = []
        for scale in self.multiscale.scales:
            document = documents[f"{scale.path}/{'zarr.json' if v3 else '.zarray'}"]
            array = GrowingArray("zarr3" if v3 else "zarr", join(self.url, scale.path), document)
            levels.append(Level(array, scale.calibration))
        return Stored(self.url, "", self.multiscale.axes, tuple(levels), kind=self.multiscale.kind)

    def _write_sections(self, base: Array, z0: int, z1: int, workers: int | None) -> None:
        array = _open_folder(self.folder, self.options).levels[0].array
        expected = (*((self.channel_count,) if "c" in self.multiscale.axes else ()), *self.levels[0].shape[1:])
        landed = (*array.shape[:-3], *array.shape[-2:])
        if landed != expected or array.dtype != self.dtype:
            raise Conflict(
                f"sections of {landed} {array.dtype} landed in {self.folder}",
                f"the volume has {expected} {self.dtype} (channels first, if any)",
                "move them away, or follow into a new store; name channels= so that none is missed at first",
            )
        lead = [(0, self.channel_count)] if "c" in self.multiscale.axes else []
        column = self.levels[0].unit[1:]
        start, stop = (*(a for a, _ in lead), z0, 0, 0), (*(b for _, b in lead), z1, *array.shape[-2:])
        slab = Slab(start, stop, column, array.dtype.str)
        slab = replace(slab, memory=np.empty(slab.nbytes, np.uint8))
        planes = [Box((z, 0, 0), (z + 1, *array.shape[-2:])) for z in range(z0, z1)]
        Run(Step("decode", fill, {"source": array, "slab": slab, "lead": lead}), planes, workers=workers or _cores(),
            client=False).run()  # fmt: skip
        grid = Grid((1, *array.shape[-2:]), (1, *column))
        columns = [Box((z0, *box.start[1:]), (z1, *box.stop[1:])) for box in grid]
        params = {"slab": slab, "base": base, "sample": self.multiscale.kind == "image"}
        run = Run(Step("append", _append, params), columns, c=range(self.channel_count) if lead else None,
                  workers=workers or _cores(), client=False)  # fmt: skip
        run.run()
        new: dict[str, list[Seen]] = {}
        for outcome in run.outcomes():
            if outcome.result:
                new.setdefault(str(outcome.result["c"]), []).append(outcome.result)
        for channel, found in new.items():
            self.seen[channel] = merge_seen([*([self.seen[channel]] if channel in self.seen else []), *found])

    def _add_checksums(self, stored: Stored, z0: int, z1: int, workers: int | None) -> None:
        """Record the checksums of one layer of shards; of a partial layer those known so far are replaced."""
        kv = Kv(self.url)
        known = (kv.read_json(CHECKSUMS_KEY) or {"blocks": {}})["blocks"]
        known = {key: digest for key, digest in known.items() if parse_key(key)[1].start[0] != z0}
        unit = self.levels[0].unit
        grid = Grid((1, *self.levels[0].shape[1:]), (1, *unit[1:]))
        blocks = [Box((z0, *box.start[1:]), (z1, *box.stop[1:])) for box in grid]
        run = Run(Step("checksum", _checksum, {"array": stored.levels[0].array}), blocks,
                  c=range(self.channel_count) if "c" in self.multiscale.axes else None,
                  workers=workers or _cores(), client=False)  # fmt: skip
        run.run()
        known |= {outcome.key: outcome.result for outcome in run.outcomes()}
        kv.write_json(CHECKSUMS_KEY, {"algorithm": "xxh64", "level": 0, "blocks": known})


def _append(block: Box, slab: Slab, base: Array, sample: bool, c: int | None = None) -> dict[str, Any] | None:
    lead = [] if c is None else [c]
    values = slab.read([*lead, *block.start], [*(i + 1 for i in lead), *block.stop])
    base.write([*lead, *block.start], values)
    if not sample:
        return None
    return {"c": c or 0, **sample_values(values.reshape(block.shape), block, base.shape[-3:])}


def _checksum(block: Box, array: Array, c: int | None = None) -> str:
    lead = [] if c is None else [c]
    return voxel_checksum(array.read([*lead, *block.start], [*(i + 1 for i in lead), *block.stop]))


class _FirstSection:
    """The first section of an array of which later ones may not be whole yet."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.shape = (*array.shape[:-3], 1, *array.shape[-2:])

    def read(self, start: Sequence[int], stop: Sequence[int]) -> np.ndarray[Any, Any]:
        return self._array.read(start, stop)


def _open_folder(folder: str, o: Options) -> Stored:
    """Open the folder with gaps allowed: sections after one are read only once it has been filled."""
    given: dict[str, Any] = {"pattern": o.pattern} if o.pattern else {}
    return open_store(folder, missing="blank", **given)


def _layout(array: Array, calibration: Calibration, o: Options) -> tuple[LevelPlan, ...]:
    """As for an ingest of a deep volume, but with shards one chunk deep: each section rewrites the last ones."""
    # The depth to come is not known: taken to be as deep as wide, so that levels shrink along z, too.
    z, y, x = calibration.voxel_size
    deep = max(64, math.ceil(max(array.shape[-2] * y, array.shape[-1] * x) / z))
    shape = (deep, *array.shape[-2:])
    sharded = o.version == "0.5"
    common: dict[str, Any] = {"chunk": o.chunks, "sharded": sharded, "levels": o.levels}
    levels = plan(shape, array.dtype.itemsize, calibration.voxel_size, shard=o.shards, **common)
    if o.shards is not None or not sharded:
        return levels
    thin: Int3 = (levels[0].chunk[0], *levels[0].unit[1:])
    common["chunk"] = o.chunks or levels[0].chunk
    return plan(shape, array.dtype.itemsize, calibration.voxel_size, shard=thin, **common)


def _cores() -> int:
    return os.cpu_count() or 1
