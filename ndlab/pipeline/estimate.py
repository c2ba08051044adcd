"""What a Run will cost before it starts: blocks, memory, disk, voxels read twice. Refuses what would not fit."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ndlab.errors import TooLarge
from ndlab.geometry import Int3
from ndlab.pipeline.tasks import Tiling

__all__ = ["Estimate", "Room", "available_memory", "choose_block", "free_disk", "read_factor", "room", "task_bytes"]

LEAST_VOXELS, MOST_VOXELS = 1 << 24, 1 << 26


def choose_block(shape: Sequence[int], unit: Sequence[int], workers: int, most: int = MOST_VOXELS) -> Int3:
    """Choose a block of whole units of writing: 16 to 64 Mvoxel, and four for each worker where there are so many.

    Smaller blocks cost more than they hold (a task on a cluster costs milliseconds, overlap is read twice), larger ones
    memory. A unit larger than that is a block by itself.

    Examples
    --------
    >>> choose_block((4096, 4096, 4096), (64, 64, 64), 16)
    (256, 512, 512)
    >>> choose_block((1024, 512, 512), (64, 64, 64), 8)
    (256, 256, 256)
    """
    target = min(most, max(LEAST_VOXELS, math.prod(shape) // (4 * max(1, workers))))
    block = [int(u) for u in unit]
    while math.prod(block) * 2 <= target:
        room = [i for i in range(3) if block[i] < shape[i]]
        if not room:
            break
        # The last of the shortest: x before y before z keeps blocks wide where storage is contiguous.
        axis = min(room, key=lambda i: (block[i], -i))
        block[axis] *= 2
    return block[0], block[1], block[2]


def read_factor(tiling: Tiling, overlap: Sequence[int], within: Sequence[int], chunk: Sequence[int]) -> float:
    """Return how many voxels are decoded for each voxel of the box: overlap, and chunks that are needed in part.

    Examples
    --------
    >>> from ndlab.geometry import Box
    >>> read_factor(Tiling(Box((0, 0, 0), (8, 8, 8)), (4, 8, 8)), (1, 0, 0), (8, 8, 8), (1, 1, 1))
    1.25
    """
    factor = 1.0
    for axis in range(3):
        a, b, k = tiling.box.start[axis], tiling.box.stop[axis], tiling.block[axis]
        if a == b:
            return 1.0
        total, position = 0, a
        while position < b:
            end = min(b, (position // k + 1) * k)
            low, high = max(0, position - overlap[axis]), min(within[axis], end + overlap[axis])
            c = chunk[axis]
            total += min(within[axis], -(-high // c) * c) - low // c * c
            position = end
        factor *= total / (b - a)
    return factor


@dataclass(frozen=True)
class Room:
    """What there is to work in: tasks at a time on one machine, the bytes they share, and where."""

    tasks: int
    nbytes: int | None
    words: str


def room(workers: int | None, client: Any) -> Room:
    """Return what the threads of this process, or the smallest worker of a cluster, have."""
    if not client:
        return Room(workers or os.cpu_count() or 1, available_memory(), "this machine")
    found = [
        Room(worker["nthreads"], worker.get("memory_limit") or None, f"worker {address}")
        for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()
    ]
    return min(found, key=lambda one: (one.nbytes or math.inf) / one.tasks, default=Room(1, None, "the cluster"))


def available_memory() -> int | None:
    """Return how many bytes can be taken without pushing others out, None where the system does not say."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):
        return free
    return free if limit == "max" else min(free, int(limit) - used)


@dataclass(frozen=True)
class Estimate:
    """What a Run over blocks will take.

    Attributes
    ----------
    blocks : int
        How many, at all time points and channels.
    block, overlap : tuple of 3 int
        (z, y, x) [voxels].
    task_bytes : int
        Memory of one task: what it reads, what the function returns and as much again for its work, and the piece
        being written [bytes].
    tasks : int
        At a time on one machine.
    read_bytes, write_bytes : int
        Decoded from the inputs, and written before compression, altogether [bytes].
    read_factor : float
        Voxels decoded for each voxel of the volume: overlap and partly needed chunks.
    room : Room
        What there is.
    free_disk : int or None
        Where the output goes, None where it is not a local disk.
    """

    step: str
    blocks: int
    block: Int3
    overlap: Int3
    task_bytes: int
    tasks: int
    read_bytes: int
    write_bytes: int
    read_factor: float
    room: Room
    free_disk: int | None = None

    @property
    def total_bytes(self) -> int:
        """Memory of all tasks at a time on one machine."""
        return self.task_bytes * self.tasks

    def __str__(self) -> str:
        side = "x".join(map(str, self.block))
        margin = f", overlap {'x'.join(map(str, self.overlap))}" if any(self.overlap) else ""
        parts = [
            f"{self.step}: {self.blocks} blocks of {side} voxels (z, y, x){margin}",
            f"memory {_si(self.task_bytes)} a task, {_si(self.total_bytes)} for {self.tasks} at a time"
            + (f" of {_si(self.room.nbytes)} on {self.room.words}" if self.room.nbytes else ""),
            f"reads {_si(self.read_bytes)} ({self.read_factor:.2f}x)",
        ]
        if self.write_bytes:
            free = f" ({_si(self.free_disk)} free)" if self.free_disk is not None else ""
            parts.append(f"writes {_si(self.write_bytes)} before compression{free}")
        return "; ".join(parts)

    __repr__ = __str__

    def check(self, compressed: float = 1.0) -> None:
        """Refuse what would not fit.

        Parameters
        ----------
        compressed : float
            Bytes on disk for each byte written, as far as that can be known before.

        Raises
        ------
        TooLarge
            With the numbers and what to change.
        """
        limit = self.room.nbytes
        if limit is not None and self.total_bytes > limit:
            fits = int(limit // max(1, self.task_bytes))
            smaller = "x".join(str(max(1, b // 2)) for b in self.block)
            fewer = f"pass workers={fits}, or " if fits else ""
            raise TooLarge(
                f"step {self.step!r} needs {_si(self.total_bytes)} for {self.tasks} tasks of {_si(self.task_bytes)}",
                f"{_si(limit)} of memory are free on {self.room.words}",
                f"{fewer}pass a smaller block=, e.g. {smaller} (whole shards are written at once), "
                "or give the output smaller shards",
                nbytes=self.total_bytes, limit=limit,
            )  # fmt: skip
        if self.free_disk is not None and self.write_bytes * compressed > self.free_disk:
            raise TooLarge(
                f"step {self.step!r} writes {_si(int(self.write_bytes * compressed))}",
                f"{_si(self.free_disk)} are free there",
                "free some space, write elsewhere, or work on a coarser level",
                nbytes=int(self.write_bytes * compressed), limit=self.free_disk,
            )  # fmt: skip


def free_disk(url: str) -> int | None:
    """Return the bytes free where a local output is or will be, None elsewhere."""
    if "://" in url or not url:
        return None
    path = Path(url).absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _si(nbytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.3g} {unit}" if unit != "B" else f"{nbytes:.0f} B"
        nbytes /= 1000
    return f"{nbytes:.3g} TB"


def task_bytes(
    block: Sequence[int], overlap: Sequence[int], inputs: Mapping[str, int], output: int, scratch: float | None
) -> int:
    """Return the memory of one task: inputs and result over the grown block, the function's own, and what is written.

    Parameters
    ----------
    inputs : mapping
        Bytes a voxel of each input.
    output : int
        Bytes a voxel of what the function returns; 0 if it is no array.
    scratch : float, optional
        Bytes a voxel that the function needs for itself; as much as inputs and result unless said.
    """
    grown = math.prod(b + 2 * m for b, m in zip(block, overlap, strict=True))
    own = sum(inputs.values()) + output
    return int(grown * (own + (own if scratch is None else scratch)) + math.prod(block) * output)
