"""What can be wrong with an ingest besides its source: destination, name, codec, space. Nothing is written here."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.store.codecs import codecs_v2, codecs_v3
from ndlab.store.create import exists
from ndlab.store.kv import Kv, local_path, normal_url
from ndlab.store.state import FOLDER

__all__ = [
    "INGEST_KEY",
    "check_apart",
    "check_codec",
    "check_destination",
    "check_options",
    "check_space",
    "memory_limit",
    "size",
]

INGEST_KEY = f"{FOLDER}/ingest.json"
VERSIONS = ("0.5", "0.4", "precomputed")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def check_destination(dest: str, overwrite: bool, problems: list[str]) -> dict[str, Any] | None:
    """Check name and place of the destination; return what an earlier ingest left there, if one did."""
    try:
        url = normal_url(dest)
    except BadRequest as error:
        problems.append(str(error).rstrip("."))
        return None
    name = url.rstrip("/").rpartition("/")[2]
    if not _NAME.fullmatch(name) or len(name.encode()) > 200:
        problems.append(
            f"destination name {name!r}: a name begins with a letter or digit and holds letters, digits, . _ + - only "
            "(at most 200), so that it is the same in a URL, on a file system and in a bucket"
        )
    if url.startswith(("http://", "https://")) or name.lower().endswith((".zip", ".ozx")):
        problems.append(f"destination {url} is read-only: write to a local folder, s3:// or gs://")
        return None
    earlier = Kv(url).read_json(INGEST_KEY)
    if earlier is None and not (overwrite and exists(url)):
        problems.extend(_in_the_way(url))
    return earlier


def _in_the_way(url: str) -> list[str]:
    if exists(url):
        return [f"a store is at {url} already: choose another destination, or pass overwrite=True"]
    path = local_path(url)
    if path is None:
        return []
    if path.exists() and not path.is_dir():
        return [f"{url} is a file: choose another destination"]
    if path.is_dir() and any(entry != FOLDER for entry in os.listdir(path)):
        return [f"{url} is a folder that holds other things: choose another destination"]
    parent = next(p for p in (path, *path.parents) if p.exists())
    return [] if os.access(parent, os.W_OK) else [f"no permission to write into {parent}"]


def check_apart(source: str, dest: str, problems: list[str]) -> None:
    """Check that the destination is neither the source nor around or inside it."""
    if not source:
        return
    a, b = normal_url(source).rstrip("/") + "/", normal_url(dest).rstrip("/") + "/"
    if a.startswith(b) or b.startswith(a):
        problems.append(f"destination {dest} and source {source} are in one another: choose a destination beside it")


def check_options(
    version: str,
    kind: str | None,
    levels: Any,
    chunks: Sequence[int] | None,
    shards: Sequence[int] | None,
    problems: list[str],
) -> None:
    """Check the values of the plain options."""
    if version not in VERSIONS:
        problems.append(f"version={version!r}: ndlab writes {', '.join(map(repr, VERSIONS))}")
    if kind not in (None, "image", "labels"):
        problems.append(f'kind={kind!r}: it is "image" or "labels"')
    if levels is not None and (not isinstance(levels, int | np.integer) or levels < 1):
        problems.append(f"levels={levels!r}: level 0 always exists, so it is a whole number of at least 1")
    wrong = [
        f"{what}={value!r}: three whole numbers of voxels (z, y, x) are needed"
        for what, value in (("chunks", chunks), ("shards", shards))
        if value is not None and not _three_lengths(value)
    ]
    problems.extend(wrong)
    if wrong:
        return
    if shards is not None and version != "0.5":
        problems.append(f"shards={tuple(shards)}: only version 0.5 (Zarr v3) has shards")
    if shards is not None and chunks is not None and any(s % c for s, c in zip(shards, chunks, strict=True)):
        problems.append(f"shards={tuple(shards)} are not whole numbers of chunks={tuple(chunks)}")
    if shards is not None and chunks is None and any(s & (s - 1) for s in shards):
        problems.append(f"shards={tuple(shards)}: give chunks that divide them, too, or powers of two")


def _three_lengths(value: Any) -> bool:
    try:
        return len(value) == 3 and all(int(v) == v and v >= 1 for v in value)
    except (TypeError, ValueError):
        return False


def check_codec(codec: Any, version: str, problems: list[str]) -> None:
    """Check that the codec is known to the format."""
    if version == "precomputed":
        known = (None, "auto", "zstd", "none", "raw", "jpeg", "png", "compressed_segmentation")
        if codec not in known:
            problems.append(f"codec={codec!r}: precomputed has raw, jpeg, png and compressed_segmentation")
        return
    try:
        if codec != "auto":
            (codecs_v2 if version == "0.4" else codecs_v3)(codec)
    except (NotImplementedError, TypeError, ValueError) as error:
        problems.append(f"codec={codec!r}: {str(error).rstrip('.')}")


def check_space(url: str, needed: int, problems: list[str]) -> None:
    """Check that `needed` bytes are free where a local destination will be."""
    path = local_path(url)
    if path is None:
        return
    parent = next(p for p in (path, *path.parents) if p.exists())
    free = shutil.disk_usage(parent).free
    if needed > free:
        problems.append(f"{url} needs about {size(needed)}, and {size(free)} are free on that disk")


def memory_limit(memory: int | str | None) -> int:
    """Return the bound in bytes: what is asked for, else half of what is free, 1 to 8 GiB.

    Examples
    --------
    >>> memory_limit("1.5 GiB")
    1610612736
    """
    if memory is None:
        return int(min(max(_available() // 2, 1 << 30), 8 << 30))
    if isinstance(memory, int | np.integer):
        return int(memory)
    found = re.fullmatch(r"\s*([\d.]+)\s*([KMGT]?)(i?)B?\s*", str(memory), re.IGNORECASE)
    if not found:
        raise BadRequest(f"{memory!r} is no amount of memory", "it is a number of bytes, or text", 'pass e.g. "2 GiB"')
    base = 1024 if found[3] or not found[2] else 1000
    return int(float(found[1]) * base ** " KMGT".index(found[2].upper() or " "))


def _available() -> int:
    """Free memory of the machine or of its container, whichever is less [bytes]."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")]
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        found += [] if limit == "max" else [max(0, int(limit) - used)]
    except (OSError, ValueError):
        pass
    return min(found)


def size(nbytes: float) -> str:
    """Bytes in words.

    Examples
    --------
    >>> size(3 << 29)
    '1.5 GiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if nbytes < 1024 or unit == "TiB":
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1024
    raise AssertionError
