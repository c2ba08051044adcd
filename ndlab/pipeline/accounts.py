"""What a Run owes to whoever finds its output: its receipt at any moment, and a word about edited functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest
from ndlab.pipeline.receipt import Receipt
from ndlab.pipeline.recipe import recipe_of
from ndlab.pipeline.record import Record
from ndlab.pipeline.step import describe
from ndlab.pipeline.watching import Watched

if TYPE_CHECKING:
    from ndlab.pipeline.run import Run

__all__ = ["receipts", "warn_of_edits"]


def receipts(run: Run, watched: Watched, record: Record, digest: str, runner: str) -> Callable[[str], Receipt]:
    """Return what makes the receipt of a Run for a state, at any moment; inputs are described as they are now."""
    step, started = run.step, datetime.now(UTC).isoformat(timespec="seconds")
    inputs, params = step.described_inputs(), describe(step.params)
    recipe: dict[str, Any] = {}
    with suppress(BadRequest):
        recipe = recipe_of(run)

    def make(state: str) -> Receipt:
        return Receipt(
            step=step.name,
            fingerprint=digest,
            inputs=inputs,
            params=params,
            blocks=watched.total,
            done=watched.done,
            skipped=watched.skipped,
            retried=watched.retried,
            seconds=round(watched.progress().seconds, 3),
            started=started,
            runner=runner,
            state=state,
            failed=dict(watched.failed),
            output="" if step.output is None else str(step.output.url),
            seed=step.seed,
            code=tuple(record.codes(step.name)),
            recipe=recipe,
        )

    return make


def warn_of_edits(step: str, record: Record) -> None:
    """Warn where blocks were done by a function whose source was another."""
    if len(record.codes(step)) > 1 and len(record.done(step)):
        warnings.warn(
            f"the function of step {step!r} was edited since {len(record.done(step))} blocks were done; they are kept "
            "as they are. Run with restart=True to do all again.",
            stacklevel=5,
        )
