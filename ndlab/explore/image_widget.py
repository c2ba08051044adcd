"""The anywidget shell of the Image Explorer: traits, messages, and what Python asks of a view."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import traitlets

from ndlab.errors import BadRequest, NdlabError, Unsupported
from ndlab.explore import changes, links, named_views, served, view_state
from ndlab.explore.annotating import Annotating
from ndlab.explore.comm_tiles import CommTiles
from ndlab.explore.cutouts import cutout_code
from ndlab.explore.draw import Drawn
from ndlab.explore.image_messages import Messages, tables_of
from ndlab.explore.image_start import Start
from ndlab.explore.layer_controls import LayerControls
from ndlab.explore.layers import Source
from ndlab.explore.live import STATIC, LiveWidget
from ndlab.explore.named_views import NamedViews
from ndlab.explore.picture import render
from ndlab.explore.screenshot import Screenshot
from ndlab.explore.view_state import State
from ndlab.store.freshness import is_remote
from ndlab.volume import Volume

__all__ = ["ImageView"]

Array = np.ndarray[Any, Any]
_SYNC = {"sync": True}
# What reads stores in the page, for those that lie on the web.
_READER = STATIC / "zarr.js"
# The size of a picture that no page has drawn yet, in CSS pixels.
WIDTH, HEIGHT = 720, 480


class ImageView(LiveWidget):
    """Shows volumes in a notebook, and is told and tells what is on screen.

    An ipywidget: it sits in HBox, VBox and Tab; `observe`, `interact` and `jslink` work on its traits.

    Attributes
    ----------
    state : dict
        All of it, as JSON values; what is set is checked, and restores the view exactly.
    position : list of float
        Centre of the picture (z, y, x) [nm].
    selection : dict
        Selected ids by layer, as decimal strings; whole numbers may be set.
    layers : LayerControls
        How each layer is shown: ``view.layers["em"].window = 0, 200``.
    views : NamedViews
        States under names: ``view.views.save("a")``, ``view.views.show("a")``.
    drawn : Drawn
        Points, lines and boxes that were drawn, in a set of annotations by whomever; ``view.drawn.frame()`` is a table
        in nm.
    sources, volumes : dict
        What the layers show, by name.
    carrier : str or None
        How tiles reach the page.
    channel, linked : str, dict
        Where the page tells other views what is selected, and which layers take part: see `ndlab.explore.link`.
    """

    _esm = (STATIC / "image.js").read_text(encoding="utf-8")

    state = traitlets.Dict().tag(**_SYNC)
    infos = traitlets.Dict().tag(**_SYNC)
    selection = traitlets.Dict().tag(**_SYNC)
    position = traitlets.Any([0.0, 0.0, 0.0]).tag(**_SYNC)
    endpoint = traitlets.Dict(None, allow_none=True).tag(**_SYNC)
    transport = traitlets.Unicode("auto").tag(**_SYNC)
    reader = traitlets.Unicode().tag(**_SYNC)
    shapes = traitlets.Dict().tag(**_SYNC)
    status = traitlets.Dict().tag(**_SYNC)
    named = traitlets.Dict().tag(**_SYNC)
    height = traitlets.Int(HEIGHT).tag(**_SYNC)
    channel = traitlets.Unicode("").tag(**_SYNC)
    linked = traitlets.Dict().tag(**_SYNC)

    def __init__(
        self,
        sources: Sequence[Source],
        state: Mapping[str, Any] | None = None,
        *,
        metadata: Any = None,
        annotating: Annotating | None = None,
        height: int = HEIGHT,
        transport: str | None = None,
    ) -> None:
        transport = served.transport(transport)
        self.sources = {one.name: one for one in sources}
        self.kinds = {one.name: one.kind for one in sources}
        self.drawn = Drawn()
        tables = tables_of(metadata, self.kinds)
        start = Start(self.sources)
        self.tile_ids, self._marks = start.keys, start.marks
        try:
            first = start.state(WIDTH, height) if state is None else dict(state)
            first = view_state.checked(first, self.kinds, start.infos)
        except NdlabError:
            start.give_back()
            raise
        self._infos_now: dict[str, Any] = start.infos
        self._stored = start.stored
        # Until somebody touches it, it fits whatever size the page turns out to have.
        self._untouched = first if state is None else None
        self.views = NamedViews(self._checked, lambda: copy.deepcopy(self.state), self._show, self._tell_views)
        self.layers = LayerControls(lambda: self.state, lambda: self.infos, self._change_layer)
        super().__init__(
            state=first, infos=start.infos, selection=first["selection"], position=first["position"],
            endpoint=served.endpoint(transport), shapes=start.shapes, height=int(height), transport=transport,
            reader=_READER.read_text(encoding="utf-8") if start.stored and transport != "comm" else "",
        )  # fmt: skip
        self.layout.width = "100%"
        self.messages = Messages(self, tables, annotating)
        self.messages.take_drawn()
        self.tiles = CommTiles(served.service(), lambda message, buffers: self.send(dict(message), list(buffers)))
        self.on_msg(lambda widget, message, buffers: self._hear(message, buffers))

    # --- state ------------------------------------------------------------------------------------------------

    def _checked(self, state: Any) -> State:
        return view_state.checked(state, self.kinds, self._infos_now)

    @traitlets.validate("state")
    def _check_state(self, proposal: Any) -> State:
        return self._checked(proposal["value"])

    @traitlets.validate("selection")
    def _check_selection(self, proposal: Any) -> dict[str, list[str]]:
        return view_state.selected(proposal["value"], self.kinds)

    @traitlets.validate("position")
    def _check_position(self, proposal: Any) -> list[float]:
        return view_state.position_of(proposal["value"])

    @traitlets.observe("state")
    def _follow_state(self, event: Any) -> None:
        state = event["new"]
        self.set_trait("selection", state["selection"])
        self.set_trait("position", state["position"])
        self.layers.take(state)

    @traitlets.observe("status")
    def _fit_page(self, event: Any) -> None:
        if self._untouched is not None and event["new"].get("size") and self.state == self._untouched:
            first, self._untouched = self._untouched, None
            self.state = view_state.fitting(first, self.infos, *self.size)

    @traitlets.observe("position", "selection")
    def _follow_part(self, event: Any) -> None:
        if self.state and self.state[event["name"]] != event["new"]:
            self.state = self.state | {event["name"]: event["new"]}

    def _change_layer(self, name: str, values: dict[str, Any]) -> None:
        try:
            self.state = view_state.with_layer(self.state, name, **values)
        except NdlabError:
            self.layers.take(self.state)  # What was refused does not stay in the control.
            raise

    def _show(self, state: State) -> None:
        self.state = state

    def _tell_views(self) -> None:
        self.named = dict(self.views)

    @traitlets.validate("named")
    def _check_named(self, proposal: Any) -> dict[str, State]:
        return named_views.checked(proposal["value"], self._checked)

    @traitlets.observe("named")
    def _follow_named(self, event: Any) -> None:
        self.views.take(event["new"])  # The page keeps and drops views, too.

    @property
    def volumes(self) -> dict[str, Volume]:
        """The volumes by layer."""
        return {name: one.volume for name, one in self.sources.items() if one.volume is not None}

    def set(self, **values: Any) -> None:
        """Change parts of the state: ``view.set(layout="three", scale=8)``."""
        self.state = self.state | values

    def goto(self, z: float, y: float, x: float, *, unit: Literal["nm", "voxel"] = "nm") -> None:
        """Go to a position [nm], or to the centre of a voxel of the first image at its finest level.

        Raises
        ------
        BadRequest
            If the position is no number, or the unit is unknown.
        """
        if unit == "voxel":
            level = (view_state.reference(self.state, self.infos) or {})["levels"][0]
            size = level["voxel_size"] or (1.0, 1.0, 1.0)
            corner = level["offset"]
            z, y, x = (o + (i + 0.5) * s for i, s, o in zip((z, y, x), size, corner, strict=True))
        elif unit != "nm":
            raise BadRequest(f"unit {unit!r}", "it is nm or voxel")
        self.position = [z, y, x]

    # --- pictures ---------------------------------------------------------------------------------------------

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in CSS pixels, as the page says; before that, what is usual."""
        found = self.status.get("size")
        return (int(found[0]), int(found[1])) if found else (WIDTH, self.height)

    @property
    def carrier(self) -> str | None:
        """How tiles reach the page: "http", "comm" or "zarr", as the page says; None before it is there."""
        found = self.status.get("transport")
        return None if found is None else str(found)

    def render(
        self, width: int | None = None, height: int | None = None, *, ratio: float = 1.0, state: Any = None
    ) -> Array:
        """Return the picture of the state computed here: RGBA, uint8, shape (height, width, 4).

        It is what the page is held to: the same level, the same voxel for each pixel; volumes only, without points,
        boxes, marker and scale bar.

        Parameters
        ----------
        width, height : int, optional
            CSS pixels; those of the page unless given.
        ratio : float
            Pixels for each CSS pixel.
        state : dict, optional
            Another state, e.g. ``view.views["a"]``.
        """
        self.look(wait=True)
        shown = self.state if state is None else self._checked(state)
        w, h = self.size
        return render(shown, self.sources, self.infos, width or w, height or h, ratio)

    def png(self, width: int | None = None, height: int | None = None, *, state: Any = None) -> bytes:
        """Return `render` as PNG."""
        from ndlab.render import png

        return png(self.render(width, height, state=state)[..., :3])

    def screenshot(self, *, seconds: float = 10.0) -> Screenshot:
        """Ask the page for what it shows, and return at once; ``.result()`` waits for the PNG, as ``await`` does.

        Where no page answers within `seconds`, it is the picture of `render`.
        """
        return self.messages.shoot(self.png, seconds)

    def cutout(self) -> str:
        """Return code that reads the voxels on screen: of each visible volume, at the level that is shown."""
        return cutout_code(self.state, self.sources, self.infos, *self.size)

    # --- elsewhere --------------------------------------------------------------------------------------------

    def neuroglancer(self, **options: Any) -> links.Link:
        """Return the view as a neuroglancer state and address; options as for `ndlab.explore.links.neuroglancer`."""
        return links.neuroglancer(self.state, self.sources, self.infos, **options)

    def napari(self) -> Any:
        """Show the layers in napari, which has windows of its own, and return its viewer.

        Raises
        ------
        Unsupported
            Where napari is not installed, with the code that would show it.
        """
        code = links.napari_code(self.state, self.sources, self.infos)
        found: dict[str, Any] = {"layers": self.sources}
        try:
            exec(compile(code, "<napari>", "exec"), found)
        except ModuleNotFoundError as error:
            raise Unsupported(
                "a view was to be shown in napari",
                f"{error.name} is not installed",
                f"pip install 'napari[all]', or where it is installed run, with layers = view.sources:\n\n{code}",
                feature="napari",
            ) from error
        return found["viewer"]

    def project(self, name: str = "", caption: str = "") -> dict[str, Any]:
        """Return layers, state and named views as JSON values; ``ndlab.explore.project`` opens them again."""
        return named_views.project(self.sources, self.state, self.views, name, caption)

    def save(self, path: Any, name: str = "", caption: str = "") -> Any:
        """Write `project` to a file, and return its path."""
        return named_views.saved(self.project(name, caption), path)

    # --- the page ---------------------------------------------------------------------------------------------

    def _hear(self, message: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        if not self.tiles.receive(message):
            self.messages.receive(message, buffers)

    def look(self, wait: bool = False) -> None:
        """See whether a volume was written, or a window found, since the last look, and tell the page.

        With `wait` windows that are not found yet are waited for.
        """
        found = dict(self._infos_now)
        changed, tiles = [], served.service()
        for name, volume in self.volumes.items():
            key = self.tile_ids[name]
            mark = changes.mark_of(volume), tiles.found(key)
            if mark != self._marks[name] or (wait and is_remote(volume.url)):
                found[name] = Start.info(key, wait)
                self._marks[name] = mark
                if name in self._stored:
                    found[name]["stored"] = self._stored[name]
                changed.append(name)
        before = self._infos_now
        if found != before:
            self._infos_now = found
            self.infos = found
        for name in changed:
            if found[name]["version"] != before[name]["version"]:
                self.send({"t": "changed", "layer": name, "version": found[name]["version"]})
        self.messages.take_drawn()

    def undo(self) -> bool:
        """Take the last brush stroke back, in a set of annotations this view's last change; return if there was one."""
        return self.messages.undo()

    def close(self) -> None:
        """Close the view; its volumes are served no more."""
        if sys.is_finalizing():  # Nothing can be loaded any more, and all of it goes anyway.
            return
        if self.comm is not None and getattr(self, "tile_ids", None):
            changes.unfollow(self)
            self.messages.close()
            self.tiles.close()
            self.layers.close()
            for volume in self.volumes.values():
                served.release(volume)
            self.tile_ids = {}
        super().close()

    def __repr__(self) -> str:
        shown = ", ".join(f"{layer['kind']} {layer['id']!r}" for layer in self.state["layers"])
        z, y, x = self.state["position"]
        return f"ImageView of {shown}, {self.state['layout']} at z {z:g}, y {y:g}, x {x:g} nm"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        found = super()._repr_mimebundle_(**options)
        if found is not None and (still := self.messages.still(self.png)) is not None:
            # For pages that show notebooks and run none.
            found[0]["image/png"] = still
            found[0]["text/plain"] = repr(self)
        return found
