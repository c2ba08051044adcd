"""A pipeline cell: a form for the parameters of a step, a preview on a box, and a run over the volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest, Unsupported

if TYPE_CHECKING:
    from ndlab.explore.form import Form
    from ndlab.geometry import Box
    from ndlab.pipeline import Step
    from ndlab.pipeline.tasks import Blocks

__all__ = ["cell"]


def cell(step: Step, blocks: Blocks | None = None, *, box: Box | None = None, **options: Any) -> Form:
    """Show a form for a step: typed parameters with units, a preview, a run, and the code that repeats it.

    Types and units come from the function: ``sigma: Annotated[float, "nm"]`` becomes a number in nm, ``Literal`` a
    choice, ``tuple[float, float, float]`` three numbers. What no form can hold (a volume) stays as the step has it.

    Parameters
    ----------
    step : Step
        Its parameters are what the form starts from.
    blocks : Grid, Tiling or sequence of Box, optional
        What to run it on; a `BlockStep` plans that itself.
    box : Box, optional
        What to preview; the middle block unless said.
    **options
        As for `Run`: record, workers, client, retries and so on; for a `BlockStep` as for its `plan`.

    Returns
    -------
    Form
        ``form.code`` is what repeats the run; ``form.write()`` puts it into a new cell.

    Raises
    ------
    BadRequest
        If a step that is no `BlockStep` comes without blocks.
    Unsupported
        Where ipywidgets is not installed.

    Examples
    --------
    >>> from typing import Annotated
    >>> from ndlab.geometry import Grid
    >>> from ndlab.pipeline import Step
    >>> def scale(block, by: Annotated[float, "nm"]): ...
    >>> form = cell(Step("scale", scale, {"by": 2.0}), Grid((4, 4, 8), (4, 4, 4)), workers=2)
    >>> print(form.code)
    from ndlab import explore
    from ndlab.pipeline import Run
    <BLANKLINE>
    explore.run(Run(step, blocks, workers=2))
    """
    if blocks is None and not hasattr(step, "plan"):
        raise BadRequest(
            f"step {step.name!r} was to be shown as a form", "nobody knows its blocks", "pass them: cell(step, grid)"
        )
    try:
        from ndlab.explore.form import Form
    except ModuleNotFoundError as error:
        raise Unsupported(
            "a step was to be shown as a form",
            f"{error.name} is not installed",
            "pip install 'ndlab[lab]', or use Run(step, blocks).run()",
            feature="widgets",
        ) from error
    return Form(step, blocks, box, options)
