"""BokehJS out of Bokeh's own package: no page fetches it from anywhere else."""

from __future__ import annotations

__all__ = ["bokeh_source", "bokeh_version"]


def bokeh_version() -> str:
    """Return the version that pages know it by."""
    import bokeh

    return str(bokeh.__version__)


def bokeh_source() -> bytes:
    """Return BokehJS without widgets and tables, as it is evaluated in a page: 1.3 MB."""
    from bokeh.resources import INLINE

    return "\n".join(INLINE.js_raw[:1]).encode()
