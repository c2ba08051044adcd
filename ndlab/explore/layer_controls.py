"""How one layer is shown, as traits of a widget: observe, interact and jslink work on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ipywidgets  # noqa: TID253 - only `image` imports this module, when a view is shown
import traitlets

from ndlab.errors import NotFound
from ndlab.explore.picture import window_of
from ndlab.explore.view_state import State

__all__ = ["LayerControl", "LayerControls"]

# Tells ipywidgets to send a trait to the page.
_SYNC = {"sync": True}


class LayerControl(ipywidgets.Widget):  # type: ignore[misc]
    """How one layer is shown; only what its kind has means anything.

    `window` is the one in use, also where the state leaves it to the volume.
    """

    visible = traitlets.Bool(True).tag(**_SYNC)
    opacity = traitlets.CFloat(1.0).tag(**_SYNC)
    blend = traitlets.Unicode("normal").tag(**_SYNC)
    channel = traitlets.Int(0).tag(**_SYNC)
    z_offset = traitlets.Int(0).tag(**_SYNC)
    window = traitlets.Tuple(traitlets.CFloat(), traitlets.CFloat(), default_value=(0.0, 255.0)).tag(**_SYNC)
    gamma = traitlets.CFloat(1.0).tag(**_SYNC)
    invert = traitlets.Bool(False).tag(**_SYNC)
    color = traitlets.Unicode(None, allow_none=True).tag(**_SYNC)
    style = traitlets.Unicode("fill").tag(**_SYNC)
    hidden = traitlets.List(traitlets.Any()).tag(**_SYNC)
    isolated = traitlets.Bool(False).tag(**_SYNC)

    def __init__(
        self, name: str, layer: State, info: Mapping[str, Any] | None, change: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self.name, self.kind, self._info = name, layer["kind"], info
        self._change = change
        self._fields = [key for key in layer if key not in ("id", "kind")]
        super().__init__(**self._values(layer))
        self._taking = False
        self.observe(self._set, names=self._fields)

    def _values(self, layer: State) -> dict[str, Any]:
        values = {key: layer[key] for key in layer if key not in ("id", "kind")}
        if layer["kind"] == "image" and self._info is not None:
            low, high = window_of(layer, self._info)
            values["window"] = (float(low), float(high))
        return values

    def take(self, layer: State) -> None:
        """Follow the state."""
        self._taking = True
        try:
            with self.hold_sync():
                for key, value in self._values(layer).items():
                    self.set_trait(key, value)
        finally:
            self._taking = False

    def _set(self, event: Any) -> None:
        if not self._taking:
            value = list(event["new"]) if isinstance(event["new"], tuple) else event["new"]
            self._change(self.name, {event["name"]: value})

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={getattr(self, key)!r}" for key in self._fields)
        return f"{self.kind} {self.name!r}: {shown}"


class LayerControls(Mapping[str, LayerControl]):
    """The layers of a view by name, bottom to top; a control is made when it is asked for."""

    def __init__(
        self,
        state: Callable[[], State],
        infos: Callable[[], Mapping[str, Any]],
        change: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._state, self._infos, self._change = state, infos, change
        self._made: dict[str, LayerControl] = {}

    def __getitem__(self, name: str) -> LayerControl:
        if name not in self._made:
            layer = next((one for one in self._state()["layers"] if one["id"] == name), None)
            if layer is None:
                raise NotFound(f"no layer is called {name!r}", f"there are {', '.join(map(repr, self))}")
            self._made[name] = LayerControl(name, layer, self._infos().get(name), self._change)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return (layer["id"] for layer in self._state()["layers"])

    def __len__(self) -> int:
        return len(self._state()["layers"])

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __repr__(self) -> str:
        return "\n".join(f"{layer['kind']} {layer['id']!r}" for layer in self._state()["layers"])

    def take(self, state: State) -> None:
        """Have the controls follow the state."""
        for layer in state["layers"]:
            if layer["id"] in self._made:
                self._made[layer["id"]].take(layer)

    def close(self) -> None:
        """Close the controls' widgets."""
        for one in self._made.values():
            one.close()
