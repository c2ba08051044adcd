"""How what stands on lower floors displays itself in a notebook: told to IPython from above."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ndlab.pipeline import Run

__all__ = ["register"]


def register(shell: Any = None) -> bool:
    """Have a `Run` at the end of a cell display itself as a widget; return whether there is a notebook to do so in.

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
    # By name, so that nothing is imported before a Run exists.
    shell.display_formatter.mimebundle_formatter.for_type_by_name("ndlab.pipeline.run", "Run", _run_bundle)
    return True


def _run_bundle(run: Run, **options: Any) -> Any:
    from ndlab.explore.run import widget_of

    return widget_of(run)._repr_mimebundle_(**options)
