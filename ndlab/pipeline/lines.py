"""The lines of a record: written short, read fast, and what they say of each step.

A header names a step, the digest of its parameters and, where its blocks follow a rule, that rule: later lines then
name a block by its number. A line of a block that is done is ``{"n": number, "s": seconds, "w": worker}``, with
``a`` attempts and ``r`` result where there is something to say; ``b`` instead of ``n`` gives its box.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ndlab.errors import BadMetadata
from ndlab.pipeline.done import Done
from ndlab.pipeline.outcome import Outcome
from ndlab.pipeline.reduce import Node, Tree
from ndlab.pipeline.tasks import Pages, Tasks

__all__ = [
    "StepLines",
    "Told",
    "boot",
    "cut_torn_line",
    "last_flush",
    "line_bytes",
    "parsed",
    "read_lines",
    "recorded_block",
]

_CHUNK = 1 << 20
_MOST_FAILURES = 1000
_SYNC = b'{"synced":'


class StepLines:
    """What the lines of one step say."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.basis: dict[str, Any] | None = None
        self.done = Done()
        self.codes: list[str] = []
        self.nodes: dict[Node, Any] = {}
        self.failed: dict[str, str] = {}
        self.retried = 0

    def rebase(self, basis: dict[str, Any]) -> None:
        """Take a new rule for the numbers of the lines to come."""
        self.basis = basis
        self.done.rebase(Tasks.from_basis(basis))

    def add_code(self, code: str) -> None:
        """Note a digest of the step's source."""
        if self.codes[-1:] != [code]:
            self.codes.append(code)

    def prune(self, tasks: Tasks, tree: Tree) -> None:
        """Keep the values of a reduction whose blocks are all done, and as done only blocks that have their value.

        Of values for the same blocks (a group that was torn apart and done again) the widest is kept.
        """
        have, covered = self.done.among(tasks), Pages()
        for node in sorted(self.nodes, key=lambda node: -node[0]):
            leaves = tree.leaves(node)
            if all(have[leaf] and not covered[leaf] for leaf in leaves):
                for leaf in leaves:
                    covered[leaf] = 1
            else:
                del self.nodes[node]
        for number in have.nonzero():
            if not covered[number]:
                self.done.discard(tasks.key(number))

    @staticmethod
    def load(lines: Iterator[dict[str, Any]]) -> tuple[dict[str, StepLines], dict[str, int]]:
        """Return what `lines` say of each step, and the numbers of the workers."""
        told = Told()
        told.take(lines)
        return told.steps, told.workers

    def _add_line(self, line: dict[str, Any]) -> None:
        self.retried += line.get("a", 1) - 1
        if "state" not in line:
            self.done.add_key(line["b"])
        elif len(self.failed) < _MOST_FAILURES or line["b"] in self.failed:
            self.failed[line["b"]] = line["error"]

    def _add_header(self, line: dict[str, Any]) -> None:
        if "fingerprint" in line:
            self.fingerprint = line["fingerprint"]
        if "basis" in line:
            self.rebase(line["basis"])
        if "code" in line:
            self.add_code(line["code"])

    def outcomes(self, step: str, lines: Iterator[dict[str, Any]], value: Callable[[Any], Any]) -> Iterator[Outcome]:
        """Yield the outcome of each block that is done, in the order of `lines`."""
        workers: dict[int, str] = {}
        seen, mine, tasks, same = Done(), False, Tasks(()), False
        for line in lines:
            if "worker" in line:
                workers[line["worker"]] = line["name"]
            elif "step" in line:
                mine = line["step"] == step
                if mine and "basis" in line:
                    tasks, same = Tasks.from_basis(line["basis"]), line["basis"] == self.basis
                    seen.rebase(tasks)
            elif mine and ("n" in line or "b" in line) and "state" not in line:
                key = self._key_once(line, tasks, same, seen)
                if key is not None:
                    worker = workers.get(line.get("w", -1), "")
                    yield Outcome(key, "done", line["s"], worker, line.get("a", 1), value(line.get("r")))

    def _key_once(self, line: dict[str, Any], tasks: Tasks, same: bool, seen: Done) -> str | None:
        """Return the key of a line's block if it is done and this is the first line of it."""
        if same and "n" in line:  # Numbers mean what they mean now: no name has to be taken apart.
            number = line["n"]
            if self.done.numbers[number] != 1 or seen.numbers[number]:
                return None
            seen.add_number(number)
            found: str = tasks.key(number)
            return found
        key: str = tasks.key(line["n"]) if "n" in line else line["b"]
        if key not in self.done or key in seen:
            return None
        seen.add_key(key)
        return key


class Told:
    """What the lines of a record say so far: each step, and the numbers of the workers."""

    def __init__(self) -> None:
        self.steps: dict[str, StepLines] = {}
        self.workers: dict[str, int] = {}
        self._now = StepLines("")

    def take(self, lines: Iterator[dict[str, Any]]) -> None:
        """Take in the lines that come next."""
        now = self._now
        for line in lines:
            if (number := line.get("n")) is not None:
                now.done.add_number(number)
                now.retried += line.get("a", 1) - 1
            elif "b" in line:
                now._add_line(line)
            elif "node" in line:
                level, index = line["node"]
                now.nodes[level, index] = line["v"]
            elif "step" in line:
                now = self._now = self.steps.setdefault(line["step"], StepLines(""))
                now._add_header(line)
            elif "worker" in line:
                self.workers[line["name"]] = line["worker"]
        for step in self.steps.values():
            step.failed = {key: error for key, error in step.failed.items() if key not in step.done}


def line_bytes(line: Any) -> bytes:
    """`line` as compact JSON with its newline."""
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every whole line, a mebibyte of them parsed at a time.

    Raises
    ------
    BadMetadata
        If what stands there is not a record.
    """
    rest = b""
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if not newline:
                continue
            yield from parsed(whole, path)


def parsed(whole: bytes, path: Path) -> list[dict[str, Any]]:
    """Return whole lines, the last without its newline, as what they say.

    Raises
    ------
    BadMetadata
        If what stands there is not a record.
    """
    try:
        found: list[dict[str, Any]] = json.loads(b"[" + whole.replace(b"\n", b",") + b"]")
    except ValueError as error:
        raise BadMetadata(
            f"the record {path} is damaged", str(error), "start over with overwrite=True, or remove it"
        ) from None
    return found


def recorded_block(path: Path, step: str) -> tuple[int, int, int] | None:
    """Return the block shape that a record of `step` begins with, None where there is none.

    On another machine another shape would be chosen, and what is done in the first one not be recognized.
    """
    if not path.exists():
        return None
    with open(path, "rb") as file:
        first = file.readline()
    header = json.loads(first) if first.endswith(b"\n") else {}
    if header.get("step") != step or "basis" not in header:
        return None
    z, y, x = header["basis"]["block"]
    return z, y, x


def last_flush(path: Path) -> tuple[str, int]:
    """Return during which boot of the machine the last flush noted in a record was, and where its line ends.

    Without any, it is the boot of the record's first header, and 0.
    """
    found, at, tail = -1, 0, b"\n"
    with open(path, "rb") as file:
        first = file.readline()
        file.seek(0)
        while chunk := file.read(_CHUNK):
            here = (tail + chunk).rfind(b"\n" + _SYNC)
            if here >= 0:
                found = at + here + 1 - len(tail)
            at += len(chunk)
            tail = (tail + chunk)[-len(_SYNC) - 1 :]
        if found < 0:
            return str(json.loads(first).get("boot", "")), 0
        file.seek(found)
        line = file.readline()
    return str(json.loads(line)["synced"]), found + len(line)


def cut_torn_line(file: BinaryIO) -> None:
    """Cut off what stands after the last newline."""
    size = file.seek(0, os.SEEK_END)
    keep, step = size, 1 << 16
    while keep > 0:
        start = max(0, keep - step)
        file.seek(start)
        found = file.read(keep - start).rfind(b"\n")
        if found >= 0:
            keep = start + found + 1
            break
        keep = start
    if keep < size:
        file.truncate(keep)


def boot() -> str:
    """Return what tells this boot of the machine from others; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
