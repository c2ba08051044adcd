"""Run the notebooks in order and write the report."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest, NotFound, Unsupported
from ndlab.paper.bar import Bar
from ndlab.paper.report import report_html
from ndlab.paper.results import BENCH, DATA, OUT, Results

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Outcome", "notebooks_folder", "run"]

_CELL_SECONDS = 600


@dataclass
class Outcome:
    """How one notebook went; `error` is empty if it ran to its end."""

    notebook: str
    seconds: float
    results: Results | None = None
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ran to its end, gave at least one number, and every number is right."""
        return not self.error and self.results is not None and all(n.ok for n in self.results.numbers)


@dataclass
class _Settings:
    out: Path
    data: Path | None
    bench: bool = False


def notebooks_folder() -> Path:
    """Where the notebooks are: beside the package in a checkout, inside it when installed from a wheel."""
    package = Path(__file__).parents[1]
    for folder in (package.parent / "notebooks", package / "notebooks"):
        if folder.is_dir():
            return folder
    raise NotFound("the notebooks are not installed", f"looked beside and inside {package}", "reinstall ndlab")


def run(
    out: str | Path,
    *,
    notebooks: str | Path | None = None,
    only: Sequence[str] | None = None,
    data: str | Path | None = None,
    bench: bool = False,
    quiet: bool = False,
) -> int:
    """Run every notebook headless, one after the other, and write ``report.html`` and ``numbers.json`` into `out`.

    Beside them go each figure at paper size, ``figures/NOTEBOOK-FIGURE.png``, ``.pdf`` and ``.svg``, and the table of
    each of its panels, ``tables/NOTEBOOK-FIGURE-PANEL.csv`` and ``.parquet``.

    Parameters
    ----------
    out : path
        Folder for the report; made if needed.
    notebooks : path, optional
        Folder of notebooks, run in the order of their names.
    only : sequence of str, optional
        Parts of names: run only notebooks that hold one of them.
    data : path, optional
        More data, for sections that need it.
    bench : bool
        Measure this machine, too, where a figure compares it with the founding paper's.

    Returns
    -------
    int
        0 if each notebook ran and each number is right, else 1.
    """
    folder = Path(notebooks) if notebooks is not None else notebooks_folder()
    paths = _chosen(folder, only)
    if data is not None and not Path(data).is_dir():
        raise NotFound(f"--data {data} is not a folder", "", "pass the folder that holds the data")
    target = Path(out).resolve()
    (target / "results").mkdir(parents=True, exist_ok=True)
    settings = _Settings(target, Path(data).resolve() if data else None, bench)
    outcomes = []
    with Bar(paths, quiet) as bar:
        for number, path in enumerate(paths, 1):
            bar.say(f"[{number}/{len(paths)}] {path.stem} ...")
            outcome = _run_one(path, settings, bar)
            outcomes.append(outcome)
            bar.say(f"[{number}/{len(paths)}] {path.stem}: {_verdict(outcome)} in {outcome.seconds:.0f} s")
    report = target / "report.html"
    report.write_text(report_html(outcomes), encoding="utf-8")
    summary = [_summary(outcome) for outcome in outcomes]
    (target / "numbers.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    bad = [outcome.notebook for outcome in outcomes if not outcome.ok]
    _say(quiet, f"report: {report}")
    if bad:
        _say(False, f"FAILED: {', '.join(bad)}")
    return 1 if bad else 0


def _chosen(folder: Path, only: Sequence[str] | None) -> list[Path]:
    if not folder.is_dir():
        raise NotFound(f"no folder {folder}", "", "pass the folder that holds the notebooks")
    every = sorted(folder.glob("*.ipynb"))
    found = [p for p in every if not only or any(part in p.stem for part in only)]
    if not found:
        names = ", ".join(p.stem for p in every) or "none"
        raise BadRequest(
            f"no notebook matches {list(only or [])}", f"{folder} has {names}", "pass part of one of those"
        )
    return found


def _run_one(path: Path, settings: _Settings, bar: Bar) -> Outcome:
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    except ModuleNotFoundError as error:
        raise Unsupported("notebooks cannot be run here", f"{error.name} is not installed",
                          "pip install 'ndlab[lab]'", feature="notebooks") from None  # fmt: skip
    stored = settings.out / "results" / f"{path.stem}.json"
    stored.unlink(missing_ok=True)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        # The kernel warns that its loopback ports are not encrypted; it lives for one notebook, on this machine.
        extra_arguments=["--IPKernelApp.log_level=40"],
        on_cell_executed=bar.cell,
    )
    began, failure = time.monotonic(), ""
    before = dict(os.environ)
    os.environ |= _environment(settings)
    try:
        client.execute()
    except CellExecutionError as raised:
        failure = f"{raised.ename}: {raised.evalue}"
    except (CellTimeoutError, DeadKernelError, RuntimeError):
        failure = traceback.format_exc(limit=1)
    finally:
        os.environ.clear()
        os.environ.update(before)
        nbformat.write(notebook, settings.out / "results" / path.name)
    results = Results.from_dict(json.loads(stored.read_text())) if stored.exists() else None
    if not failure and (results is None or not (results.numbers or results.figures)):
        failure = "it recorded no number and no figure"
    return Outcome(path.stem, time.monotonic() - began, results, failure)


def _environment(settings: _Settings) -> dict[str, str]:
    """Say what the kernel sees besides what this process does."""
    found = {OUT: str(settings.out / "results")}
    if settings.data is not None:
        found[DATA] = str(settings.data)
    if settings.bench:
        found[BENCH] = "1"
    return found


def _verdict(outcome: Outcome) -> str:
    if outcome.error:
        return f"failed ({outcome.error.splitlines()[-1][:200]})"
    numbers = outcome.results.numbers if outcome.results else []
    off = sum(not n.ok for n in numbers)
    left = len(outcome.results.not_run) if outcome.results else 0
    words = f"{len(numbers) - off} of {len(numbers)} numbers right"
    return words + (f", {left} section(s) not run" if left else "")


def _summary(outcome: Outcome) -> dict[str, Any]:
    results = outcome.results
    return {
        "notebook": outcome.notebook,
        "ok": outcome.ok,
        "seconds": round(outcome.seconds, 1),
        "peak_bytes": results.peak if results else None,
        "error": outcome.error,
        "numbers": [vars(n) | {"ok": n.ok} for n in results.numbers] if results else [],
        "not_run": [vars(n) for n in results.not_run] if results else [],
        "claims": [vars(n) for n in results.claims] if results else [],
    }


def _say(quiet: bool, text: str) -> None:
    if not quiet:
        sys.stderr.write(text + "\n")
