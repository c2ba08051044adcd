"""Ask an address whether it serves data.

A store can look alive and hold nothing: metadata without chunks reads as the fill value, and so does a level that
nobody ever filled. So a probe reads some chunks of every level and tells an absent chunk from a constant one.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.errors import BadMetadata, BadRequest, Unsupported
from ndlab.store.arrays import Array, Level, Stored
from ndlab.store.catalog.listing import dataset
from ndlab.store.catalog.rows import Dataset, catalogue
from ndlab.store.catalog.verdict import LATE, LevelProbe, Probe, Status, judge
from ndlab.store.engine import TensorStoreArray
from ndlab.store.multiscale import open_store

__all__ = ["probe"]

Opener = Callable[[str], Stored]
_VOXELS = ("", "precomputed", "OME-Zarr")


@dataclass
class _Look:
    """One address to look at, the limits, and what has been found so far."""

    url: str
    declared: Dataset | None
    level: int | None
    samples: int
    max_bytes: int
    deadline: float
    rng: np.random.Generator
    opener: Opener
    levels: list[LevelProbe] = field(default_factory=list)
    verdict: tuple[Status, str] | None = None

    @property
    def left(self) -> float:
        """Seconds left, never none at all."""
        return max(0.01, self.deadline - time.monotonic())


def probe(
    name_or_url: str,
    *,
    level: int | None = None,
    samples: int = 8,
    timeout: float = 30.0,
    max_bytes: int = 64 << 20,
    channel: str | None = None,
    voxel_size: Sequence[float] | None = None,
    seed: int = 0,
    opener: Opener = open_store,
) -> Probe:
    """Read a few chunks of each level of a dataset and return a `Probe`; a dead server is an answer, not an error.

    Tables, skeletons and graphs are not opened: they are only asked whether they are there.

    Parameters
    ----------
    name_or_url : str
        A name of the catalogue, or any address that ndlab opens.
    level : int, optional
        Read this level only.
    samples : int
        Chunks to read of each level: the middle one, then random ones.
    timeout : float
        Longest wait [s] in all; what has come by then is reported.
    max_bytes : int
        Most bytes to read, counted decoded.
    channel : str, optional
        Which channel, where each is a store of its own; the first if left out.
    voxel_size : sequence of 3 float, optional
        Voxel size (z, y, x) [nm] to expect, instead of the catalogue's.
    seed : int
        Of the random choice.
    opener : callable, optional
        Opens an address as a `Stored`.

    Raises
    ------
    NotFound
        If the name is not in the catalogue.
    BadRequest
        If a limit is not above zero, or there is no such channel.

    Examples
    --------
    >>> probe("lee14").status  # the printed row is blank
    'skipped'
    """
    if samples < 1 or timeout <= 0 or max_bytes < 1:
        raise BadRequest(f"samples={samples}, timeout={timeout}, max_bytes={max_bytes}", "each must be above zero")
    urls, declared = _asked(name_or_url, channel)
    if voxel_size is not None:
        z, y, x = map(float, voxel_size)
        declared = replace(declared or Dataset(name_or_url, "", "image"), voxel_size=(z, y, x))
    found = Probe(name_or_url, "", "skipped", "No address is known.")
    for url in urls:
        until = time.monotonic() + timeout / len(urls)
        rng = np.random.default_rng(seed)
        found = _run(name_or_url, _Look(url, declared, level, samples, max_bytes, until, rng, opener))
        if found.status not in ("dead", "skipped"):
            break
    return found


def _asked(name_or_url: str, channel: str | None) -> tuple[list[str], Dataset | None]:
    """Return the addresses to try, and what was declared of what is there."""
    if name_or_url not in catalogue() and ("://" in name_or_url or Path(name_or_url).exists()):
        return [name_or_url], None
    row = dataset(name_or_url)
    # The row that describes what is at the address today. Copies were cropped and padded, so the original's shape says
    # nothing about them; its voxel size does.
    today = dataset(row.today) if row.today else row
    names = today.channel_names or row.channel_names
    if channel is not None and channel not in names:
        raise BadRequest(f"{row.name} has no channel {channel!r}", f"its channels are {', '.join(names)}", "pick one")
    urls = [u.replace("{channel}", channel or names[0]) if "{channel}" in u else u for u in row.urls]
    return urls, replace(today, voxel_size=today.voxel_size or row.voxel_size)


def _run(name: str, look: _Look) -> Probe:
    """Look in a thread that is left behind if it takes too long; whatever it had found is reported."""
    start = time.monotonic()
    thread = threading.Thread(target=_guarded, args=(look,), name="ndlab-probe", daemon=True)
    thread.start()
    thread.join(look.left + 0.5)
    seconds = time.monotonic() - start
    status, detail = look.verdict or _late(look, seconds)
    return Probe(name, look.url, status, detail, tuple(look.levels), seconds)


def _late(look: _Look, seconds: float) -> tuple[Status, str]:
    if not any(v.answered for v in look.levels):
        return "dead", f"No answer within {seconds:.1f} s."
    status, detail = judge(look.levels, look.declared)
    return status, f"{detail} The rest did not come in time."


def _guarded(look: _Look) -> None:
    try:
        look.verdict = _verdict(look)
    except (Unsupported, BadRequest) as error:
        look.verdict = "skipped", _line(error)
    except BadMetadata as error:
        look.verdict = "mismatch", _line(error)
    except Exception as error:  # Whatever a server sends, the caller asked for a verdict.
        look.verdict = "dead", _line(error)


def _verdict(look: _Look) -> tuple[Status, str]:
    row = look.declared
    if row is not None and (row.kind not in ("image", "labels") or row.format not in _VOXELS):
        return _there(look.url, row.format, look.left)
    stored = look.opener(look.url)
    look.levels += [LevelProbe(i, v.array.shape, _voxel_size(v)) for i, v in enumerate(stored.levels)]
    chosen = range(len(stored.levels)) if look.level is None else [look.level]
    if look.level is not None and not 0 <= look.level < len(stored.levels):
        raise BadRequest(f"level {look.level} of {look.url}", f"it has levels 0 to {len(stored.levels) - 1}")
    budget = look.max_bytes
    for done, i in enumerate(chosen):
        look.levels[i] = _sampled(look.levels[i], stored.levels[i].array, look, budget // (len(chosen) - done))
        budget -= look.levels[i].nbytes
    return judge(look.levels, row)


def _there(url: str, form: str, wait: float) -> tuple[Status, str]:
    """Ask whether a file, or the `info` of a folder, is there, without fetching it."""
    url = url + "/info" if form.startswith("precomputed") else url
    for scheme, web in (("s3://", "https://{}.s3.amazonaws.com/{}"), ("gs://", "https://storage.googleapis.com/{}/{}")):
        if url.startswith(scheme):
            url = web.format(*url.removeprefix(scheme).split("/", 1))
    if not url.startswith(("http://", "https://")) or url.endswith("/"):
        return "skipped", f"{form or 'What is there'} cannot be asked for at such an address."
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=wait) as answer:
        size = answer.headers.get("Content-Length")
    return "ok", f"It is there, {size or 'an unknown number of'} bytes; the contents were not read."


def _voxel_size(level: Level) -> tuple[float, float, float] | None:
    return None if level.calibration is None else level.calibration.voxel_size


def _sampled(found: LevelProbe, array: Array, look: _Look, budget: int) -> LevelProbe:
    chunk = tuple(min(c, n) for c, n in zip(array.chunks, array.shape, strict=True))
    each = int(np.prod(chunk, dtype=np.int64)) * array.dtype.itemsize
    if each > budget:
        return replace(found, error=f"a chunk of {each / 1e6:.3g} MB is over the limit of {budget / 1e6:.3g} MB")
    starts = _starts(array.shape, chunk, min(look.samples, budget // each), look.rng)
    boxes = [(s, tuple(min(a + c, n) for a, c, n in zip(s, chunk, array.shape, strict=True))) for s in starts]
    # All are asked for before any is waited for: a probe of a distant server costs one latency a level.
    for answer in [_request(array, start, stop) for start, stop in boxes]:
        try:
            found = _with_values(found, answer(look.left))
        except TimeoutError:
            return replace(found, error=found.error or LATE)
        except Exception as error:
            found = replace(found, asked=found.asked + 1)
            if "NOT_FOUND" in str(error):
                found = replace(found, absent=found.absent + 1)
            else:
                found = replace(found, failed=found.failed + 1, error=found.error or _line(error))
    return found


def _starts(shape: Sequence[int], chunk: Sequence[int], count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """First voxels of up to `count` different chunks: the middle one, then random ones."""
    grid = [-(-n // c) for n, c in zip(shape, chunk, strict=True)]
    picked = {tuple(n // 2 for n in grid): None}
    while len(picked) < min(count, int(np.prod(grid, dtype=object))):
        picked[tuple(int(rng.integers(n)) for n in grid)] = None
    return [tuple(i * c for i, c in zip(index, chunk, strict=True)) for index in picked]


def _request(array: Array, start: tuple[int, ...], stop: tuple[int, ...]) -> Callable[[float], np.ndarray[Any, Any]]:
    """Ask for a box now; the answer is a call that waits for it. Absent chunks raise instead of reading as zero."""
    if not isinstance(array, TensorStoreArray):
        return lambda _: array.read(start, stop)
    strict = replace(array, extra=json.dumps(json.loads(array.extra) | {"fill_missing_data_reads": False})).store
    future = strict[tuple(map(slice, start, stop))].read(order="C")
    return lambda wait: np.asarray(future.result(timeout=wait))


def _with_values(found: LevelProbe, values: np.ndarray[Any, Any]) -> LevelProbe:
    numbers = values[values == values]  # without NaN
    same = numbers.size == 0 or bool(numbers.size == values.size and (numbers == numbers[0]).all())
    lows, highs = [[v] if v is not None else [] for v in (found.low, found.high)]
    if numbers.size:
        lows, highs = [*lows, float(numbers.min())], [*highs, float(numbers.max())]
    return replace(
        found,
        asked=found.asked + 1,
        constant=found.constant + same,
        low=min(lows, default=None),
        high=max(highs, default=None),
        nbytes=found.nbytes + values.nbytes,
    )


def _line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return (text or type(error).__name__)[:300]
