"""Display windows into the metadata of a store that exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ndlab.metadata import Multiscale, write_ome
from ndlab.store.kv import Kv

__all__ = ["write_windows"]

Window = tuple[tuple[float, float], tuple[float, float]]


def write_windows(url: str, multiscale: Multiscale, found: Sequence[Window | None], attrs: Mapping[str, Any]) -> None:
    """Write the store's metadata again with a window and limits for each channel that has none yet.

    Parameters
    ----------
    found : sequence of (window, limits) or None
        One for each channel.
    attrs : mapping
        What `create` was given as such.
    """
    channels = tuple(
        replace(channel, window=new[0], limits=new[1]) if channel.window is None and new is not None else channel
        for channel, new in zip(multiscale.channels, found, strict=True)
    )
    written = write_ome(replace(multiscale, channels=channels), multiscale.version)
    own = written.pop("ndlab", {}) | dict(attrs)
    kv = Kv(url)
    if multiscale.version == "0.5":
        document = kv.read_json("zarr.json") or {}
        attributes = {**document.get("attributes", {}), **written, "ndlab": own}
        kv.write_json("zarr.json", {**document, "attributes": attributes})
    else:
        kv.write_json(".zattrs", {**(kv.read_json(".zattrs") or {}), **written, "ndlab": own})
