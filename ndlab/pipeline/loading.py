"""Runs out of recipes: from a file, or from the receipt beside an output.

A recipe names functions by module and name, and loading it imports them: like a script, it is run only if it is
trusted.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ndlab.errors import BadRequest, NotFound
from ndlab.geometry import Box
from ndlab.pipeline.blockwise import BlockStep
from ndlab.pipeline.importing import named
from ndlab.pipeline.places import record_name, runs_folder
from ndlab.pipeline.receipt import RECEIPT, Receipt
from ndlab.pipeline.run import Run
from ndlab.pipeline.step import Step
from ndlab.pipeline.tasks import Tasks

__all__ = ["attach", "load"]


def load(source: str | os.PathLike[str] | Mapping[str, Any], *, overwrite: bool = False, **how: Any) -> Run:
    """Return the Run that a recipe describes, ready to run.

    Parameters
    ----------
    source : path or mapping
        A TOML file, or what `Run.recipe` returned.
    overwrite : bool
        Remove the output first.
    **how
        As for `Run` (workers, client, progress, ...), and `block` for a step over volumes.

    Raises
    ------
    BadRequest
        If something is missing or unknown in it.
    """
    found = source if isinstance(source, Mapping) else _parsed(Path(source))
    unknown = set(found) - {"step", "inputs", "output", "blocks", "run", "reduce"}
    if unknown or not {"name", "function"} <= set(found.get("step", {})):
        raise BadRequest(
            f"recipe {source if not isinstance(source, Mapping) else ''}".rstrip(),
            f"it has {', '.join(sorted(unknown))}, which nobody reads"
            if unknown
            else "it lacks [step] name or function",
            "run.recipe(path) writes one to start from",
        )
    options = {**found.get("run", {}), **{k: v for k, v in how.items() if v is not None}}
    run = _load_blocks(found, options, overwrite) if "inputs" in found else _load_plain(found, options, overwrite)
    if "reduce" in found:
        run.reduction = (named(found["reduce"]["combine"]), int(found["reduce"].get("fan_in", 8)))
    return run


def _load_blocks(found: Mapping[str, Any], options: dict[str, Any], overwrite: bool) -> Run:
    about = dict(found["step"])
    inputs: Any = {name: _opened(where) for name, where in found["inputs"].items()}
    if about.pop("by_place", False):
        inputs = list(inputs.values())
    output = found.get("output")
    block = options.pop("block", None) or found.get("blocks", {}).get("block")
    step = BlockStep(
        about.pop("name"), named(about.pop("function")), about.pop("params", {}), inputs,
        # With a box it is part of a store that is there: written into, and not made.
        output=None if output is None else _opened(output) if "start" in output else output["url"], **about,
    )  # fmt: skip
    return step.plan(block=block, overwrite=overwrite, **options)


def _load_plain(found: Mapping[str, Any], options: dict[str, Any], overwrite: bool) -> Run:
    about = found["step"]
    tasks = Tasks.from_basis(dict(found["blocks"]))
    step = Step(about["name"], named(about["function"]), about.get("params", {}))
    return Run(step, tasks.blocks, t=tasks.t, c=tasks.c, restart=overwrite, **options)


def _opened(where: Mapping[str, Any]) -> Any:
    """Open an input as `Volume.where` describes it."""
    rest = dict(where)
    opener, url, level = named(rest.pop("open", "ndlab.volume:open")), rest.pop("url"), rest.pop("level", 0)
    start, stop = rest.pop("start", None), rest.pop("stop", None)
    lead = {axis: rest.pop(axis) for axis in "tc" if axis in rest}
    volume = opener(url, level=level, **rest)
    if start is not None:
        volume = volume.boxed(Box(start, stop, level))
    picked = {axis: n if isinstance(n, int) else slice(*n) for axis, n in lead.items()}
    return volume.isel(**picked) if picked else volume


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise NotFound(f"no recipe at {path}", "", "run.recipe(path) writes one") from None
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"recipe {path}", f"it is no TOML: {error}") from None


def attach(output: Any, name: str | None = None, **how: Any) -> Run:
    """Return the Run that wrote, or began to write, an output: ``run()`` goes on where it stopped.

    Parameters
    ----------
    output : volume, str or path
        What it wrote.
    name : str, optional
        Of the step, where several wrote there.
    **how
        As for `load`.

    Raises
    ------
    NotFound
        If no Run with a recipe is recorded there.
    BadRequest
        If there are several, or its function was defined in a notebook: then plan the same step again.
    """
    folder = runs_folder(output)
    receipts = [Receipt.read(path) for path in sorted(folder.glob(f"*{RECEIPT}"))]
    wanted = [r for r in receipts if name is None or r.step == name or record_name(r.step) == name]
    if not wanted:
        there = f"these are: {', '.join(r.step for r in receipts)}" if receipts else "no run left a receipt there"
        raise NotFound(
            f"a run of {name or 'a step'} in {folder.parent.parent}", there, "ndlab status OUTPUT lists them"
        )
    if len(wanted) > 1:
        raise BadRequest(
            f"{len(wanted)} runs wrote to {folder.parent.parent}",
            f"they are {', '.join(r.step for r in wanted)}", "say which: attach(output, name)",
        )  # fmt: skip
    if not wanted[0].recipe:
        raise BadRequest(
            f"step {wanted[0].step!r} has no recipe",
            "its function was defined in a notebook, or has parameters that a file cannot hold",
            "run the same step again in that notebook: it goes on where it stopped",
        )
    return load(wanted[0].recipe, **how)
