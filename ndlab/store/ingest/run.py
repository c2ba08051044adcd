"""Carry out an ingest: base shards and the levels that fit, then the passes after them, then what was learnt."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ndlab.errors import Conflict
from ndlab.geometry import Grid
from ndlab.pipeline import Receipt, Record, Run, Step, current_client, environment, progress_bar
from ndlab.pipeline.progress import ProgressCallback
from ndlab.store import state
from ndlab.store.arrays import Array, Stored
from ndlab.store.create import create, exists
from ndlab.store.ingest.checks import INGEST_KEY
from ndlab.store.ingest.plan import Options, Plan, make_plan
from ndlab.store.ingest.sections import by_slabs
from ndlab.store.ingest.verify import CHECKSUMS_KEY
from ndlab.store.ingest.voxels import find_window, write_region
from ndlab.store.ingest.windows import write_windows
from ndlab.store.kv import Kv, local_path
from ndlab.store.multiscale import open_store
from ndlab.store.pyramid import ratio, rule_of, stage_step
from ndlab.store.records import bulk, flush, open_record, record_path

__all__ = ["Ingested", "ingest"]

_STEP = "ingest"


@dataclass(frozen=True)
class Ingested:
    """What an ingest made, and its receipt: source, settings, memory bound, tasks done and skipped, time, machine."""

    stored: Stored
    receipt: dict[str, Any]


def ingest(
    source: Any,
    dest: str | os.PathLike[str],
    *,
    workers: int | None = None,
    client: Any = None,
    resume: bool = True,
    progress: bool | ProgressCallback | None = None,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> Ingested:
    """Bring voxels into a store with all its levels, and return it with a receipt.

    Everything is checked first and everything that is wrong is said at once; until then nothing is written. Then one
    task per base shard reads its voxels once and writes them and as many coarser levels as one task can, in memory
    that is stated up front. An ingest that was stopped in any way, ``kill -9`` included, goes on when it is called
    again, and the result is the same, byte for byte.

    Parameters
    ----------
    source : str, path, Stored or array
        A store, a file, or a folder of numbered slices; or an array: numpy, Dask, zarr, h5py, a DataArray, a Volume.
    dest : str or path
        Where: a local folder, ``s3://`` or ``gs://``.
    voxel_size : sequence of 3 float
        (z, y, x) [nm], or in `unit`. Needed unless the source is calibrated.
    unit : str
        Unit of `voxel_size`, or of the source's own scales where it names none.
    offset : sequence of 3 float
        Outer corner of voxel 0, (z, y, x) [nm]; without it the source's, else 0.
    kind : {"image", "labels"}
        Without it, as the source says; else integers of 32 bits and more are labels.
    name : str
        Of the volume.
    channels : sequence of str
        Names of the channels.
    axes, pattern, missing, dataset, path
        How to read the source, as `open_store` takes them.
    version : {"0.5", "0.4", "precomputed"}
        What is written: OME-Zarr 0.5 (Zarr v3, sharded), 0.4 (Zarr v2), or Neuroglancer precomputed.
    chunks, shards : sequence of 3 int
        Of level 0 (z, y, x), instead of about 256 KiB, physically cubic, in shards 512 wide.
    codec : str, mapping, sequence or None
        ``"auto"``: zstd 1 for labels, and for images where it saves a tenth of a sample, else none. Or any Zarr v3
        codec or numcodecs configuration.
    levels : int
        How many, the finest included; without it until no axis is longer than 64.
    memory : int or str
        What the process may hold, e.g. ``"1 GiB"``; without it half of what is free, 1 to 8 GiB. What a source that
        computes its voxels allocates for itself comes on top.
    task_bytes : int or str
        Most voxel bytes that one task takes; a shard at least. Without it 128 MiB.
    workers : int, optional
        Threads; as many as cores and memory allow unless said.
    client : distributed.Client or False, optional
        As for `Run`: without it and without `workers`, the current Dask client if there is one.
    resume : bool
        False refuses to go on with an earlier, unfinished ingest.
    overwrite : bool
        Remove what is at `dest` first.
    progress : bool or callable, optional
        A bar where somebody looks, unless False; or a callback.
    say : callable, optional
        Takes the line that states memory and tasks up front; without it the line goes to standard error where
        somebody looks.

    Returns
    -------
    Ingested

    Raises
    ------
    Problems
        All that is wrong, at once; nothing was written.
    Conflict
        If another process ingests there now, or an earlier ingest there had other settings.
    RunFailed
        If tasks failed; call again to resume.
    """
    given = Options(workers=workers, **options)
    plan, earlier = make_plan(source, dest, given)
    _announce(plan, say, progress)
    if not plan.source.travels:
        client = False
    with open_record(plan.url, _STEP, flushing=plan.flushing) as record:
        if given.overwrite:
            _start_over(plan, record)
            earlier = None
        if earlier is None:
            # A remote store's record is on this machine, and outlives a store that was deleted.
            record.forget()
        if earlier is not None and earlier.get("complete") and _same(earlier, plan):
            return Ingested(open_store(plan.url), {**earlier, "skipped": "finished before"})
        stored = _begin(plan, earlier, resume)
        with _callback(progress) as callback:
            receipts = _work(plan, stored, record, workers, client, callback)
        return _finish(plan, record, receipts)


def _announce(plan: Plan, say: Callable[[str], None] | None, progress: Any) -> None:
    if say is not None:
        say(plan.words())
    elif progress is not False and ("ipykernel" in sys.modules or sys.stderr.isatty()):
        sys.stderr.write(plan.words() + "\n")


@contextmanager
def _callback(progress: bool | ProgressCallback | None) -> Iterator[ProgressCallback]:
    if callable(progress):
        yield progress
        return
    with progress_bar(progress) as callback:
        yield callback


def _same(earlier: dict[str, Any] | None, plan: Plan) -> bool:
    return earlier is not None and earlier.get("identity") == plan.identity


def _start_over(plan: Plan, record: Record) -> None:
    """Remove what is there, but for the record that holds the place."""
    path = local_path(plan.url)
    kept = record_path(plan.url, _STEP)
    if path is None:
        Kv(plan.url).delete_all()
    else:
        for key in [p for p in sorted(path.rglob("*"), reverse=True) if not p.name.startswith(kept.name)]:
            if key.is_dir() and not key.is_symlink():
                if not any(key.iterdir()):
                    key.rmdir()
            else:
                key.unlink()
    record.forget()


def _begin(plan: Plan, earlier: dict[str, Any] | None, resume: bool) -> Stored:
    """Create the store, or open the one that an earlier ingest with the same settings began."""
    if earlier is not None and not _same(earlier, plan):
        known = {k: v for k, v in plan.settings().items() if earlier.get("settings", {}).get(k) != v}
        raise Conflict(
            f"an ingest into {plan.url} was begun with other settings",
            f"these differ: {', '.join(known) or 'the voxels of the source'}",
            "use the same to resume, or pass overwrite=True to start over",
            differs=sorted(known),
        )
    if earlier is not None and not resume:
        raise Conflict(
            f"an ingest into {plan.url} was begun and not finished", "", "pass resume=True or overwrite=True"
        )
    Kv(plan.url).write_json(INGEST_KEY, _note(plan, False))
    if not exists(plan.url):
        create(plan.url, **plan.layout())
    state.change(plan.url, lambda now: now)
    return open_store(plan.url)


def _note(plan: Plan, complete: bool) -> dict[str, Any]:
    """Return what is kept beside the voxels; no times, so that equal ingests leave equal files."""
    return {"identity": plan.identity, "complete": complete, "settings": plan.settings()}


def _work(
    plan: Plan, stored: Stored, record: Record, workers: int | None, client: Any, progress: ProgressCallback
) -> list[Receipt]:
    if client is None and workers is None:
        client = current_client() or False
    lead = {axis: range(n) for axis, n in plan.lead.items()}
    common: dict[str, Any] = {"workers": plan.workers, "client": client, "progress": progress}
    grid = Grid(plan.levels[0].shape, plan.region)
    if plan.slab:
        receipts = by_slabs(plan, partial(_base_step, plan, stored), record, grid, common)
    else:
        step = _base_step(plan, stored, plan.source.array)
        receipts = [Run(step, grid, record, lead.get("t"), lead.get("c"), **common).run()]
    for stage in plan.later:
        step = stage_step(stored, plan.levels, stage, plan.flushing)
        blocks = Grid(plan.levels[stage.source].shape, stage.region, stage.source)
        receipts.append(Run(step, blocks, record, lead.get("t"), lead.get("c"), **common).run())
    return receipts


def _base_step(plan: Plan, stored: Stored, source: Array) -> Step:
    levels = plan.levels
    params = {
        "source": source,
        "base": bulk(stored.levels[0].array, plan.flushing),
        "targets": [bulk(stored.levels[i].array, plan.flushing) for i in plan.targets],
        "steps": [ratio(levels[i], levels[i - 1]) for i in plan.targets],
        "rule": rule_of(plan.multiscale.kind),
    }
    return Step(_STEP, write_region, params, {"source": plan.source.words}, identity=plan.identity)


def _finish(plan: Plan, record: Record, receipts: Sequence[Receipt]) -> Ingested:
    """Write what was learnt: windows into the metadata, checksums beside them; then say that all is there."""
    kv = Kv(plan.url)
    dtype = plan.source.array.dtype
    outcomes = sorted(record.outcomes(_STEP), key=lambda outcome: outcome.key)
    kv.write_json(
        CHECKSUMS_KEY, {"algorithm": "xxh64", "level": 0, "blocks": {o.key: o.result["xxh64"] for o in outcomes}}
    )
    if plan.multiscale.kind == "image" and plan.multiscale.version != "precomputed":
        found = [
            find_window((o.result for o in outcomes if "c" not in plan.lead or f"c{c} " in o.key), dtype)
            for c in range(len(plan.multiscale.channels))
        ]
        write_windows(plan.url, plan.multiscale, found, plan.layout()["attrs"])
    if plan.flushing:
        flush(plan.url)
    kv.write_json(INGEST_KEY, _note(plan, True))
    receipt = _receipt(plan, receipts)
    path = record_path(plan.url, _STEP).with_name("ingest-receipt.json")
    path.write_text(json.dumps(receipt, indent=1))
    return Ingested(open_store(plan.url), receipt)


def _receipt(plan: Plan, receipts: Sequence[Receipt]) -> dict[str, Any]:
    seconds = sum(r.seconds for r in receipts)
    return {
        **_note(plan, True),
        "memory": plan.memory,
        "memory_limit": plan.limit,
        "seconds": round(seconds, 3),
        "megabytes_per_second": round(plan.nbytes / 1e6 / seconds, 1) if seconds else None,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "runs": [r.to_json() for r in receipts],
        "environment": environment(),
    }
