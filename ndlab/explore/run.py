"""A Run in a notebook cell, or what became of one that an earlier kernel began."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ndlab.errors import BadRequest, Unsupported

if TYPE_CHECKING:
    from ndlab.explore.kept import Kept
    from ndlab.explore.widget import RunWidget
    from ndlab.pipeline import Run
    from ndlab.volume import Volume

__all__ = ["run", "widget_of"]


def run(
    run: Run | Volume | str | os.PathLike[str],
    *,
    name: str | None = None,
    start: bool | None = None,
    preview: Volume | None = None,
    z: int | None = None,
) -> RunWidget:
    """Show a Run as a widget and start it in the background, so that the kernel stays free.

    A Run whose record shows work done, by a kernel that is gone, goes on from there; one that another process is at
    is followed. Where the Run itself is gone with its kernel, the address of what it wrote finds it again: it is
    shown as its record has it, with the blocks that failed and the receipt, followed if a process is at it, and has
    a button to go on if its function can be imported. Unlike a Run, it is not started by being shown.

    The widget says what is done on what and with which parameters, how fast and how long still, draws a map of the
    blocks, fills in a plane of the output, and has buttons to stop, to resume and to see why blocks failed.

    Parameters
    ----------
    run : Run, Volume, str or path
        What to show; or what it wrote, or its record, a ``.jsonl`` file.
    name : str, optional
        Of the step, where several wrote to one address.
    start : bool, optional
        Whether to start it now, as a Run is unless said otherwise; else the widget has a button that does.
    preview : Volume, optional
        What the Run writes; without it the output of its step, or the volume among its parameters that is no input.
    z : int, optional
        Which plane to preview, in voxels; the middle one unless said.

    Returns
    -------
    RunWidget

    Raises
    ------
    Unsupported
        Where anywidget is not installed.
    NotFound
        If no Run is recorded at the address.
    BadRequest
        If several are, or `start` was asked for and this kernel cannot go on.

    Examples
    --------
    >>> from ndlab.geometry import Grid
    >>> from ndlab.pipeline import Run, Step
    >>> shown = run(Run(Step("size", lambda block: block.size), Grid((4, 4, 6), (4, 4, 4)), workers=2))
    >>> shown.run.wait().done
    2

    In the next kernel ``explore.run("smooth.ome.zarr")`` shows what wrote that.
    """
    from ndlab.pipeline import Run

    if isinstance(run, Run):
        widget = widget_of(run, preview, z)
    else:
        from ndlab.explore.attached import attached

        _need_widgets()
        widget = widget_of(attached(run, name), preview, z)
    if isinstance(run, Run) if start is None else start:
        _start(widget)
    return widget


def _start(widget: RunWidget) -> None:
    from ndlab.pipeline import Run

    if not isinstance(widget.run, Run) and widget.status["phase"] in ("ready", "stopped", "failed"):
        raise BadRequest(f"step {widget.run.step!r} was to be started from its record", widget.run.hint or "")
    widget.watch.start()


def widget_of(run: Run | Kept, preview: Volume | None = None, z: int | None = None) -> RunWidget:
    """Return a widget that shows a Run and leaves it as it is."""
    _need_widgets()
    from ndlab.explore.facts import block_hull, output_volume
    from ndlab.explore.preview import Preview
    from ndlab.explore.subject import code_of
    from ndlab.explore.widget import RunWidget
    from ndlab.pipeline import Run

    volume, code = (output_volume(run), code_of(run)) if isinstance(run, Run) else (run.output(), None)
    volume = volume if preview is None else preview
    shown = None if volume is None or not len(run.blocks) else Preview(volume, block_hull(run.blocks), z)
    return RunWidget(run, shown, code)


def _need_widgets() -> None:
    try:
        import anywidget  # noqa: F401
    except ModuleNotFoundError as error:
        raise Unsupported(
            "a Run was to be shown as a widget",
            f"{error.name} is not installed",
            "pip install 'ndlab[lab]', or call run.run() and look at its receipt",
            feature="widgets",
        ) from error
