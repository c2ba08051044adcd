"""How a Run goes: what is left handed to threads or a cluster, outcomes to the record, totals to whoever looks on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ndlab.pipeline import failures
from ndlab.pipeline.accounts import receipts, warn_of_edits
from ndlab.pipeline.engine import Engine, Grouping
from ndlab.pipeline.held import HeldTree
from ndlab.pipeline.hold import claim
from ndlab.pipeline.onlookers import announce
from ndlab.pipeline.receipt import RECEIPT, Receipt
from ndlab.pipeline.record import Record
from ndlab.pipeline.reduce import Combine, Tree
from ndlab.pipeline.runners import Cluster, Lost, Runner, Threads, current_client
from ndlab.pipeline.tasks import Tasks
from ndlab.pipeline.watching import Watched
from ndlab.pipeline.work import Work

if TYPE_CHECKING:
    from ndlab.pipeline.run import Run

__all__ = ["Course"]


class Course:
    """One Run being done, as often as it is started.

    Attributes
    ----------
    watched : Watched
        Its running totals.
    """

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self._engine: Engine | None = None
        self._stopped = False

    def stop(self) -> None:
        """End after the blocks under way; may be called from any thread, and before it has begun."""
        self._stopped = True
        if self._engine is not None:
            self._engine.stop()

    def carry_out(self, run: Run, record: Record, reduction: tuple[Combine, int, Tree] | None) -> Receipt:
        """Do what `record` does not show as done, and leave the receipt; `reduction` takes the values meanwhile.

        Raises
        ------
        RunFailed, Conflict
            As `Run.run`.
        """
        step, tasks = run.step, Tasks(run.blocks, run.t, run.c)
        name, output = step.name, step.output
        digest = step.fingerprint if reduction is None else run.fingerprint
        # The record of a remote store stays where it is when the store is deleted, and knows nothing of its successor.
        left = output is not None and record.knows(name) and output.unwritten
        if run.restart or record.scratch or left:
            record.forget()
        record.begin(name, digest, tasks=tasks, code=step.code)
        if reduction is not None:
            record.prune(name, tasks, reduction[2])
        warn_of_edits(name, record)
        watched = self.watched
        watched.total = len(tasks)
        before = record.done(name).among(tasks)
        work = Work(
            step, tasks if tasks.regular else None, len(tasks), run.retries, failures.ENOUGH,
            *(reduction[:2] if reduction is not None else ()),
        )  # fmt: skip
        with ExitStack() as stack:
            if output is not None:
                stack.enter_context(claim(record.path.parent / "claims", output.claims, f"step {name!r}"))
            announce(run)
            watched.start(before.copy())
            runner = _runner(run, work, reduction is not None and reduction[2].held)
            watched.dashboard = getattr(_client(run), "dashboard_link", None) or ""
            make = receipts(run, watched, record, digest, runner.words)
            # Beside a record that is this Run's alone, and stays.
            kept = output is not None or isinstance(run.record, str | os.PathLike)
            phase = "failed"
            try:
                if output is not None:
                    output.begin()
                if kept:
                    make("running").write(record.path.with_suffix(RECEIPT))
                self._drive(run, runner, tasks, before.zeros(len(tasks)), record, reduction and reduction[2])
                phase = "done" if watched.done == len(tasks) else "failed" if watched.failed else "stopped"
            finally:
                watched.finish(phase)
                self._engine, self._stopped = None, False
                run.receipt = make(phase)
                if output is not None:
                    self._finish(run, output, phase == "done")
                if kept:
                    run.receipt.write(record.path.with_suffix(RECEIPT))
        if phase != "done":
            raise failures.run_failed(watched, record)
        return run.receipt

    def reduce(self, run: Run, record: Record, combine: Combine, fan_in: int) -> Any:
        """Do the same and return what the blocks returned, combined.

        On a cluster values stay on the workers, unless a record that outlives the Run wants them.
        """
        client, total = _client(run), len(run)
        tree: Tree = (
            HeldTree(total, combine, fan_in, client)
            if client and record.scratch
            else Tree(total, combine, fan_in, record.values.keep, record.values.load)
        )
        receipt = self.carry_out(run, record, (combine, fan_in, tree))
        try:
            return tree.result()
        except Lost as lost:
            raise failures.lost(self.watched, record, receipt.runner, lost) from None

    def _finish(self, run: Run, output: Any, done: bool) -> None:
        """Have the output note how it ended; where it does not answer, that is not to hide why the Run failed."""
        try:
            output.finish(done, workers=run.workers, client=run.client, progress=run.progress)
        except OSError as error:
            if done:
                raise
            self.watched.notes.append(f"the output was not told that the run ended: {error}")

    def _drive(
        self, run: Run, runner: Runner, tasks: Tasks, numbers: Iterator[int], record: Record, tree: Tree | None
    ) -> None:
        watched, name = self.watched, run.step.name
        for node, value in record.nodes(name, tree) if tree is not None else ():
            tree.add(node, value)  # type: ignore[union-attr]
        engine = self._engine = Engine(runner, tasks, numbers, len(tasks) - watched.done, Grouping(run.group))
        if self._stopped:
            engine.stop()
        try:
            for report in engine.reports(watched.began, lambda: len(watched.failed) >= failures.ENOUGH):
                record.add_report(name, report, tasks, nodes=tree is not None and not tree.held)
                for node, value in report.nodes if tree is not None else ():
                    tree.add(node, value)  # type: ignore[union-attr]
                watched.ended(report, tasks.key)
                if run.progress is not None and (report.numbers or report.failed):
                    run.progress(watched.progress())
        except Lost as lost:
            raise failures.lost(watched, record, runner.words, lost) from None


def _client(run: Run) -> Any:
    return current_client() if run.client is None and run.workers is None else run.client


def _runner(run: Run, work: Work, hold: bool) -> Runner:
    client = _client(run)
    return Cluster(work, client, hold) if client else Threads(work, run.workers or os.cpu_count() or 1)
