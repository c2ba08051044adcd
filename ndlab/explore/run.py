"""A Run in a notebook cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ndlab.errors import Unsupported

if TYPE_CHECKING:
    from ndlab.explore.widget import RunWidget
    from ndlab.pipeline import Run
    from ndlab.volume import Volume

__all__ = ["run", "widget_of"]


def run(run: Run, *, start: bool = True, preview: Volume | None = None, z: int | None = None) -> RunWidget:
    """Show a Run as a widget and start it in the background, so that the kernel stays free.

    A Run whose record shows work done, by a kernel that is gone, goes on from there; one that another process is at
    is followed.

    The widget says what is done on what and with which parameters, how fast and how long still, draws a map of the
    blocks, fills in a plane of the output, and has buttons to stop, to resume and to see why blocks failed.

    Parameters
    ----------
    run : Run
    start : bool
        Whether to start it now; else the widget has a button that does.
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

    Examples
    --------
    >>> from ndlab.geometry import Grid
    >>> from ndlab.pipeline import Run, Step
    >>> shown = run(Run(Step("size", lambda block: block.size), Grid((4, 4, 6), (4, 4, 4)), workers=2))
    >>> shown.run.wait().done
    2
    """
    widget = widget_of(run, preview, z)
    if start:
        widget.watch.start()
    return widget


def widget_of(run: Run, preview: Volume | None = None, z: int | None = None) -> RunWidget:
    """Return a widget that shows a Run and leaves it as it is."""
    try:
        from ndlab.explore.widget import RunWidget
    except ModuleNotFoundError as error:
        raise Unsupported(
            "a Run was to be shown as a widget",
            f"{error.name} is not installed",
            "pip install 'ndlab[lab]', or call run.run() and look at its receipt",
            feature="widgets",
        ) from error
    from ndlab.explore.facts import block_hull, output_volume
    from ndlab.explore.preview import Preview

    volume = output_volume(run) if preview is None else preview
    shown = None if volume is None or not len(run.blocks) else Preview(volume, block_hull(run), z)
    return RunWidget(run, shown)
