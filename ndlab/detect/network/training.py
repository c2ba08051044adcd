"""Train a network: PyTorch is needed here, and nowhere else."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from ndlab.detect.network.network import Network
from ndlab.errors import BadRequest

__all__ = ["fit"]

Array = np.ndarray[Any, Any]


def fit(
    image: Array,
    classes: Array,
    weight: Array,
    *,
    start: Network | None = None,
    seed: int = 0,
    progress: Any = None,
    **how: Any,
) -> Network:
    """Train a `Network` on grey values, the class of each pixel, and a weight that is 0 where nothing is known.

    Parameters
    ----------
    image, classes, weight : ndarray, (z, y, x)
        Grey values may be finer in y and x: `finer` times.
    start : Network, optional
        Go on from this one, which has the same classes.
    seed : int
    progress : callable, optional
        Called with (steps done, steps, mean loss).
    **how
        Fields of `ndlab.detect.network.torch_net.Recipe`.
    """
    from ndlab.detect.network.torch_net import Recipe, Trainer

    known = {one.name for one in fields(Recipe)}
    if set(how) - known:
        raise BadRequest(f"{', '.join(sorted(set(how) - known))} of a network", f"there are {', '.join(sorted(known))}")
    if start is not None:
        how = {**how, "sections": start.sections, "finer": start.finer, "width": len(start.weights["down0/0/bias"])}
    recipe = Recipe(seed=seed, **how)
    trainer = Trainer(image, classes, weight, recipe, start.weights if start is not None else None)
    while trainer.done < 1:
        loss = trainer.run(min(20, recipe.steps - trainer.step))
        if progress is not None:
            progress(trainer.step, recipe.steps, loss)
    return Network(trainer.arrays(), recipe.finer)
