"""What kernel and page tell each other about a Run: small JSON, and blocks as bytes.

widgets/src/run/wire.ts is the other half; widgets/test/wire.json is read by the tests of both.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import numpy as np

__all__ = [
    "Facts",
    "FailureText",
    "Failures",
    "GridFacts",
    "Patch",
    "Phase",
    "PreviewFacts",
    "States",
    "Status",
    "Tick",
    "pack_states",
    "pack_tick",
]

Phase = Literal["ready", "running", "stopping", "stopped", "failed", "done", "elsewhere"]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class GridFacts(TypedDict):
    """Where blocks lie: cut at multiples of `block`; `first` is the grid position of the first. In (z, y, x)."""

    counts: list[int]
    block: list[int]
    start: list[int]
    stop: list[int]
    first: list[int]
    level: int
    lead: list[str]
    voxel_size: list[float] | None


class PreviewFacts(TypedDict):
    """A plane of the output: pixels, and how many times as high as wide each is."""

    height: int
    width: int
    aspect: float
    label: str


class Facts(TypedDict):
    """What does not change while a Run runs; `inputs` and `params` are pairs of name and text.

    `code` takes it up again in another kernel; `resumable` says that what is done is kept for that; `startable` that
    this kernel has what it takes to do more.
    """

    v: Literal[1]
    step: str
    total: int
    inputs: list[list[str]]
    params: list[list[str]]
    output: str | None
    estimate: str
    grid: GridFacts | None
    preview: PreviewFacts | None
    code: str | None
    resumable: bool
    startable: bool


class Status(TypedDict):
    """How far a Run is; `rate` in blocks per second, `seconds` and `left` in seconds.

    `receipt` is what it left, in words, once it has ended.
    """

    phase: Phase
    done: int
    failed: int
    running: int
    skipped: int
    retried: int
    seconds: float
    rate: float | None
    left: float | None
    where: str
    dashboard: str | None
    message: str | None
    receipt: str | None


class States(TypedDict):
    """Kernel to page, with one buffer: a state for each block."""

    t: Literal["states"]
    status: Status


class Tick(TypedDict):
    """Kernel to page, with two buffers: numbers of blocks that changed (uint32), and their states."""

    t: Literal["tick"]
    status: Status


class Patch(TypedDict):
    """Kernel to page, with one buffer: grey (1 byte a pixel) or colour (3) for a piece of the preview."""

    t: Literal["patch"]
    y: int
    x: int
    h: int
    w: int


class FailureText(TypedDict):
    """A block and its worker's traceback."""

    key: str
    error: str


class Failures(TypedDict):
    """Kernel to page: the first failures, and how many there are beyond them."""

    t: Literal["failures"]
    failures: list[FailureText]
    more: int


def pack_states(blocks: Bytes) -> bytes:
    """`blocks` as bytes, one each.

    Examples
    --------
    >>> pack_states(np.array([0, 3, 4], np.uint8)).hex()
    '000304'
    """
    return blocks.astype(np.uint8, copy=False).tobytes()


def pack_tick(before: Bytes, after: Bytes) -> list[bytes]:
    """Numbers of the blocks whose state differs, little-endian uint32, and what it is now.

    Examples
    --------
    >>> [part.hex() for part in pack_tick(np.array([0, 2, 2], np.uint8), np.array([0, 3, 2], np.uint8))]
    ['01000000', '03']
    """
    changed = np.flatnonzero(before != after)
    return [changed.astype("<u4").tobytes(), after[changed].astype(np.uint8).tobytes()]
