"""The page of benchmarks: every aim and table of bench/results, with the machine and the code that they are of."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

__all__ = ["page", "stage"]

_HEAD = """# Benchmarks

Each section is what one script of `bench/` found when it last ran with `--save`: its aims, met or not, its tables, the
machine and the code. Contenders of one table ran interleaved in one process and gave equal answers first. Ratios
of CPU time within a table hold on other machines; seconds do not. `make bench ONLY=read` measures yours.

| benchmark | aims met | code |
|---|---|---|
"""


def stage(root: Path, staged: Path) -> None:
    """Write reference/benchmarks.md."""
    target = staged / "reference" / "benchmarks.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(root))


def page(root: Path) -> str:
    """Return the page as text."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((root / "bench" / "results").glob("*.json"))}
    about = _about((root / "bench" / "README.md").read_text())
    rows = "".join(f"| [{name}](#{_anchor(name)}) | {_met(one)} | {_code(one)} |\n" for name, one in found.items())
    return _HEAD + rows + "".join(_section(name, one, about) for name, one in found.items())


def _section(name: str, found: dict[str, Any], about: dict[str, str]) -> str:
    lines = [f"\n({_anchor(name)})=", f"## {name}", ""]
    script = next((one for one in (name, name.partition("-")[0]) if one in about), None)
    lines += [f"`bench/{script}.py`: {about[script]}.", ""] if script else []
    if found.get("note"):
        lines += [str(found["note"]), ""]
    lines += [_machine(found), ""]
    for aim in found.get("aims", ()):
        bound = f"at least {aim['least']:g}" if aim["least"] is not None else f"at most {aim['most']:g}"
        lines.append(
            f"- {'met' if aim['met'] else '**short**'}: {_text(aim['text'])}: {aim['value']:.3g} (aim: {bound})"
        )
    for table in found.get("tables", ()):
        lines += ["", *_table(table)]
    return "\n".join(lines) + "\n"


def _table(table: dict[str, Any]) -> list[str]:
    rows: dict[str, dict[str, Any]] = table["rows"]
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    baseline = f", against {_text(table['baseline'])}" if table.get("baseline") else ""
    head = [
        f"**{_text(table['title'])}**{baseline}",
        "",
        f"| | {' | '.join(map(_text, columns))} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    return head + [
        f"| {_text(name)} | {' | '.join(_value(row.get(c)) for c in columns)} |" for name, row in rows.items()
    ]


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return _text(str(value))[:80]


def _text(text: str) -> str:
    """Keep Markdown from reading anything into a name."""
    return re.sub(r"([\\`*_{}\[\]<>|$#~])", r"\\\1", text)


def _met(found: dict[str, Any]) -> str:
    aims = found.get("aims", [])
    return f"{sum(aim['met'] for aim in aims)} of {len(aims)}" if aims else ""


def _code(found: dict[str, Any]) -> str:
    code = found.get("code", {})
    return f"`{code.get('commit') or code.get('sha256', '')}`" if code else ""


def _machine(found: dict[str, Any]) -> str:
    machine = found.get("machine", {})
    packages = ", ".join(f"{name} {version}" for name, version in machine.get("packages", {}).items() if version)
    quick = " A quick run: fewer repeats, smaller data." if found.get("quick") else ""
    cpu, cores, python = (machine.get(key, "?") for key in ("cpu", "cores", "python"))
    return f"On {cpu}, {cores} cores, Python {python}, {packages}.{quick}"


def _about(text: str) -> dict[str, str]:
    """Return what bench/README.md says of each script."""
    return {name: words.strip() for name, words in re.findall(r"^\| `(\w+)\.py` \| (.*?) \|", text, re.MULTILINE)}


def _anchor(name: str) -> str:
    return f"bench-{name.replace('_', '-')}"
