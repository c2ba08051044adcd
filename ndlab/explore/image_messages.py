"""What the page of an Image Explorer tells the kernel, and what it is answered; errors become words on the page."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest, NdlabError
from ndlab.explore import changes
from ndlab.explore.draw import Brush, drawing
from ndlab.explore.known import is_annotations, object_facts
from ndlab.explore.screenshot import Screenshot
from ndlab.explore.settling import Settling
from ndlab.explore.view_state import ids_of, position_of

if TYPE_CHECKING:
    from ndlab.explore.annotating import Annotating
    from ndlab.explore.image_widget import ImageView
    from ndlab.volume import Volume

__all__ = ["Messages", "facts_of", "tables_of"]

# The still picture of a saved notebook may hold a cell up this long.
_STILL_SECONDS = 1.5


class Messages:
    """Acts on what the page of a view says.

    Parameters
    ----------
    view : ImageView
    tables : mapping
        What is known of the ids of each layer, as `tables_of` gives it.
    annotating : Annotating, optional
        What is drawn goes there; without it into ``view.drawn``, and strokes into the volumes.
    """

    def __init__(self, view: ImageView, tables: Mapping[str, Any], annotating: Annotating | None = None) -> None:
        self._view, self._metadata, self._annotating = view, tables, annotating
        self._brush = Brush()
        self._shots: dict[int, Screenshot] = {}
        self._numbers = itertools.count(1)
        self._settling = Settling(self._update_levels, view.look, self._lag)
        self.there = False

    def receive(self, message: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        """Act on a message; one that nobody knows is ignored, and a mistake is said on the page."""
        act: dict[str, Callable[[], Any]] = {
            "hello": self._hello,
            "pick": lambda: self._pick(message),
            "histogram": lambda: self._histogram(message),
            "draw": lambda: self._draw(message),
            "undo": self._undo_on_page,
            "shot": lambda: self._shot(message, buffers),
        }
        try:
            act.get(str(message.get("t")), lambda: None)()
        except (NdlabError, OSError, MemoryError) as error:
            self._view.send({"t": "error", "message": str(error)})

    def _hello(self) -> None:
        self.there = True
        changes.follow(self._view)
        if self._view.drawn:
            self._tell_drawn()

    # --- picking ----------------------------------------------------------------------------------------------

    def _pick(self, message: Mapping[str, Any]) -> None:
        layer, number = str(message.get("layer")), ids_of("id", [message.get("id")])[0]
        values = facts_of(self._metadata.get(layer), int(number))
        self._view.send({"t": "facts", "layer": layer, "id": number, "values": values})

    def _histogram(self, message: Mapping[str, Any]) -> None:
        """Count the values of an image; beside what the kernel does, for a remote store takes its time."""
        name = str(message.get("layer"))
        volume = self._view.volumes.get(name)
        if volume is None or self._view.kinds[name] != "image":
            images = ", ".join(one for one, kind in self._view.kinds.items() if kind == "image") or "none"
            raise BadRequest(f"a histogram of {name!r}", f"images have one; there are {images}")
        info = self._view.infos[name]
        t = _index(message.get("time"), info["times"])
        c = _index(message.get("channel"), len(info["channels"]))
        threading.Thread(target=self._count, args=(name, volume, t, c), name="ndlab-histogram", daemon=True).start()

    def _count(self, name: str, volume: Volume, t: int, c: int) -> None:
        from ndlab.render import histogram

        try:
            found = histogram(volume, t, c).to_json()
        except (NdlabError, OSError, MemoryError) as error:
            self._view.send({"t": "error", "message": f"no histogram of {name}: {error}"})
            return
        self._view.send({"t": "histogram", "layer": name, "time": t, "channel": c} | found)

    # --- drawing ----------------------------------------------------------------------------------------------

    def _draw(self, message: Mapping[str, Any]) -> None:
        if message.get("kind") == "brush":
            self.paint(message)
            return
        if self._annotating is not None:
            self._annotating.draw(drawing(message))
            self.take_drawn()
            return
        self._view.drawn.append(drawing(message, self._view.drawn.next_id()))
        self._tell_drawn()

    def take_drawn(self) -> None:
        """Take over what is drawn in the set of annotations, if anybody wrote there since."""
        found = None if self._annotating is None else self._annotating.news()
        if found is not None and found != self._view.drawn:
            self._view.drawn[:] = found
            self._tell_drawn()

    def _tell_drawn(self) -> None:
        drawn = [{"id": str(one.id), "kind": one.kind, "points": one.points} for one in self._view.drawn]
        self._view.send({"t": "drawn", "drawn": drawn})

    def paint(self, message: Mapping[str, Any]) -> None:
        """Paint an id along a line into the labels of a layer."""
        view = self._view
        name = str(message.get("layer"))
        volume = view.volumes.get(name)
        if volume is None or view.kinds.get(name) != "labels":
            labels = ", ".join(one for one, kind in view.kinds.items() if kind == "labels") or "none"
            raise BadRequest(f"a brush over {name!r}", f"labels are painted; there are {labels}")
        level = view.infos[name]["levels"][0]
        layer = next(one for one in view.state["layers"] if one["id"] == name)
        points = [position_of(one) for one in message.get("points") or ()]
        number = int(ids_of("id", [message.get("id", "1")])[0])
        how: dict[str, Any] = {
            "radius": float(message.get("radius", 0)),
            "plane": str(message.get("plane", "xy")),
            "calibrated": (level["voxel_size"] or (1.0, 1.0, 1.0), level["offset"]),
        }
        if self._annotating is not None:
            self._annotating.paint(volume, points, number, **how)
        else:
            t = min(view.state["t"], view.infos[name]["times"] - 1)
            self._brush.paint(volume, points, number, t=t, c=layer["channel"], **how)
        self._changed([volume])

    def undo(self) -> bool:
        """Take back the last stroke, of a set of annotations the last change of this view; tell if there was one."""
        if self._annotating is not None:
            undone = self._annotating.undo()
            if undone:
                self.take_drawn()
                self._changed(list(filter(self._annotating.owns, self._view.volumes.values())))
            return undone
        stroke = self._brush.undo()
        if stroke is not None:
            self._changed([stroke.volume])
        return stroke is not None

    def _undo_on_page(self) -> None:
        if not self.undo() and self._view.drawn and self._annotating is None:
            self._view.drawn.pop()
            self._tell_drawn()

    def _changed(self, volumes: Sequence[Volume]) -> None:
        self._view.look()
        self._settling.soon(volumes)

    def _update_levels(self, volume: Volume) -> None:
        if self._annotating is not None:
            self._annotating.update_levels(volume)
        else:
            volume.update_levels(workers=1)

    def _lag(self, error: Exception) -> None:
        self._view.send({"t": "error", "message": f"coarser levels lag behind: {error}"})

    def close(self) -> None:
        """End what is under way: coarser levels that wait for the brush to rest are made now."""
        self._settling.close()

    # --- pictures ---------------------------------------------------------------------------------------------

    def shoot(self, instead: Callable[[], bytes], seconds: float) -> Screenshot:
        """Ask the page for its picture."""
        if not self.there:
            return Screenshot(instead, 0)
        number = next(self._numbers)
        # The answer may come before this returns.
        shot = self._shots[number] = Screenshot(instead, seconds)
        self._view.send({"t": "shoot", "n": number})
        return shot

    def _shot(self, message: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        shot = self._shots.pop(int(message.get("n", 0)), None)
        if shot is not None and buffers:
            shot.take(bytes(buffers[0]))

    def still(self, make: Callable[[], bytes]) -> str | None:
        """Return a PNG as base64, None if it cannot be had in a moment."""
        from base64 import b64encode

        try:
            return b64encode(Screenshot(make, 0).result(_STILL_SECONDS)).decode()
        except (NdlabError, OSError, MemoryError):  # TimeoutError is an OSError.
            return None


def _index(value: Any, count: int) -> int:
    """Return an index, held within what there is; 0 for what is no number."""
    return min(max(int(value), 0), max(count, 1) - 1) if isinstance(value, int) else 0


# --- what is known of an id -----------------------------------------------------------------------------------


def tables_of(metadata: Any, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Return the tables of ids by layer; a table alone is for all layers with ids.

    Raises
    ------
    BadRequest
        If one is no table, or of a layer that is not there.
    """
    if metadata is None:
        return {}
    if isinstance(metadata, Mapping):
        if unknown := [name for name in metadata if name not in kinds]:
            raise BadRequest(f"metadata of layer {unknown[0]!r}", f"the layers are {', '.join(kinds)}")
        found = dict(metadata)
    else:
        found = dict.fromkeys((name for name, kind in kinds.items() if kind != "image"), metadata)
        if not found:
            raise BadRequest("metadata of ids", "no layer has ids", "pass labels=, points= or boxes= too")
    for table in found.values():
        if is_annotations(table):
            continue
        if not hasattr(table, "columns") or not hasattr(table, "index"):
            raise BadRequest(f"metadata {type(table).__name__}", "it is a pandas DataFrame with ids as its index, or a "
                             "set of annotations")  # fmt: skip
    return found


def facts_of(table: Any, number: int) -> dict[str, Any]:
    """Return what is known of an id as JSON values, empty if nothing is; ids and large numbers as text.

    A set of annotations is asked anew each time, so what was changed meanwhile is shown.

    Examples
    --------
    >>> import pandas as pd
    >>> facts_of(pd.DataFrame({"type": ["axon"], "volume": [2.5]}, index=[2**63]), 2**63)
    {'type': 'axon', 'volume': 2.5}
    """
    if is_annotations(table):
        return {name: _plain(value) for name, value in object_facts(table, number).items()}
    if table is None or number not in table.index:
        return {}
    row = table.loc[number]
    if row.ndim > 1:  # Several rows of one id: the first.
        row = row.iloc[0]
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    found = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if found is None or isinstance(found, bool | str):
        return found
    if isinstance(found, int):
        return found if abs(found) < 1 << 53 else str(found)
    if isinstance(found, float):
        return found if found == found and abs(found) != float("inf") else None
    return str(found)[:200]
