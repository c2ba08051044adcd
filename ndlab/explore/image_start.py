"""What a view begins with: ids of its tiles, what is known of its volumes, the first state, points as bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from ndlab.errors import NdlabError
from ndlab.explore import served, view_state
from ndlab.explore.changes import mark_of
from ndlab.explore.layers import Source
from ndlab.explore.stored import stored
from ndlab.explore.view_state import State
from ndlab.store.freshness import is_remote
from ndlab.volume import Volume

__all__ = ["Start"]


class Start:
    """Registers the volumes of a view with the tile service, and asks it what a page has to know.

    Attributes
    ----------
    keys : dict
        The id that tiles are asked by, for each layer with a volume.
    infos : dict
        What the service says of each.
    marks : dict
        What differs once a volume is written.
    stored : dict
        Where a page can read volumes by itself, for those that lie on the web.
    shapes : dict
        Points and boxes as float32 (z, y, x) [nm], ids as uint64.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self.keys: dict[str, str] = {}
        self.infos: dict[str, dict[str, Any]] = {}
        self.marks: dict[str, Hashable] = {}
        self.stored: dict[str, dict[str, Any]] = {}
        self._held: list[Volume] = []
        try:
            for name, source in sources.items():
                if source.volume is not None:
                    self._hold(name, source.volume)
        except (NdlabError, OSError):
            self.give_back()
            raise
        self.shapes = {name: _bytes_of(one) for name, one in sources.items() if one.shapes is not None}

    def _hold(self, name: str, volume: Volume) -> None:
        self.keys[name] = served.hold(volume)
        self._held.append(volume)
        self.marks[name] = mark_of(volume), served.service().found(self.keys[name])
        self.infos[name] = self.info(self.keys[name])
        with contextlib.suppress(NdlabError):  # A level that cannot be opened is not for pages either.
            if (where := stored(volume, self.infos[name]["kind"] == "labels")) is not None:
                self.stored[name] = where
                self.infos[name] |= {"stored": where}

    def give_back(self) -> None:
        """Serve the volumes no more."""
        for volume in self._held:
            served.release(volume)
        self._held.clear()

    @staticmethod
    def info(key: str, wait: bool = False) -> dict[str, Any]:
        """Return what a page has to know of a volume now; without `wait` the window of a remote one comes later."""
        return served.service().info(key, wait) | {"key": key}

    def state(self, width: int, height: int) -> State:
        """Return the state of a view that nobody has touched: all of the first image, its middle plane."""
        layers = [
            view_state.new_layer(name, one.kind, **one.shown, **self._own_window(one))
            for name, one in self._sources.items()
        ]
        kinds = {name: one.kind for name, one in self._sources.items()}
        return view_state.fitting(view_state.checked({"layers": layers}, kinds), self.infos, width, height)

    def _own_window(self, source: Source) -> dict[str, Any]:
        """Return the window of a channel that has none: that of the volume is its first channel's."""
        channel = source.shown.get("channel", 0)
        if not channel or source.volume is None or "window" in source.shown:
            return {}
        if self.infos[source.name]["channels"][channel]["window"]:
            return {}
        found = served.service().window(self.keys[source.name], channel)
        # Of a remote volume it becomes known as the channel's own, once it is found.
        return {} if found is None or is_remote(source.volume.url) else {"window": list(found)}


def _bytes_of(source: Source) -> dict[str, Any]:
    numbers, ids = np.asarray(source.shapes, "<f4"), np.asarray(source.ids, "<u8")
    return {"data": memoryview(numbers.tobytes()), "ids": memoryview(ids.tobytes())}
