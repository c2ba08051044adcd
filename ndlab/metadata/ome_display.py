"""Channels (``omero``) and label colours (``image-label``) of an OME-Zarr image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.metadata.model import Channel, LabelInfo

__all__ = ["read_channels", "read_labels"]


def read_channels(body: Mapping[str, Any], attrs: Mapping[str, Any]) -> tuple[Channel, ...]:
    """Read the channels: of ``omero``, else of ndlab's own key."""
    omero = body.get("omero")
    if not isinstance(omero, Mapping):
        # What 0.4 cannot hold (a channel without a window) is kept under ndlab's own key by `write_ome`.
        own = attrs.get("ndlab")
        omero = own if isinstance(own, Mapping) else {}
    return tuple(_channel(c) for c in omero.get("channels") or () if isinstance(c, Mapping))


def _channel(entry: Mapping[str, Any]) -> Channel:
    window = entry.get("window")
    window = window if isinstance(window, Mapping) else {}
    label = entry.get("label")
    return Channel(
        name="" if label is None else str(label),
        window=_pair(window, "start", "end"),
        limits=_pair(window, "min", "max"),
        color=_color(entry.get("color")),
    )


def _pair(window: Mapping[str, Any], low: str, high: str) -> tuple[float, float] | None:
    a, b = window.get(low), window.get(high)
    ok = isinstance(a, (int, float)) and isinstance(b, (int, float))
    return (a, b) if ok else None  # type: ignore[return-value]


def _color(value: Any) -> str | None:
    """Colour as ``"RRGGBB"``; a leading #, alpha and the integers of old writers are accepted."""
    text = f"{value:06X}" if isinstance(value, int) and not isinstance(value, bool) else str(value or "").lstrip("#")
    return text[:6].upper() if re.fullmatch(r"[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?", text) else None


def read_labels(entry: Any, notes: list[str]) -> LabelInfo | None:
    """Read ``image-label``, None where it is absent; what cannot be used is told in `notes`."""
    if entry is None:
        return None
    entry = entry if isinstance(entry, Mapping) else {}
    colors = []
    for item in entry.get("colors") or ():
        value, rgba = item.get("label-value"), item.get("rgba")
        if isinstance(rgba, Sequence) and len(rgba) == 4 and value is not None and int(value) == value:
            red, green, blue, alpha = map(int, rgba)
            colors.append((int(value), (red, green, blue, alpha)))
        else:
            notes.append(f"label colour {item!r} has no whole label-value with four rgba numbers and is left out")
    source = entry.get("source")
    image = source.get("image") if isinstance(source, Mapping) else None
    return LabelInfo(
        colors=tuple(colors),
        properties=tuple(dict(p) for p in entry.get("properties") or ()),
        source=None if image is None else str(image),
    )
