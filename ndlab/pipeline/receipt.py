"""What a Run did, for whoever finds its output."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ndlab.pipeline.step import describe, environment

__all__ = ["RECEIPT", "Receipt"]

# What a receipt is called beside its record, in place of .jsonl.
RECEIPT = ".receipt.json"


@dataclass(frozen=True)
class Receipt:
    """What a Run did: inputs, parameters, code, machine, time, and how each block went.

    Attributes
    ----------
    step, fingerprint : str
        Name, and digest of all that decides the result.
    inputs, params : object
        As JSON holds them; a volume by its URI, level, box (z, y, x) and version.
    blocks, done, skipped : int
        Blocks altogether; done, by whichever Run; of those, done before this Run started.
    retried : int
        Attempts beyond the first, lost workers included.
    seconds : float
        This Run took [s].
    started : str
        When, ISO 8601 in UTC.
    runner : str
        Threads or cluster.
    state : str
        ``"running"``, ``"done"``, ``"failed"`` or ``"stopped"``.
    failed : dict
        Block to traceback.
    output : str
        Where it wrote.
    seed : int or None
        Of its random numbers.
    code : tuple of str
        Digests of the function's source, in the order in which they were used; more than one if it was edited.
    recipe : dict
        What repeats it, as `ndlab.pipeline.load` takes it; empty if its function cannot be imported.
    environment : dict
        Versions and machine.

    Examples
    --------
    >>> print(Receipt("size", "", {}, {"low": 3}, 8, 8, 0, 0, 1.5, "2026-01-01T00:00:00", "2 threads"))
    size(low=3): done, 8 of 8 blocks in 1.5 s on 2 threads, 2026-01-01T00:00:00
    """

    step: str
    fingerprint: str
    inputs: Any
    params: Any
    blocks: int
    done: int
    skipped: int
    retried: int
    seconds: float
    started: str
    runner: str
    state: str = "done"
    failed: dict[str, str] = field(default_factory=dict)
    output: str = ""
    seed: int | None = None
    code: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=environment)

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as JSON holds it."""
        described = describe(self)
        described.pop("kind")
        return dict(described)

    def write(self, path: Path) -> None:
        """Write it to a file, whole or not at all."""
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(self.to_json(), indent=1) + "\n")
        new.replace(path)

    @staticmethod
    def read(path: Path) -> Receipt:
        """Read one that was written."""
        found = json.loads(path.read_text())
        return Receipt(**found | {"code": tuple(found["code"])})

    @staticmethod
    def beside(record: Path) -> Receipt | None:
        """Read the one beside a record; None where there is none."""
        path = record.with_suffix(RECEIPT)
        return Receipt.read(path) if path.exists() else None

    def __str__(self) -> str:
        params = ", ".join(f"{name}={_short(value)}" for name, value in (self.params or {}).items())
        counts = f"{self.done} of {self.blocks} blocks in {self.seconds:.4g} s on {self.runner}"
        lines = [f"{self.step}({params}): {self.state}, {counts}, {self.started}"]
        for name, value in (self.inputs or {}).items():
            lines.append(f"  {name}: {_where(value)}")
        if self.output:
            lines.append(f"  output: {self.output}")
        more = {"done before": self.skipped, "tried again": self.retried, "failed": len(self.failed)}
        if any(more.values()):
            lines.append("  " + ", ".join(f"{n} {what}" for what, n in more.items() if n))
        if len(self.code) > 1:
            lines.append(f"  the function was edited {len(self.code) - 1} time(s) between blocks")
        return "\n".join(lines)

    __repr__ = __str__


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _where(value: Any) -> str:
    if not isinstance(value, dict) or "uri" not in value:
        return _short(value)
    (z, y, x), (z1, y1, x1) = value["box"]
    version = f", version {value['version']}" if value.get("version") else ""
    return f"{value['uri'] or 'in memory'} level {value['level']} [{z}:{z1}, {y}:{y1}, {x}:{x1}]{version}"
