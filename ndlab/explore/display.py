"""How what stands on lower floors displays itself in a notebook: told to IPython from above."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ndlab.pipeline import Run
    from ndlab.volume import Volume

__all__ = ["register"]


def register(shell: Any = None) -> bool:
    """Have a `Run` or a `Volume` at the end of a cell display itself as a widget; return whether there is a notebook.

    Parameters
    ----------
    shell : IPython shell, optional
        The current one unless given. Only one with a kernel has widgets.

    Examples
    --------
    >>> register()
    False
    """
    if shell is None:
        import sys

        ipython = sys.modules.get("IPython")
        shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return False
    # By name, so that nothing is imported before there is something to show.
    formatter = shell.display_formatter.mimebundle_formatter
    formatter.for_type_by_name("ndlab.pipeline.run", "Run", _run_bundle)
    formatter.for_type_by_name("ndlab.volume", "Volume", _volume_bundle)
    return True


def _run_bundle(run: Run, **options: Any) -> Any:
    from ndlab.explore.run import widget_of

    return widget_of(run)._repr_mimebundle_(**options)


def _volume_bundle(volume: Volume, **options: Any) -> Any:
    """Show a volume in the Image Explorer; IPython adds the summary as HTML, for pages that run nothing."""
    from ndlab.errors import NdlabError
    from ndlab.explore.image import image

    try:
        return image(volume)._repr_mimebundle_(**options)
    except (NdlabError, OSError):  # Its summary shows itself, whatever it is that keeps its voxels from it.
        return None
