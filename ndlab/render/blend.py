"""Layers over each other, as the browser's shaders draw them: this is what they are held to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ndlab.errors import BadRequest
from ndlab.render.colors import label_colors, parse
from ndlab.render.outline import among, outline
from ndlab.render.window import scaled

__all__ = ["Blend", "Layer", "Style", "compose"]

Array = np.ndarray[Any, Any]
Blend = Literal["normal", "additive", "subtractive", "multiply"]
Style = Literal["fill", "outline", "both"]
_BLENDS = ("normal", "additive", "subtractive", "multiply")
_STYLES = ("fill", "outline", "both")


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a picture.

    Attributes
    ----------
    values : ndarray, shape (y, x)
        Numbers of an image, or ids.
    kind : {"image", "labels"}
    window : (float, float)
        Values that are black and white; needed for images.
    gamma : float
        Power of the brightness.
    invert : bool
        Exchange black and white, after `gamma`.
    color : str, optional
        What white becomes: ``"RRGGBB"`` or one of C M Y R G B.
    opacity : float
        0 to 1.
    blend : {"normal", "additive", "subtractive", "multiply"}
        Labels are always normal.
    style : {"fill", "outline", "both"}
        How ids are drawn; both is the fill at half opacity under the outline.
    hidden, only : collection of int
        Ids that are not drawn; the only ones that are, unless None.
    inside : ndarray of bool, shape (y, x), optional
        Where the layer has data; elsewhere, and where an image is NaN, it is clear.
    """

    values: Array = field(repr=False)
    kind: Literal["image", "labels"] = "image"
    window: tuple[float, float] | None = None
    gamma: float = 1.0
    invert: bool = False
    color: str | None = None
    opacity: float = 1.0
    blend: Blend = "normal"
    style: Style = "fill"
    hidden: Collection[int] = ()
    only: Collection[int] | None = None
    inside: Array | None = field(default=None, repr=False)


def compose(layers: Sequence[Layer]) -> Array:
    """RGBA of layers over each other, bottom first, on black.

    With brightness v of `ndlab.render.window.scaled`, colour rgb = v · tint, opacity a and what lies below:
    normal rgb·a + below·(1 - a); additive below + rgb·a; subtractive below - rgb·a; multiply
    below·(1 - a + rgb·a); each clipped to 0 and 1.

    Parameters
    ----------
    layers : sequence of Layer
        All of one shape (y, x).

    Returns
    -------
    ndarray of uint8, shape (y, x, 4)
        Rounded once, after the last layer; alpha is 255.

    Examples
    --------
    >>> em = Layer(np.array([[0, 128, 255]], "u1"), window=(0, 255))
    >>> cells = Layer(np.array([[0, 1, 1]], "u8"), kind="labels", opacity=0.5)
    >>> compose([em, cells])[0, :, :3].tolist()
    [[0, 0, 0], [84, 177, 75], [147, 240, 138]]
    """
    if not layers:
        raise BadRequest("a picture of no layers", "it takes at least one", "pass compose([Layer(values, ...)])")
    out = np.zeros((*layers[0].values.shape, 3))
    for layer in layers:
        _check(layer, out.shape[:2])
        drawn = _labels(layer) if layer.kind == "labels" else [_image(layer)]
        for rgb, a in drawn:
            out = _put(out, rgb, a[..., None], "normal" if layer.kind == "labels" else layer.blend)
    rgba = np.full((*out.shape[:2], 4), 255, np.uint8)
    rgba[..., :3] = np.floor(255 * out + 0.5)
    return rgba


def _check(layer: Layer, shape: tuple[int, ...]) -> None:
    if layer.values.ndim != 2 or layer.values.shape != shape:
        raise BadRequest(f"a layer of shape {layer.values.shape}", f"the lowest is {shape}, and all are (y, x) alike")
    if layer.inside is not None and layer.inside.shape != shape:
        raise BadRequest(f"inside of shape {layer.inside.shape}", f"the layer is {shape}")
    for what, value, known in (("blend", layer.blend, _BLENDS), ("style", layer.style, _STYLES),
                               ("kind", layer.kind, ("image", "labels"))):  # fmt: skip
        if value not in known:
            raise BadRequest(f"{what} {value!r}", f"it is one of {', '.join(known)}")
    if not 0 <= layer.opacity <= 1:
        raise BadRequest(f"opacity {layer.opacity:g}", "it is 0 (clear) to 1")
    if layer.kind == "image" and layer.window is None:
        raise BadRequest("an image layer without a window", "a window says which values are black and white",
                         "pass Layer(values, window=render.window(volume))")  # fmt: skip


def _image(layer: Layer) -> tuple[Array, Array]:
    assert layer.window is not None
    bright = scaled(layer.values, layer.window, layer.gamma, layer.invert)
    known = ~np.isnan(bright)
    tint = np.array(parse(layer.color) if layer.color else (255, 255, 255)) / 255
    return np.where(known, bright, 0)[..., None] * tint, _alpha(layer, known)


def _labels(layer: Layer) -> list[tuple[Array, Array]]:
    shown = layer.values != 0
    if len(layer.hidden):
        shown &= ~among(layer.values, layer.hidden)
    if layer.only is not None:
        shown &= among(layer.values, layer.only)
    rgb = label_colors(layer.values)[..., :3] / 255
    fill, edge = _alpha(layer, shown), _alpha(layer, shown & outline(layer.values))
    return {"fill": [(rgb, fill)], "outline": [(rgb, edge)], "both": [(rgb, fill / 2), (rgb, edge)]}[layer.style]


def _alpha(layer: Layer, drawn: Array) -> Array:
    where = drawn if layer.inside is None else drawn & layer.inside
    return np.where(where, layer.opacity, 0.0)


def _put(below: Array, rgb: Array, a: Array, blend: Blend) -> Array:
    found: Array
    if blend == "additive":
        found = np.minimum(1, below + rgb * a)
    elif blend == "subtractive":
        found = np.maximum(0, below - rgb * a)
    elif blend == "multiply":
        found = below * (1 - a + rgb * a)
    else:
        found = rgb * a + below * (1 - a)
    return found
