"""Whether a store is whole: metadata, levels, chunks, checksums."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ndlab.doctor.chunks import Decoded, decode
from ndlab.doctor.report import Finding, Report
from ndlab.errors import NdlabError, Problems
from ndlab.geometry import level_shape
from ndlab.store import backup, state
from ndlab.store.arrays import Level, Stored
from ndlab.store.engine import TensorStoreArray
from ndlab.store.ingest.checks import INGEST_KEY
from ndlab.store.ingest.verify import CHECKSUMS_KEY, verify
from ndlab.store.kv import Kv, local_path
from ndlab.store.multiscale import open_store

__all__ = ["diagnose"]

_MOST_NAMED = 5
_WHOLE = 0.01  # a ratio of voxel sizes this near to a whole number is one

Progress = Callable[[str, int, int], None]


def diagnose(
    url: str | os.PathLike[str],
    *,
    sample: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Report:
    """Look for all that can be wrong with a store, and return a `Report`; nothing is changed.

    It opens; its levels follow the size rule ``((n - 1) // f) + 1``, hold something and are not stale; every chunk
    decodes; voxels are those that ingest recorded checksums of, keys those of the manifest in a backup.

    Parameters
    ----------
    url : str or path
        Whatever `ndlab.open` takes.
    sample : int, optional
        Look at so many chunks of each level, not at all of them, and at no checksum.
    workers : int, optional
        Threads; as many as cores unless given. Each takes up to 128 MiB.
    progress : callable, optional
        Called with (what, pieces done, pieces in all).
    **options
        As for `ndlab.open`: `path`, `axes`, `voxel_size`, `unit`, `dataset`, `pattern`.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/a.npy", np.zeros((2, 3, 4), "u1"))
    ...     report = diagnose(folder + "/a.npy", voxel_size=(40, 4, 4))
    >>> [(f.what, f.status) for f in report.findings]
    [('metadata', 'ok'), ('chunks 0', 'ok')]
    """
    try:
        stored = open_store(url, **options)
    except (NdlabError, OSError) as error:
        return Report(str(url), (_refused("metadata", error),))
    return Report(stored.url, tuple(_findings(stored, sample, workers, progress)))


def _findings(stored: Stored, sample: int | None, workers: int | None, progress: Progress | None) -> Iterator[Finding]:
    yield _metadata(stored)
    if stored.levels[0].calibration is None:
        yield Finding("voxel size", "note", "; ".join(stored.notes) or "the store does not say it",
                      "pass --voxel-size (voxel_size= in Python) with every command that needs it")  # fmt: skip
    readable = []
    for number in range(len(stored.levels)):
        found = _level(stored, number)
        if found is None or found.status != "problem" or number == 0:
            readable.append(number)
        if found is not None:
            yield found
    if stored.url and not _is_file(stored.url):
        yield from _unfinished(stored.url)
        yield from _stale(stored)
    for number in readable:
        yield _chunks(stored.levels[number], number, sample, workers, progress)
    yield from _stored_at_all(stored, readable)
    if sample is None and stored.url and not _is_file(stored.url):
        yield from _checksums(stored, workers, progress)
        yield from _manifest(stored.url, progress)


def _refused(what: str, error: Exception) -> Finding:
    if isinstance(error, Problems):
        return Finding(what, "problem", f"{error.asked}: {'; '.join(error.problems)}", error.remedy)
    if isinstance(error, NdlabError):
        return Finding(what, "problem", ". ".join(p for p in (error.asked, error.exists) if p), error.remedy)
    return Finding(what, "problem", f"{type(error).__name__}: {error}")


def _metadata(stored: Stored) -> Finding:
    array = stored.levels[0].array
    shape = " × ".join(map(str, array.shape))
    words = (
        f"{stored.format}, {stored.kind}, {''.join(stored.axes)} {shape} {array.dtype}, {len(stored.levels)} level(s)"
    )
    notes = [note for note in stored.notes if stored.levels[0].calibration is not None]
    return Finding("metadata", "note" if notes else "ok", "; ".join([words, *notes]))


def _level(stored: Stored, number: int) -> Finding | None:
    """Whether a coarser level has the type and size that level 0 asks for; None for level 0."""
    if number == 0:
        return None
    what, base, level = f"level {number}", stored.levels[0], stored.levels[number]
    try:
        shape, dtype = level.array.shape, level.array.dtype
    except (NdlabError, OSError) as error:
        return _refused(what, error)
    if dtype != base.array.dtype:
        return Finding(what, "problem", f"it holds {dtype}, level 0 holds {base.array.dtype}", _rebuild(stored.url))
    if shape[:-3] != base.array.shape[:-3]:
        return Finding(
            what, "problem", f"it has {shape[:-3]} time points and channels, level 0 {base.array.shape[:-3]}"
        )
    return _size(stored, number)


def _size(stored: Stored, number: int) -> Finding:
    what, base, level = f"level {number}", stored.levels[0], stored.levels[number]
    fine, shape = base.array.shape[-3:], level.array.shape[-3:]
    if base.calibration is None or level.calibration is None:
        return Finding(what, "ok", f"{_by(shape)}; its scale is not known")
    factors = [b / a for a, b in zip(base.calibration.voxel_size, level.calibration.voxel_size, strict=True)]
    words = f"{_by(shape)} is level 0 down-sampled by {_by(factors)}"
    whole = [round(f) for f in factors]
    if all(abs(f - w) <= _WHOLE * f for f, w in zip(factors, whole, strict=True)):
        if tuple(shape) == level_shape(fine, whole):
            return Finding(what, "ok", words)
        expected = f"; {_by(level_shape(fine, whole))} was expected"
    else:
        expected = ""
    # Other tools round down, and some scales are no whole factors: within one voxel the two still cover each other.
    if all(abs(n / f - m) < 1 + 1e-6 for n, f, m in zip(fine, factors, shape, strict=True)):
        detail = f"{words}{expected}: it may lack a border of less than a voxel" if expected else words
        return Finding(what, "note" if expected else "ok", detail)
    return Finding(what, "problem", f"{words}{expected}: they do not cover the same space", _rebuild(stored.url))


def _by(values: Sequence[float]) -> str:
    return " × ".join(f"{v:g}" for v in values)


def _rebuild(url: str) -> str:
    return f"ndlab pyramid {url}"


def _unfinished(url: str) -> Iterator[Finding]:
    begun = Kv(url).read_json(INGEST_KEY)
    if begun is not None and not begun.get("complete"):
        source = begun.get("settings", {}).get("source", "SOURCE")
        yield Finding("ingest", "problem", f"an ingest of {source} was begun and not finished: voxels are missing",
                      "type the same ndlab ingest again, and it goes on")  # fmt: skip


def _stale(stored: Stored) -> Iterator[Finding]:
    for number, boxes in sorted(state.read(stored.url).stale.items()):
        if boxes:
            where = "; ".join(f"{b.start} to {b.stop}" for b in boxes[:_MOST_NAMED])
            yield Finding(f"level {number}", "problem", f"it is stale: finer voxels were written after it, at {where}",
                          _rebuild(stored.url))  # fmt: skip


def _is_file(url: str) -> bool:
    path = local_path(url)
    return path is not None and path.is_file()


def _chunks(level: Level, number: int, sample: int | None, workers: int | None, progress: Progress | None) -> Finding:
    what = f"chunks {number}"
    tell = None if progress is None else lambda done, total: progress(what, done, total)
    try:
        found = decode(level.array, sample=sample, workers=workers, progress=tell)
    except (NdlabError, OSError) as error:
        return _refused(what, error)
    part = "all" if found.looked_at == found.chunks else f"{found.looked_at:,} of"
    if not found.bad:
        return Finding(what, "ok", f"{part} {found.chunks:,} decode")
    return Finding(what, "problem", f"{len(found.bad):,} of {found.looked_at:,} cannot be decoded: {_named(found)}",
                   "restore a backup, or write those voxels again")  # fmt: skip


def _named(found: Decoded) -> str:
    listed = [f"at {corner}: {reason}" for corner, reason in found.bad[:_MOST_NAMED]]
    more = len(found.bad) - len(listed)
    return "; ".join([*listed, *([f"and {more:,} more"] if more else [])])


def _stored_at_all(stored: Stored, readable: Sequence[int]) -> Iterator[Finding]:
    """Tell levels of which nothing is stored: right where all are empty, wrong beside a finer one that is not."""
    if stored.url.startswith(("http://", "https://")):
        return  # It would ask for every chunk.
    empty = [number for number in readable if _empty(stored.levels[number])]
    named = ", ".join(map(str, empty))
    if 0 in empty:
        yield Finding("voxels", "note", f"nothing is stored at level {named}: it reads as the fill value")
    elif empty:
        detail = f"nothing is stored at level {named}, though level 0 holds voxels"
        yield Finding("voxels", "problem", detail, _rebuild(stored.url))


def _empty(level: Level) -> bool:
    array = level.array
    if not isinstance(array, TensorStoreArray) or not np.prod(array.shape):
        return False
    try:
        return bool(array.store.storage_statistics(query_not_stored=True).result().not_stored)
    except (ValueError, OSError, NotImplementedError):
        return False


def _checksums(stored: Stored, workers: int | None, progress: Progress | None) -> Iterator[Finding]:
    if Kv(stored.url).read(CHECKSUMS_KEY) is None:
        return
    tell = None if progress is None else lambda p: progress("checksums", p.done, p.total)
    try:
        differs = verify(stored.url, workers=workers, client=False, progress=tell)
    except (NdlabError, OSError, KeyError, IndexError) as error:
        yield _refused("checksums", error)
        return
    if not differs:
        yield Finding("checksums", "ok", "the voxels of level 0 are those that were ingested")
        return
    more = [f"and {len(differs) - _MOST_NAMED:,} more"] if len(differs) > _MOST_NAMED else []
    written = state.read(stored.url).version
    lost = any("cannot be read" in line for line in differs)
    yield Finding("checksums", "problem" if lost or not written else "note", "; ".join([*differs[:_MOST_NAMED], *more]),
                  "" if written and not lost else "restore a backup, or ingest it again")  # fmt: skip


def _manifest(url: str, progress: Progress | None) -> Iterator[Finding]:
    """Of a backup: whether every key is as it was."""
    if Kv(url).read(backup.SUMS) is None:
        return
    tell = None if progress is None else lambda done, total: progress("backup", done, total)
    try:
        damage = backup.verify(url, progress=tell)
    except (NdlabError, OSError) as error:
        yield _refused("backup", error)
        return
    if damage:
        named = [f"{key} {what}" for key, what in list(damage.items())[:_MOST_NAMED]]
        more = [f"and {len(damage) - _MOST_NAMED:,} more"] if len(damage) > _MOST_NAMED else []
        yield Finding("backup", "problem", "; ".join([*named, *more]), "restore from another backup")
    else:
        yield Finding("backup", "ok", "every key has the SHA-256 that was recorded")
