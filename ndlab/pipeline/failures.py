"""What is said when a Run does not end well: which blocks, why, and what to type next."""

from __future__ import annotations

from ndlab.errors import RunFailed
from ndlab.pipeline.record import Record
from ndlab.pipeline.watching import Watched

__all__ = ["ENOUGH", "lost", "run_failed"]

# So many failed blocks say that the rest is not worth trying.
ENOUGH = 8


def run_failed(watched: Watched, record: Record) -> RunFailed:
    """Return the error of a Run with failed blocks, or of one that was stopped."""
    step, counts = watched.step, {"done": watched.done, "total": watched.total}
    if not watched.failed:
        return RunFailed(
            f"step {step!r} was stopped: {watched.done} of {watched.total} blocks are done", "", _again(record),
            failed={}, stopped=True, **counts,
        )  # fmt: skip
    first, trace = next(iter(watched.failed.items()))
    names = ", ".join(list(watched.failed)[:ENOUGH])
    stopped = f"; stopped after {ENOUGH} failures" if len(watched.failed) >= ENOUGH else ""
    return RunFailed(
        f"step {step!r}: {len(watched.failed)} of {watched.total} blocks failed, {watched.done} are done{stopped}",
        f"failed blocks (z, y, x): {names}\nfirst failure, block {first}:\n{trace.rstrip()}\n",
        f"mend the cause and {_again(record)}",
        failed=dict(watched.failed), stopped=False, **counts,
    )  # fmt: skip


def lost(watched: Watched, record: Record, runner: str, why: Exception) -> RunFailed:
    """Return the error of a Run whose cluster is gone."""
    return RunFailed(
        f"step {watched.step!r} lost its cluster ({runner}): {why}",
        f"{watched.done} of {watched.total} blocks are done; those under way are not counted",
        f"start a cluster, or pass client=False for threads, and {_again(record)}",
        failed=dict(watched.failed), stopped=False, done=watched.done, total=watched.total,
    )  # fmt: skip


def _again(record: Record) -> str:
    return "run it again" if record.scratch else f"run it again to resume ({record.path} keeps what is done)"
