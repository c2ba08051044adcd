"""Where a result comes from: what made it, from what, with which parameters, code and versions, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ndlab.pipeline.step import describe, environment

__all__ = ["Lineage"]

_LONGEST = 60


@dataclass(frozen=True)
class Lineage:
    """What made a result, as JSON can hold it.

    Parameters
    ----------
    made_by : str
        A function by its full name, or the figure of a notebook.
    inputs, params : mapping
        By name; volumes by address, level, box and version, tables and arrays by digest, as `describe` has them.
    seed : int, optional
        Of random numbers.
    code : str, optional
        Digest of the source.
    started : str
        When, ISO 8601 in UTC.
    seconds : float
        How long it took [s].
    state : str
        ``"done"``, ``"failed"`` or ``"stopped"``.
    error : str
        Why it is not done.
    found : object
        What was found from the data, where the result says so.
    runs : tuple
        Receipts of the Runs that it was made by.
    environment : mapping
        Versions and machine.

    Examples
    --------
    >>> made = Lineage("ndlab.analyze.peters_rule", {"touches": "table"}, {"draws": 200}, seed=0)
    >>> Lineage.from_json(made.to_json()) == made
    True
    >>> print(made.words()[0])
    ndlab.analyze.peters_rule(draws=200), seed 0
    """

    made_by: str
    inputs: Any = field(default_factory=dict)
    params: Any = field(default_factory=dict)
    seed: int | None = None
    code: str | None = None
    started: str = ""
    seconds: float = 0.0
    state: str = "done"
    error: str = ""
    found: Any = None
    runs: tuple[dict[str, Any], ...] = ()
    environment: dict[str, Any] = field(default_factory=environment)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        described = describe(self)
        described.pop("kind")
        return dict(described)

    @staticmethod
    def from_json(found: dict[str, Any]) -> Lineage:
        """Read back what `to_json` gave."""
        return Lineage(**found | {"runs": tuple(found["runs"])})

    def text(self) -> str:
        """Return it as one line of JSON, as files of pictures keep it."""
        return json.dumps(self.to_json(), separators=(",", ":"))

    def words(self) -> list[str]:
        """Return it as lines for people: what, the inputs, versions and time."""
        params = ", ".join(f"{name}={_short(value)}" for name, value in self.params.items())
        head = f"{self.made_by}({params})" + (f", seed {self.seed}" if self.seed is not None else "")
        lines = [head, *(f"  {name}: {source(value)}" for name, value in self.inputs.items())]
        packages = " ".join(f"{name} {number}" for name, number in self.environment.get("packages", {}).items())
        code = f" (source {self.code})" if self.code else ""
        lines.append(f"  code: {packages}{code}")
        how = f"{self.state} in {self.seconds:.3g} s" if self.seconds else self.state
        lines.append(f"  {how}, {self.started}" if self.started else f"  {how}")
        return lines + [f"  {line}" for line in self.error.splitlines()[-1:]]

    def __str__(self) -> str:
        return "\n".join(self.words())


def source(value: Any) -> str:
    """Say in a line what an input is, as `describe` has it.

    Examples
    --------
    >>> source({"table": ["site", "axon"], "rows": 1700, "blake2b": "0123456789abcdef"})
    'table of 1,700 rows (site, axon), digest 0123456789ab'
    """
    if not isinstance(value, dict):
        return _short(value)
    digest = f", digest {value['blake2b'][:12]}" if "blake2b" in value else ""
    if "uri" in value and "box" in value:
        spans = ", ".join(f"{a}:{b}" for a, b in zip(*value["box"], strict=True))
        version = f", version {value['version']}" if value.get("version") else ""
        voxels = f", voxels {str(value['voxels'])[:12]}" if "voxels" in value else ""
        return f"{value['uri'] or 'volume in memory'} level {value['level']} [{spans}]{version}{voxels}"
    if "table" in value:
        names = ", ".join(value["table"])
        return f"table of {value['rows']:,} rows ({_short(names)}){digest}"
    if "shape" in value and digest:
        return f"array {' × '.join(map(str, value['shape']))} {value['dtype']}{digest}"
    if "uri" in value:
        return f"{value['uri']}, version {value['version']}"
    if "sample" in value:
        return f"sample {value['sample']}{digest}"
    return _short(value)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
