"""A pipeline cell: a form for the parameters of a step or a verb, a preview on little, and a run over all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from ndlab.errors import BadRequest, Unsupported

if TYPE_CHECKING:
    from ndlab.explore.step_form import StepForm
    from ndlab.explore.verb_form import VerbForm
    from ndlab.geometry import Box
    from ndlab.pipeline import Step
    from ndlab.pipeline.tasks import Blocks

__all__ = ["cell"]


@overload
def cell(what: Step, blocks: Blocks | None = None, /, *, box: Box | None = None, **options: Any) -> StepForm: ...
@overload
def cell(what: Callable[..., Any], /, *inputs: Any, box: Box | None = None, **options: Any) -> VerbForm: ...


def cell(what: Any, /, *inputs: Any, box: Box | None = None, **options: Any) -> StepForm | VerbForm:
    """Show a form for a step or a verb: typed parameters with units, a preview, a run, and the code that repeats it.

    Types and units come from the function: ``sigma: Annotated[float, "nm"]`` becomes a number in nm, ``Literal`` a
    choice, ``tuple[float, float, float]`` three numbers; left empty, what may be None is found from the data. What
    no form can hold (a volume, a table) stays as it was given.

    A verb is a function that is called on volumes, tables, graphs or annotations, ``cell(analyze.peters_rule, touches,
    synapses, draws=2000)``. *Preview* calls it on a small box of its volumes and with few draws, and writes nothing;
    *Run* calls it in the background, shows how far the Runs inside are, and leaves what it returned in
    ``form.result`` and a receipt in ``form.receipt``.

    Parameters
    ----------
    what : Step or callable
        A step's parameters are what its form starts from.
    *inputs
        Of a verb, what it is called on. Of a step, its blocks (Grid, Tiling or sequence of Box), which a `BlockStep`
        plans itself.
    box : Box, optional
        What to preview, (z, y, x) of the first volume; of a step the middle block, of a verb a small box in the middle
        unless said. A verb that has a parameter of that name is called with it, too.
    **options
        Of a verb, the values that its parameters start from. Of a step, as for `Run`: record, workers, client, retries
        and so on; for a `BlockStep` as for its `plan`.

    Returns
    -------
    StepForm or VerbForm
        ``form.code`` is what repeats the run; ``form.write()`` puts it into a new cell. ``form.start()`` and
        ``form.preview()`` are the buttons.

    Raises
    ------
    BadRequest
        If a step that is no `BlockStep` comes without blocks, or a verb has no such parameter.
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

    >>> from ndlab.analyze import count_in_blocks
    >>> from ndlab.samples import toy
    >>> form = cell(count_in_blocks, toy().volume("labels"), block=(5, 10, 15))
    >>> print(form.code)
    from ndlab import analyze
    <BLANKLINE>
    result = analyze.count_in_blocks(labels, block=(5, 10, 15))
    >>> form.start()
    >>> len(form.wait()), form.receipt.state
    (12, 'done')
    """
    from ndlab.pipeline import Step

    try:
        from ndlab.explore.step_form import StepForm
        from ndlab.explore.verb_form import VerbForm
    except ModuleNotFoundError as error:
        raise Unsupported(
            "a form was to be shown", f"{error.name} is not installed",
            "pip install 'ndlab[lab]', or use Run(step, blocks).run(), or call the verb", feature="widgets",
        ) from error  # fmt: skip
    if not isinstance(what, Step):
        return _verb(VerbForm, what, inputs, box, options)
    blocks = inputs[0] if inputs else options.pop("blocks", None)
    if blocks is None and not hasattr(what, "plan"):
        raise BadRequest(
            f"step {what.name!r} was to be shown as a form", "nobody knows its blocks", "pass them: cell(step, grid)"
        )
    return StepForm(what, blocks, box, options)


def _verb(form: type[VerbForm], verb: Any, inputs: tuple[Any, ...], box: Box | None, given: dict[str, Any]) -> VerbForm:
    import inspect

    from ndlab.explore.call import Call

    if not callable(verb):
        raise BadRequest(f"a form of {verb!r} was asked for", "it is neither a step nor a function",
                         "pass a Step, or a verb such as analyze.peters_rule")  # fmt: skip
    own = {"box": box} if box is not None and "box" in inspect.signature(verb).parameters else {}
    return form(Call(verb, inputs, {**given, **own}), box)
