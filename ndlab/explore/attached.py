"""A Run found again by what it wrote: as one that can go on, or as its record alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ndlab.errors import BadRequest, NdlabError, NotFound
from ndlab.explore.kept import Kept
from ndlab.pipeline import Receipt, Run, load
from ndlab.pipeline.follow import Follower
from ndlab.pipeline.lines import StepLines
from ndlab.pipeline.places import record_name, runs_folder

__all__ = ["attached"]

_NO_RECIPE = (
    "This kernel cannot go on with it: its function was defined in a notebook, or has parameters that a file cannot "
    "hold. Run the cells that made the step again, and the step: it goes on where it stopped."
)


def attached(output: Any, name: str | None = None) -> Run | Kept:
    """Return the Run that wrote, or writes, an output; what its record shows where this kernel cannot load it.

    Parameters
    ----------
    output : volume, str or path
        What it wrote, or its record, a ``.jsonl`` file.
    name : str, optional
        Of the step, where several wrote there.

    Raises
    ------
    NotFound
        If no Run is recorded there.
    BadRequest
        If there are several.
    """
    path, step, lines = _found(output, name)
    receipt = Receipt.beside(path)
    if receipt is None or receipt.step != step or not receipt.recipe:
        return Kept(path, step, lines, _NO_RECIPE)
    # A record of its own may have been named as seen from another folder.
    where: dict[str, Any] = {"record": path} if "record" in receipt.recipe.get("run", {}) else {}
    try:
        run = load(receipt.recipe, **where)
    except NdlabError as error:
        return Kept(path, step, lines, f"This kernel cannot go on with it. {error}")
    except Exception as error:  # Loading imports what somebody wrote.
        return Kept(path, step, lines, f"This kernel cannot go on with it: {type(error).__name__}: {error}")
    if run.fingerprint != lines.fingerprint:
        changed = "its function, parameters or inputs are not those of its record any more"
        return Kept(path, step, lines, f"This kernel cannot go on with it: {changed}.")
    return run


def _found(output: Any, name: str | None) -> tuple[Path, str, StepLines]:
    """Return the record of the step that is meant, and what it says."""
    paths = _records(output)
    steps = [(path, step, lines) for path in paths for step, lines in _steps(path)]
    address = getattr(output, "url", None) or os.fspath(output)
    known = ", ".join(step for _, step, _ in steps)
    wanted = [one for one in steps if name is None or name in (one[1], record_name(one[1]))]
    # A step that wrote an output has a receipt; the levels that were made along the way have none.
    main = [one for one in wanted if (found := Receipt.beside(one[0])) is not None and found.step == one[1]]
    wanted = main or wanted
    if not wanted:
        raise NotFound(
            f"a run of {name or 'a step'} that wrote {address}",
            f"these are recorded: {known}" if steps else f"none is recorded in {_place(output)}",
            "show one of them: explore.run(output, name=...)" if steps else "start one: explore.run(step.plan())",
        )
    if len(wanted) > 1:
        names = ", ".join(step for _, step, _ in wanted)
        raise BadRequest(
            f"{len(wanted)} runs wrote {address}", f"they are {names}", "say which: explore.run(output, name=...)"
        )
    return wanted[0]


def _place(output: Any) -> Path:
    """Return the folder, or the file, in which the records of an output are."""
    given = Path(os.fspath(output)).expanduser() if isinstance(output, str | os.PathLike) else None
    return given.absolute() if given is not None and given.suffix == ".jsonl" else runs_folder(output)


def _records(output: Any) -> list[Path]:
    place = _place(output)
    return [place] if place.is_file() else sorted(place.glob("*.jsonl"))


def _steps(path: Path) -> list[tuple[str, StepLines]]:
    follower = Follower(path)
    follower.refresh()
    return list(follower.steps.items())
