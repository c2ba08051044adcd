"""What a probe found, and the verdict on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ndlab.store.catalog.rows import Dataset

__all__ = ["LATE", "LevelProbe", "Probe", "Status", "judge"]

Status = Literal["ok", "constant", "dead", "mismatch", "skipped"]
LATE = "time was up"
_TOLERANCE = 0.01  # of a voxel size: 29.97 for 30 is the same


@dataclass(frozen=True)
class LevelProbe:
    """What was found at one level.

    `asked` chunks were sampled: `absent` of them are not stored, `failed` gave an error (`error` is the first) and
    `constant` hold a single value. `low` and `high` are the extremes of what was read.
    """

    level: int
    shape: tuple[int, ...]
    voxel_size: tuple[float, float, float] | None
    asked: int = 0
    absent: int = 0
    failed: int = 0
    constant: int = 0
    low: float | None = None
    high: float | None = None
    nbytes: int = 0
    error: str = ""

    @property
    def answered(self) -> int:
        """Sampled chunks that came."""
        return self.asked - self.absent - self.failed

    @property
    def blank(self) -> bool:
        """Whether none of the sampled chunks shows anything, and none failed."""
        return self.failed == 0 and self.answered == self.constant


@dataclass(frozen=True)
class Probe:
    """What an address answered.

    Parameters
    ----------
    name, url : str
        The catalogue row (or the address) and the address that was asked.
    status : {"ok", "constant", "dead", "mismatch", "skipped"}
        ``ok``: it answers, with more than one value at every level that was read, as declared. ``constant``: a level
        shows a single value, or nothing is stored of it. ``dead``: nothing answers in time, or not one chunk does.
        ``mismatch``: it answers, but is not what was declared, contradicts itself or has damaged chunks.
        ``skipped``: nothing can be asked; there is no address, or ndlab does not read what is there.
    detail : str
        The same in words, with numbers.
    levels : tuple of LevelProbe
        The levels of the store, read or not.
    seconds : float
        What it took.
    """

    name: str
    url: str
    status: Status
    detail: str
    levels: tuple[LevelProbe, ...] = ()
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the status is ``"ok"``."""
        return self.status == "ok"

    @property
    def nbytes(self) -> int:
        """Bytes that were read, counted decoded."""
        return sum(level.nbytes for level in self.levels)

    def as_dict(self) -> dict[str, Any]:
        """All facts, ready for JSON; voxel sizes in nm."""
        levels = [
            {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(level).items()} for level in self.levels
        ]
        return asdict(self) | {"levels": levels, "ok": self.ok, "nbytes": self.nbytes, "unit": "nm"}

    def __str__(self) -> str:
        return f"{self.name}: {self.status}. {self.detail} ({self.url or 'no address'}, {self.seconds:.1f} s)"


def judge(levels: Sequence[LevelProbe], declared: Dataset | None) -> tuple[Status, str]:
    """Status and words for what was found at the levels of a store.

    An empty level outranks a wrong voxel size: data that are not there are the worse surprise.
    """
    read = [v for v in levels if v.asked]
    off = _mismatches(levels, declared)
    broken = [f"level {v.level}: {v.failed} of {v.asked} sampled chunks failed: {v.error}" for v in read if v.failed]
    unread = [f"level {v.level} was not read: {v.error}" for v in levels if v.error and not v.asked]
    if not read:
        late = any(v.error == LATE for v in levels)
        return "dead" if late else "mismatch" if off else "skipped", _sentence([*off, *unread])
    if not any(v.answered for v in read):
        nothing = "the metadata answers, but not one sampled chunk is stored"
        return "dead", _sentence([*(broken or [nothing]), *off, *unread])
    empty = [_empty(v) for v in read if v.blank]
    asked, came = sum(v.asked for v in read), sum(v.answered for v in read)
    good = f"{came} of {asked} sampled chunks over {len(read)} level(s) are stored, values {_range(read)}"
    status: Status = "constant" if empty else "mismatch" if off or broken else "ok"
    return status, _sentence([*empty, *broken, *off, good, *unread])


def _empty(level: LevelProbe) -> str:
    if not level.answered:
        return f"level {level.level}: none of {level.asked} sampled chunks is stored"
    value = "NaN" if level.low is None else f"{level.low:g}" if level.low == level.high else "a single value each"
    return f"level {level.level}: all {level.answered} stored chunks of {level.asked} sampled are constant ({value})"


def _range(read: Sequence[LevelProbe]) -> str:
    lows, highs = [v.low for v in read if v.low is not None], [v.high for v in read if v.high is not None]
    return f"{min(lows):g} to {max(highs):g}" if lows else "NaN"


def _mismatches(levels: Sequence[LevelProbe], declared: Dataset | None) -> list[str]:
    off, base = [], levels[0]
    size = declared.voxel_size if declared is not None else None
    if size is not None and base.voxel_size is None:
        off.append(f"the store does not say its voxel size, {_by(size)} nm was declared")
    elif size is not None and base.voxel_size is not None and not _near(base.voxel_size, size):
        off.append(f"the voxel size is {_by(base.voxel_size)} nm, {_by(size)} was declared")
    if declared is not None and declared.shape is not None and base.shape[-3:] != declared.shape:
        off.append(f"the shape is {_by(base.shape[-3:])}, {_by(declared.shape)} was declared")
    return off + [f"level {v.level} does not span what level 0 does" for v in levels[1:] if not _spans(base, v)]


def _near(found: Sequence[float], declared: Sequence[float]) -> bool:
    return all(abs(a - b) <= _TOLERANCE * b for a, b in zip(found, declared, strict=True))


def _spans(base: LevelProbe, level: LevelProbe) -> bool:
    """Whether a level covers the extent of level 0 to within one of its own voxels."""
    if base.voxel_size is None or level.voxel_size is None:
        return True
    sizes = zip(base.shape[-3:], base.voxel_size, level.shape[-3:], level.voxel_size, strict=True)
    return all(abs(n * a - m * b) <= b * (1 + _TOLERANCE) for n, a, m, b in sizes)


def _by(values: Sequence[float]) -> str:
    return " × ".join(f"{v:.10g}" for v in values)


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(part.rstrip(".") for part in parts)
    return text[:1].upper() + text[1:] + "." if text else ""
