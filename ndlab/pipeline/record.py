"""The record of a Run: one short line for each finished block, safe against ``kill -9`` and power loss."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ndlab.errors import Conflict
from ndlab.pipeline.done import Done
from ndlab.pipeline.hold import hold
from ndlab.pipeline.lines import StepLines, boot, cut_torn_line, last_flush, line_bytes, read_lines
from ndlab.pipeline.outcome import Outcome
from ndlab.pipeline.reduce import Node, Tree
from ndlab.pipeline.tasks import Tasks
from ndlab.pipeline.values import Values, write_all
from ndlab.pipeline.work import Report

__all__ = ["Outcome", "Record"]

_GROUP_SECONDS = 5.0


class Record:
    """An append-only file of outcomes that one Run at a time may hold.

    Lines reach the file at once, so they survive the death of the process; every few seconds `flush_data` is called
    and the file is flushed to disk, in this order, so that after a power cut a line that counts never speaks
    of voxels that were lost. A torn last line, which only an interrupted write can leave, is cut off. Arrays that
    blocks returned stand in a file beside it. Blocks that follow a rule (a Grid) are noted by number: 10^6 of
    them are about 30 MB on disk, 1 MB in memory, and read in a second or two.

    Parameters
    ----------
    path : path-like
        A local file; its folder is made.
    flush_data : callable, optional
        Brings the blocks' own output to disk.
    scratch : bool
        For this process only: nothing is flushed, and results may be any object.

    Raises
    ------
    Conflict
        If another Run, in this process or another, holds the record. The hold ends with its process.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Record(folder + "/run.jsonl") as record:
    ...     record.begin("double", "fingerprint")
    ...     record.add("double", Outcome("0:1,0:1,0:1", "done", result=2))
    ...     sorted(record.done("double")), [o.result for o in record.outcomes("double")]
    (['0:1,0:1,0:1'], [2])
    """

    def __init__(
        self, path: str | os.PathLike[str], flush_data: Callable[[], None] | None = None, *, scratch: bool = False
    ) -> None:
        self.path = Path(path)
        self._flush_data = flush_data or (lambda: None)
        self.scratch = scratch
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = hold(self.path)
        self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 - closed by close()
        self.values = Values(self.path.with_suffix(".values"), trusted=scratch)
        self._steps: dict[str, StepLines] = {}
        self._at = ""
        self._workers: dict[str, int] = {}
        self._last_sync = time.monotonic()
        try:
            self._load()
        except BaseException:
            self._file.close()
            os.close(self._lock)
            raise

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what is known ----------------------------------------------------------------------------------------

    def begin(
        self,
        step: str,
        fingerprint: str,
        *,
        restart: bool = False,
        tasks: Tasks | None = None,
        code: str | None = None,
    ) -> None:
        """Start or continue `step`; what was recorded under another fingerprint is in the way.

        With `restart`, the whole record is emptied instead: for steps whose output may be written over.

        Parameters
        ----------
        tasks : Tasks, optional
            What the numbers of the lines to come mean.
        code : str, optional
            Digest of the function's source; those seen so far are in `codes`.

        Raises
        ------
        Conflict
            If the record holds results of the step with other parameters.
        """
        known = self._steps.get(step)
        if known is not None and known.fingerprint != fingerprint:
            if not restart:
                raise Conflict(
                    f"step {step!r} was started with other parameters than {self.path} records",
                    f"{len(known.done)} of its blocks are done with the earlier ones",
                    "use the earlier parameters to resume, or start over with overwrite=True",
                    record=str(self.path),
                )
            self.forget()
            known = None
        basis = None if tasks is None else tasks.basis()
        if known is None:
            known = self._steps[step] = StepLines(fingerprint)
        elif basis in (None, known.basis) and code in (None, *known.codes[-1:]):
            return
        header: dict[str, Any] = {"step": step, "fingerprint": fingerprint, "boot": boot()}
        if basis is not None:
            header["basis"] = basis
            known.rebase(basis)
        if code is not None:
            header["code"] = code
            known.add_code(code)
        self._at = step
        self._append(line_bytes(header))

    def done(self, step: str) -> Done:
        """Keys of the blocks of `step` that are done: a set that costs a byte a block."""
        return self._step(step).done

    def knows(self, step: str) -> bool:
        """Whether anything of `step` was recorded."""
        return step in self._steps

    def codes(self, step: str) -> list[str]:
        """Digests of the source that the step's function had, in order."""
        return self._step(step).codes

    def basis(self, step: str) -> dict[str, Any] | None:
        """Return the rule of the blocks that are noted by number, as `Tasks.basis` gives it."""
        return self._step(step).basis

    def prune(self, step: str, tasks: Tasks, tree: Tree) -> None:
        """Let a reduction's blocks count as done only with their value, and values only with all their blocks."""
        self._step(step).prune(tasks, tree)

    def nodes(self, step: str, tree: Tree) -> Iterator[tuple[Node, Any]]:
        """Yield the values of a reduction so far, leaves of low number first; read as they come."""
        found = self._step(step).nodes
        for node in sorted(found, key=lambda node: tree.leaves(node).start):
            yield node, self.values.decode(found[node])

    def outcomes(self, step: str) -> Iterator[Outcome]:
        """Yield the outcome of each block of `step` that is done, in the order of the file."""
        yield from self._step(step).outcomes(step, read_lines(self.path), self.values.decode)

    # --- adding to it -----------------------------------------------------------------------------------------

    def add(self, step: str, outcome: Outcome) -> None:
        """Append one outcome."""
        fields: dict[str, Any] = {"b": outcome.key, "s": round(outcome.seconds, 4)}
        if outcome.worker:
            fields["w"] = self._worker(outcome.worker)
        if outcome.attempts > 1:
            fields["a"] = outcome.attempts
        if outcome.state == "done":
            if outcome.result is not None:
                fields["r"] = self.values.encode(outcome.result)
            self._step(step).done.add_key(outcome.key)
        else:
            fields |= {"state": outcome.state, "error": outcome.error}
        self._append(self._switch(step) + line_bytes(fields))
        self._sync_sometimes()

    def add_report(self, step: str, report: Report, tasks: Tasks, nodes: bool = False) -> None:
        """Append the outcome of a group: a line a block, in one write.

        With `nodes`, what the group reduced to is part of it; its lines come first, because a value counts once all
        its blocks do.
        """
        known = self._step(step)
        numbered = known.basis is not None and tasks.regular
        lines = [self._switch(step)]
        for node, value in report.nodes if nodes else ():
            known.nodes[node] = encoded = self.values.encode(value)
            lines.append(line_bytes({"node": list(node), "v": encoded}))
        worker = self._worker(report.worker)
        for at, (number, seconds) in enumerate(zip(report.numbers, report.seconds, strict=True)):
            name = f'"n":{number}' if numbered else f'"b":"{tasks.key(number)}"'
            more = f',"a":{report.attempts[number]}' if number in report.attempts else ""
            result = None if report.results is None else report.results[at]
            if result is not None:
                more += f',"r":{line_bytes(self.values.encode(result))[:-1].decode()}'
            lines.append(f'{{{name},"s":{seconds:.4g},"w":{worker}{more}}}\n'.encode())
        for number, failure in report.failed.items():
            fields = {"b": tasks.key(number), "s": round(failure.seconds, 4), "w": worker, "a": failure.attempts}
            lines.append(line_bytes(fields | {"state": "failed", "error": failure.error}))
        self._append(b"".join(lines))
        known.done.add_numbers(report.numbers, tasks if not numbered else None)
        self._sync_sometimes()

    def forget(self) -> None:
        """Empty the record: all is done, and the next run starts anew."""
        self._flush_data()
        self._file.truncate(0)
        self.values.clear()
        os.fsync(self._file.fileno())
        self._steps.clear()
        self._workers.clear()
        self._at = ""

    def sync(self) -> None:
        """Bring the blocks' output and then the record to disk."""
        self._last_sync = time.monotonic()
        if self.scratch:
            return
        self._flush_data()
        self.values.sync()
        self._append(line_bytes({"synced": boot()}))
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and let go of the record."""
        if self._file.closed:
            return
        try:
            self.sync()
        finally:
            self._file.close()
            self.values.close()
            os.close(self._lock)

    # --- the file ---------------------------------------------------------------------------------------------

    def _step(self, step: str) -> StepLines:
        return self._steps.setdefault(step, StepLines(""))

    def _switch(self, step: str) -> bytes:
        """Return the line that says which step the next ones belong to, where that changes."""
        if step == self._at:
            return b""
        self._at = step
        return line_bytes({"step": step})

    def _worker(self, name: str) -> int:
        if name not in self._workers:
            self._workers[name] = len(self._workers)
            self._append(line_bytes({"worker": self._workers[name], "name": name}))
        return self._workers[name]

    def _sync_sometimes(self) -> None:
        if time.monotonic() - self._last_sync > _GROUP_SECONDS:
            self.sync()

    def _append(self, data: bytes) -> None:
        size = self._file.seek(0, os.SEEK_END)
        try:
            write_all(self._file, data)
        except OSError:
            self._file.truncate(size)  # A full disk: no half line may stay, or the next one would follow it.
            raise

    def _load(self) -> None:
        cut_torn_line(self._file)
        if self._file.seek(0, os.SEEK_END) == 0:
            return
        when, end = last_flush(self.path)
        # The machine went down since: what was not flushed may be gone, and must not count, now or later.
        if when not in ("", boot()):
            self._file.truncate(end)
            self._append(line_bytes({"synced": boot()}))
        self._steps, self._workers = StepLines.load(read_lines(self.path))
