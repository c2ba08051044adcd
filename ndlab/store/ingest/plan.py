"""Everything an ingest decides before it writes: layout, codec, tasks, memory. All problems come out together."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numcodecs
import numpy as np

from ndlab.errors import NdlabError, Problems
from ndlab.geometry import Calibration, Int3
from ndlab.metadata import Channel, Kind, Multiscale, Scale
from ndlab.pipeline import describe, fingerprint
from ndlab.store.create import make_documents
from ndlab.store.files.nifti_header import KEY, Kept
from ndlab.store.ingest import checks
from ndlab.store.ingest.slab import needs_slab
from ndlab.store.ingest.sources import Source, find_source, settle_calibration
from ndlab.store.kv import normal_url
from ndlab.store.layout import WORK_BYTES, LevelPlan, Stage, plan, stages, work_region
from ndlab.store.records import flushes_itself
from ndlab.store.sums import voxel_checksum

__all__ = ["Options", "Plan", "channels_of", "choose_codec", "make_plan", "sample_of"]

# Measured: an interpreter with the engine and numba, and what a task holds at most per byte of its region (voxels,
# coarser levels, encoded chunks, the encoded shard: 2.6) with room for what the source's own reader needs.
PROCESS_BYTES = 300 << 20
TASK_FACTOR = 3.0
_SLAB_BYTES = 2 << 30
_GAIN = 0.10
_SAMPLES = 8
_PALETTE = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FF0000", "0000FF", "FFFF00")


@dataclass(frozen=True)
class Options:
    """What `ingest` was asked for besides source and destination; see there."""

    voxel_size: Sequence[float] | None = None
    unit: str | None = None
    offset: Sequence[float] | None = None
    kind: Kind | None = None
    name: str | None = None
    channels: Sequence[str] | None = None
    axes: str | None = None
    pattern: str | None = None
    missing: str | None = None
    dataset: str | None = None
    path: str | None = None
    version: str = "0.5"
    chunks: Sequence[int] | None = None
    shards: Sequence[int] | None = None
    codec: Any = "auto"
    levels: int | None = None
    memory: int | str | None = None
    overwrite: bool = False
    task_bytes: int | str | None = None
    workers: int | None = None


@dataclass(frozen=True)
class Plan:
    """An ingest that can begin.

    Parameters
    ----------
    url : str
        Destination.
    source : Source
    multiscale : Multiscale
        What will be written about the volume.
    codec : object
        As `create` takes it.
    saved : float or None
        Share of bytes that zstd saved on the sample, where the codec was chosen by it.
    levels : tuple of LevelPlan
    region : tuple of 3 int
        Voxels of one task (z, y, x).
    targets : tuple of int
        Coarser levels that the tasks of the first pass write from memory.
    later : tuple of Stage
        Passes for the levels after those.
    slab : bool
        Whether sections are decoded into a slab first.
    slab_in_memory : bool
        Whether that fits into memory.
    workers : int
        Tasks at once, if they run on threads.
    memory, limit : int
        What the process will hold at most, and what it may [bytes].
    identity : str
        Equal for ingests that would write the same.
    """

    url: str
    source: Source
    multiscale: Multiscale
    codec: Any
    saved: float | None
    levels: tuple[LevelPlan, ...]
    region: Int3
    targets: tuple[int, ...]
    later: tuple[Stage, ...]
    slab: bool
    slab_in_memory: bool
    workers: int
    memory: int
    limit: int
    identity: str = ""

    @property
    def lead(self) -> dict[str, int]:
        """Lengths of t and c, as far as the volume has them."""
        return dict(zip(self.multiscale.axes[:-3], self.source.array.shape[:-3], strict=True))

    @property
    def flushing(self) -> bool:
        """Whether writes leave flushing to the run's record, because a flush for each would cost more."""
        return not flushes_itself(self.levels[0].unit, self.source.array.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of the finest level."""
        return math.prod(self.source.array.shape) * self.source.array.dtype.itemsize

    def settings(self) -> dict[str, Any]:
        """Return what decides every byte of the result, as JSON holds it."""
        m = self.multiscale
        return {
            "source": self.source.words,
            "source_identity": describe(self.source.identity),
            "shape": list(self.source.array.shape),
            "axes": "".join(m.axes),
            "dtype": self.source.array.dtype.name,
            "kind": m.kind,
            "name": m.name,
            "channels": [c.name for c in m.channels],
            "version": m.version,
            "voxel_size": list(self.calibration.voxel_size),
            "offset": list(self.calibration.offset),
            "codec": describe(self.codec),
            "levels": [{k: v for k, v in describe(level).items() if k != "kind"} for level in self.levels],
            "region": list(self.region),
        }

    def layout(self) -> dict[str, Any]:
        """Return what `create` takes besides the address."""
        lead = self.source.array.shape[:-3]
        ones = (1,) * len(lead)
        sharded = self.multiscale.version == "0.5"
        return {
            "multiscale": self.multiscale,
            "shapes": [(*lead, *level.shape) for level in self.levels],
            "dtype": self.source.array.dtype,
            "chunks": [(*ones, *level.chunk) for level in self.levels],
            "shards": [(*ones, *level.unit) if sharded else None for level in self.levels],
            "codec": self.codec,
            "attrs": {"source": self.source.words, "records": checks.INGEST_KEY, **self._kept()},
        }

    def _kept(self) -> dict[str, Any]:
        """Return what of a file's own header goes out with it again."""
        found = Kept.of(self.source.stored.attrs, self.calibration)
        return {} if found is None else {KEY: found.values}

    @property
    def calibration(self) -> Calibration:
        """Of the finest level."""
        found = self.multiscale.scales[0].calibration
        assert found is not None
        return found

    def words(self) -> str:
        """Say what will be done, and the most memory it takes, in one line."""
        array = self.source.array
        count = math.prod(-(-n // r) for n, r in zip(array.shape[-3:], self.region, strict=True))
        count *= math.prod(array.shape[:-3])
        saved = "" if self.saved is None else f" ({self.saved:.0%} saved on a sample)"
        scratch = ""
        if self.slab and not self.slab_in_memory:
            scratch = f", scratch file of {checks.size(slab_bytes(self.source, self.region))} beside it"
        codec = "no compression" if self.codec is None else f"codec {self.codec}"
        return (
            f"{self.source.words} -> {self.url}: {'x'.join(map(str, array.shape))} {array.dtype.name}, "
            f"{checks.size(self.nbytes)}, {len(self.levels)} levels, {codec}{saved}, {count} tasks, "
            f"at most {checks.size(self.memory)} of memory{scratch}"
        )


def make_plan(source: Any, dest: str | os.PathLike[str], options: Options) -> tuple[Plan, dict[str, Any] | None]:
    """Check everything and decide everything; also return what an earlier ingest into `dest` left.

    Raises
    ------
    Problems
        With all that is wrong. Nothing was written.
    """
    o, problems = options, list[str]()
    checks.check_options(o.version, o.kind, o.levels, o.chunks, o.shards, problems)
    checks.check_codec(o.codec, o.version, problems)
    earlier = checks.check_destination(os.fspath(dest), o.overwrite, problems)
    limit = _limit(o, problems)
    if o.task_bytes is not None:
        _parse(o.task_bytes, "task_bytes", problems)
    unit = o.unit if o.voxel_size is None else None
    found = find_source(source, problems, axes=o.axes, unit=unit, pattern=o.pattern, missing=o.missing,
                        dataset=o.dataset, path=o.path)  # fmt: skip
    made: Plan | None = None
    if found is None:
        _check_voxel_size(o, problems)
    else:
        calibration = settle_calibration(
            found.calibration, found.stored.notes, o.voxel_size, o.unit, o.offset, problems
        )
        _check_source(found, o, problems)
        checks.check_apart(found.stored.url, os.fspath(dest), problems)
        if calibration is not None and not problems:
            made = _decide(found, os.fspath(dest), calibration, o, limit, problems)
    if problems or made is None:
        raise Problems(f"ingest into {os.fspath(dest)}", problems, "correct these and call ingest again")
    return made, earlier


def _parse(value: int | str | None, what: str, problems: list[str]) -> int | None:
    try:
        return checks.memory_limit(value)
    except NdlabError as error:
        problems.append(f"{what}: {str(error).rstrip('.')}")
        return None


def _limit(o: Options, problems: list[str]) -> int:
    limit = _parse(o.memory, "memory", problems)
    if limit is None:
        return 0
    least = PROCESS_BYTES + int(8 * TASK_FACTOR * 2**20)
    if limit < least:
        problems.append(f"memory={o.memory!r}: at least {checks.size(least)} are needed")
    return limit


def _check_voxel_size(o: Options, problems: list[str]) -> None:
    """Check the voxel size although there is no source to go with it, so that all problems come at once."""
    if o.voxel_size is not None:
        try:
            Calibration(o.voxel_size, o.offset if o.offset is not None else (0, 0, 0))
        except NdlabError as error:
            problems.append(str(error).rstrip("."))


def _check_source(source: Source, o: Options, problems: list[str]) -> None:
    array, shape = source.array, source.array.shape
    if min(shape) < 1:
        problems.append(f"{source.words} has shape {tuple(shape)}: it holds no voxel")
    if o.kind == "labels" and array.dtype.kind == "f":
        problems.append(f"{source.words} holds {array.dtype.name}, and labels are whole numbers")
    count = shape[source.stored.axes.index("c")] if "c" in source.stored.axes else 1
    if o.channels is not None and len(o.channels) != count:
        problems.append(f"{len(o.channels)} channel names for {count} channels: {list(o.channels)}")
    if o.channels is not None and len(set(o.channels)) != len(o.channels):
        problems.append(f"channel names come twice: {list(o.channels)}")
    if o.version == "precomputed" and "t" in source.stored.axes:
        problems.append("precomputed has no time axis: ingest one time point, or write version 0.5")
    if o.version == "precomputed" and array.dtype.name in ("bool", "float16", "float64"):
        problems.append(f"precomputed has no {array.dtype.name} voxels: write version 0.5, or convert them")


def _decide(
    source: Source, dest: str, calibration: Calibration, o: Options, limit: int, problems: list[str]
) -> Plan | None:
    array = source.array
    kind: Kind = o.kind or source.stored.kind
    url = normal_url(dest)
    levels, region, targets, later, slab = _layout(array, calibration, o, limit, source)
    try:
        sample = sample_of(array, levels[0].chunk)
    except (NdlabError, OSError, ValueError) as error:
        problems.append(f"{source.words} cannot be read: {str(error).rstrip('.')}")
        return None
    codec, saved = choose_codec(o, kind, sample)
    workers, memory, in_memory = _memory(source, region, slab, o, limit)
    multiscale = Multiscale(
        source.stored.axes,
        tuple(
            Scale(str(i), calibration.coarser(level.factors), source.stored.time_step) for i, level in enumerate(levels)
        ),
        name=o.name or source.stored.name or url.rpartition("/")[2].partition(".")[0],
        version=o.version,
        kind=kind,
        channels=channels_of(source, o, kind),
        labels=source.stored.labels if kind == "labels" else None,
    )
    made = Plan(url, source, multiscale, codec, saved, levels, region, targets, later, slab, in_memory, workers,
                memory, limit)  # fmt: skip
    try:
        make_documents(**made.layout())
    except NdlabError as error:
        problems.append(str(error).rstrip("."))
    ratio = 1 - (saved or 0) * 0.5
    scratch = slab_bytes(source, region) if slab and not in_memory else 0
    checks.check_space(url, int(made.nbytes * 1.15 * ratio) + scratch if kind == "image" else scratch, problems)
    digest = [voxel_checksum(one) for one in sample]
    return replace(made, identity=fingerprint([made.settings(), digest]))


def _layout(
    array: Any, calibration: Calibration, o: Options, limit: int, source: Source
) -> tuple[tuple[LevelPlan, ...], Int3, tuple[int, ...], tuple[Stage, ...], bool]:
    itemsize, shape = array.dtype.itemsize, array.shape[-3:]
    nbytes = WORK_BYTES if o.task_bytes is None else checks.memory_limit(o.task_bytes)
    if o.memory is not None:  # Only what is asked for may change the layout, never what the machine has free.
        while nbytes > 1 << 20 and PROCESS_BYTES + 2 * TASK_FACTOR * nbytes > limit:
            nbytes //= 2
    shard = o.shards
    while True:
        levels = plan(
            shape, itemsize, calibration.voxel_size, chunk=o.chunks, shard=shard, sharded=o.version == "0.5",
            levels=o.levels, nbytes=nbytes,
        )  # fmt: skip
        region, targets, later = _passes(levels, itemsize, nbytes)
        slab = needs_slab(array, region)
        depth = levels[0].unit[0] // 2
        too_deep = slab and slab_bytes(source, region) > _SLAB_BYTES and depth >= max(levels[0].chunk[0], 32)
        if not too_deep or o.shards is not None or o.version != "0.5":
            return levels, region, targets, later, slab
        shard = (depth, *levels[0].unit[1:])


def _passes(levels: Sequence[LevelPlan], itemsize: int, nbytes: int) -> tuple[Int3, tuple[int, ...], tuple[Stage, ...]]:
    """Return the region of the first pass, the levels it writes besides the finest, and the passes after it."""
    passes = stages(levels, itemsize, nbytes)
    base = levels[0]
    if passes:
        whole = all(r % u == 0 or r >= n for r, u, n in zip(passes[0].region, base.unit, base.shape, strict=True))
        if whole:
            return passes[0].region, passes[0].targets, passes[1:]
    return work_region(base.unit, base.shape, itemsize, nbytes), (), passes


def slab_bytes(source: Source, region: Sequence[int]) -> int:
    """Return the size of one slab: as deep as a region, whole in y and x, with the channels that decode together."""
    array = source.array
    lead = math.prod(min(c, n) for c, n in zip(array.chunks[:-3], array.shape[:-3], strict=True))
    depth = min(region[0], array.shape[-3])
    return int(lead * depth * math.prod(array.shape[-2:]) * array.dtype.itemsize)


def _memory(source: Source, region: Int3, slab: bool, o: Options, limit: int) -> tuple[int, int, bool]:
    """Return how many tasks run at once, what they hold at most, and whether a slab fits beside them."""
    array = source.array
    voxels = math.prod(min(r, n) for r, n in zip(region, array.shape[-3:], strict=True))
    task = int(voxels * array.dtype.itemsize * TASK_FACTOR)
    wanted = o.workers or os.cpu_count() or 1
    held = slab_bytes(source, region) if slab else 0
    in_memory = slab and PROCESS_BYTES + held + task <= limit
    held = held if in_memory else 0
    workers = max(1, min(wanted, (limit - PROCESS_BYTES - held) // max(1, task)))
    return workers, PROCESS_BYTES + held + workers * task, in_memory


def channels_of(source: Source, o: Options, kind: Kind) -> tuple[Channel, ...]:
    """Name and colour the channels: as asked for, else as the source says, else by number."""
    if kind == "labels":
        return ()
    count = source.array.shape[source.stored.axes.index("c")] if "c" in source.stored.axes else 1
    known = [*source.stored.channels, *[Channel()] * count][:count]
    found = []
    for i, channel in enumerate(known):
        name = o.channels[i] if o.channels is not None else channel.name
        color = channel.color or _PALETTE[i % len(_PALETTE) if count > 1 else 0]
        found.append(Channel(name or (f"channel {i}" if count > 1 else ""), channel.window, channel.limits, color))
    return tuple(found)


def sample_of(array: Any, chunk: Int3) -> list[np.ndarray[Any, Any]]:
    """Read a few chunks spread over the diagonal of the volume; that also shows whether the source can be read."""
    lead, shape = array.shape[:-3], array.shape[-3:]
    counts = [-(-n // c) for n, c in zip(shape, chunk, strict=True)]
    found, seen = [], set()
    for i in range(_SAMPLES):
        at = tuple(int((i + 0.5) / _SAMPLES * n) for n in counts)
        if at in seen:
            continue
        seen.add(at)
        start = [0] * len(lead) + [a * c for a, c in zip(at, chunk, strict=True)]
        stop = [*(1 for _ in lead), *(min(a + c, n) for a, c, n in zip(start[len(lead) :], chunk, shape, strict=True))]
        found.append(array.read(start, stop))
    return found


def choose_codec(o: Options, kind: Kind, sample: Sequence[np.ndarray[Any, Any]]) -> tuple[Any, float | None]:
    """Choose zstd 1 for labels, and for images if it saves a tenth of the sample; else none."""
    if o.codec != "auto":
        return o.codec, None
    if o.version == "precomputed":
        return ("zstd" if kind == "labels" else None), None
    zstd = numcodecs.Zstd(level=1)
    raw = sum(one.nbytes for one in sample)
    saved = max(0.0, 1 - sum(len(zstd.encode(np.ascontiguousarray(one))) for one in sample) / raw)
    return ("zstd" if kind == "labels" or saved >= _GAIN else None), saved
