"""Two volumes in one place, one after the other: what jumps is what differs."""

from __future__ import annotations

from typing import Any

from ndlab.errors import Unsupported
from ndlab.explore.image import image

__all__ = ["flicker"]


def flicker(first: Any, second: Any, *, every: float = 0.6, **options: Any) -> Any:
    """Show two volumes in an Image Explorer that alternates between them, or blends them.

    Parameters
    ----------
    first, second : Volume or DataArray
        Of the same space: before and after, or a volume and what was registered to it.
    every : float
        Seconds that each is seen.
    **options
        As for `image`.

    Returns
    -------
    ipywidgets.VBox
        *Play* alternates, the slider blends; ``.view`` is the ImageView.

    Raises
    ------
    Unsupported
        Where ipywidgets is not installed.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> raw = toy().volume("image")
    >>> shown = flicker(raw, raw)
    >>> shown.blend.value = 0.25
    >>> shown.view.layers["second"].opacity
    0.25
    >>> shown.play.value = 1
    >>> shown.view.layers["second"].opacity
    1.0
    >>> shown.view.close()
    """
    try:
        import ipywidgets
    except ImportError:
        raise Unsupported("a flicker of two volumes", "it is a widget", "pip install 'ndlab[lab]'") from None
    view = image({"first": first, "second": second}, **options)
    play = ipywidgets.Play(min=0, max=1, step=1, interval=max(50, round(every * 1000)), value=0)
    for name in ("repeat", "loop"):  # called one or the other in different versions
        if play.has_trait(name):
            setattr(play, name, True)
    blend = ipywidgets.FloatSlider(min=0, max=1, step=0.05, value=1, description="second")
    top = view.layers["second"]
    blend.observe(lambda event: setattr(top, "opacity", event["new"]), "value")
    play.observe(lambda event: setattr(blend, "value", float(event["new"])), "value")
    box = ipywidgets.VBox([ipywidgets.HBox([play, blend]), view])
    box.view, box.play, box.blend = view, play, blend
    return box
