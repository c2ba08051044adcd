"""A Run as data: what is done, on what, with which parameters; what `ndlab.pipeline.load` reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.pipeline.importing import import_name
from ndlab.pipeline.tasks import Blocks, Tasks
from ndlab.pipeline.toml import simple

__all__ = ["recipe_of"]


def recipe_of(run: Any) -> dict[str, Any]:
    """Return what repeats a Run.

    Raises
    ------
    BadRequest
        If its function cannot be imported, or a parameter is more than numbers, text and lists.
    """
    step = run.step
    about: dict[str, Any] = {"name": step.name, "function": import_name(step.function)}
    found: dict[str, Any] = {"step": about}
    over_volumes = hasattr(step, "named")
    if over_volumes:
        about |= _of_volumes(step)
        found["inputs"] = {name: _address(volume) for name, volume in step.named.items()}
        if step.sink is not None:
            found["output"] = _output(step)
    if step.params:
        about["params"] = simple(step.params, "params")
    basis = _basis(step, run.blocks, run.t, run.c)
    found["blocks"] = {"block": basis["block"]} if over_volumes else basis
    how = {"retries": run.retries, "group": run.group}
    found["run"] = {name: value for name, value in how.items() if value}
    if isinstance(run.record, str | os.PathLike):
        found["run"]["record"] = os.fspath(run.record)
    if run.reduction is not None:
        found["reduce"] = {"combine": import_name(run.reduction[0]), "fan_in": run.reduction[1]}
    return found


def _basis(step: Any, blocks: Blocks, t: Any, c: Any) -> dict[str, Any]:
    basis = Tasks(blocks, t, c).basis()
    if basis is None:
        raise BadRequest(
            f"step {step.name!r} runs over a list of {len(blocks)} boxes", "a recipe holds a rule", "use a Grid"
        )
    return basis


def _of_volumes(step: Any) -> dict[str, Any]:
    """Return what a step over volumes has besides its function and parameters."""
    found: dict[str, Any] = {"overlap": list(step.margin), "axes": step.axes}
    plain = {"seed": step.seed, "kind": step.kind, "scratch": step.scratch}
    found |= {name: value for name, value in plain.items() if value is not None}
    if step.dtype is not None:
        found["dtype"] = np.dtype(step.dtype).name
    if step.options:
        found["options"] = simple(step.options, "options")
    if not isinstance(step.inputs, Mapping):
        found["by_place"] = True
    return found


def _output(step: Any) -> dict[str, Any]:
    """Return the address alone where the step made the store itself; else which voxels of what is there."""
    if not step.sink.url:
        raise BadRequest("the output is in memory", "a recipe names addresses", "give the step an address as output")
    if step.sink.made == step.fingerprint:
        return {"url": step.sink.url}
    return {"open": step.sink.opener, **simple(step.sink.where, "output")}


def _address(volume: Any) -> dict[str, Any]:
    if not volume.url:
        raise BadRequest(
            "an input is in memory", "a recipe names addresses", "write it to a store: volume.like(url), then write"
        )
    return {"open": f"{type(volume).__module__}:open", **simple(volume.where(), "inputs")}
