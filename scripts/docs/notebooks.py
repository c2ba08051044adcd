"""The tutorials: the notebooks as `make paper` ran them, run here where that is missing or older than the notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["stage"]

_HEAD = """# Tutorials

Each page is a notebook as it ran on this commit, on data that ndlab ships; every number in it was checked as it ran.
`make lab` opens them to be played with.

| | |
|---|---|
"""


def stage(folder: Path, staged: Path, paper: Path, *, wanted: bool) -> int:
    """Put the executed notebooks and their index into the site; return how many."""
    paths = sorted(folder.glob("*.ipynb"))
    old = [path for path in paths if not _is_current(path, paper / "results" / path.name)]
    if wanted and old:
        only = [word for path in old for word in ("--only", path.stem)]
        command = [sys.executable, "-m", "ndlab", "paper", "--out", str(paper), "--notebooks", str(folder), *only]
        subprocess.run(command, check=True)
    target = staged / "tutorials"
    target.mkdir(parents=True, exist_ok=True)
    for path in paths:
        found = json.loads((paper / "results" / path.name if wanted else path).read_text())
        # Where the checkout lies on the machine that ran them is nobody's business.
        (target / path.name).write_text(json.dumps(found).replace(f"{folder.parent.resolve()}/", ""))
    rows = "".join(f"| [{path.stem}]({path.name}) | {_title(path)} |\n" for path in paths)
    tree = "\n".join(path.stem for path in paths)
    (target / "index.md").write_text(f"{_HEAD}{rows}\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n")
    return len(paths) if wanted else 0


def _is_current(path: Path, executed: Path) -> bool:
    """Tell whether a run is of these cells, and came to its end."""
    if not executed.exists():
        return False
    ran, asked = json.loads(executed.read_text()), json.loads(path.read_text())
    if _sources(ran) != _sources(asked):
        return False
    code = [cell for cell in ran["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    return all(cell["execution_count"] is not None and not _failed(cell) for cell in code)


def _failed(cell: dict[str, Any]) -> bool:
    return any(one["output_type"] == "error" for one in cell["outputs"])


def _sources(notebook: dict[str, Any]) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"]]


def _title(path: Path) -> str:
    first = next(cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "markdown")
    return "".join(first["source"]).splitlines()[0].lstrip("# ")
