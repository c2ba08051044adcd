"""What was given to an Image Explorer, as named layers: volumes, and points and boxes in nm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box, Calibration, NmBox
from ndlab.spans import Span
from ndlab.volume import Volume

__all__ = ["Source", "collect"]

Array = np.ndarray[Any, Any]
Unit = Literal["nm", "voxel"]

# The founding viewer's colours of channels, in its order.
_COLORS = ("00FFFF", "FF00FF", "FFFF00", "FF0000", "00FF00", "0000FF")


@dataclass(frozen=True, eq=False)
class Source:
    """One layer: a volume, or points (n, 3) or boxes (n, 6: start, stop), (z, y, x) [nm].

    Attributes
    ----------
    name : str
    kind : {"image", "labels", "points", "boxes"}
    volume : Volume, optional
    shapes : ndarray of float64, optional
    ids : ndarray of uint64, optional
        One for each point or box.
    shown : mapping
        How it is shown first, as a layer of the view state.
    """

    name: str
    kind: str
    volume: Volume | None = None
    shapes: Array | None = field(default=None, repr=False)
    ids: Array | None = field(default=None, repr=False)
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def levels(self) -> list[Volume]:
        """The volume at each of its levels, its own first."""
        if self.volume is None:
            return []
        first = self.volume.level_index
        return [self.volume.level(number) for number in range(first, len(self.volume.levels))]

    @property
    def extents(self) -> list[Array]:
        """Start and stop, (2, 3) in (z, y, x) [nm], of each box."""
        return [] if self.shapes is None or self.kind != "boxes" else list(self.shapes.reshape(-1, 2, 3))


def collect(
    volumes: Sequence[Any],
    named: Mapping[str, Any],
    labels: Any = None,
    points: Any = None,
    boxes: Any = None,
    unit: Unit = "nm",
) -> list[Source]:
    """Return the layers, bottom to top: images, labels, points, boxes, each under a name of its own.

    Raises
    ------
    BadRequest
        If something is no volume, array or table of points, or if there is no volume at all.

    Examples
    --------
    >>> vol = Volume.from_array(np.zeros((2, 4, 4), "u1"), voxel_size=(40, 4, 4), name="em")
    >>> [(one.name, one.kind) for one in collect([vol], {}, points=[[40, 8, 8]])]
    [('em', 'image'), ('points', 'points')]
    """
    if unit not in ("nm", "voxel"):
        raise BadRequest(f"unit {unit!r}", "it is nm or voxel")
    names: set[str] = set()
    given = [pair for one in volumes for pair in _pairs(one, "")] + list(named.items())
    found = [one for name, value in given for one in _volumes(value, name, None, None, names)]
    like = found[0].volume if found else None
    for name, value in _pairs(labels, ""):
        found += _volumes(value, name, "labels", like, names)
    if not found:
        raise BadRequest("an Image Explorer of nothing", "it shows at least one volume", "pass explore.image(volume)")
    calibration = _calibration(found[0].volume, unit)
    for kind, all_ in (("points", points), ("boxes", boxes)):
        for name, value in _pairs(all_, kind):
            shapes, ids = (_points if kind == "points" else _boxes)(value, calibration)
            found.append(Source(_free(name, names), kind, shapes=shapes, ids=ids))
    # Images lie below labels whatever order they came in.
    return sorted(found, key=lambda one: ("image", "labels", "points", "boxes").index(one.kind))


def _pairs(value: Any, name: str) -> list[tuple[str, Any]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [(str(key), one) for key, one in value.items()]
    if isinstance(value, list | tuple) and value and isinstance(value[0], Volume):
        return [(name, one) for one in value]
    return [(name, value)]


def _free(name: str, names: set[str]) -> str:
    found, number = name, 2
    while found in names:
        found, number = f"{name} {number}", number + 1
    names.add(found)
    return found


# --- volumes --------------------------------------------------------------------------------------------------


def _volumes(
    value: Any, name: str, kind: Literal["labels"] | None, like: Volume | None, names: set[str]
) -> Iterator[Source]:
    volume = _whole(_volume(value, name, like))
    if kind == "labels" and volume.kind != "labels":
        if volume.dtype.kind not in "bui":
            raise BadRequest(f"labels of {volume.dtype}", "ids are whole numbers", "pass it as an image")
        volume = _as_labels(volume)
    name = name or volume.name or volume.kind
    count = dict(zip(volume.axes, volume.shape, strict=True)).get("c", 1)
    if volume.kind == "labels" or not 2 <= count <= len(_COLORS):
        yield Source(_free(name, names), volume.kind, volume)
        return
    for number in range(count):
        channel = volume.channels[number] if number < len(volume.channels) else None
        color = (channel.color if channel else None) or _COLORS[number]
        own = channel.name if channel and channel.name else f"{name} {number}"
        shown = {"channel": number, "color": color.removeprefix("#")[:6], "blend": "additive"}
        yield Source(_free(own, names), "image", volume, shown=shown)


def _volume(value: Any, name: str, like: Volume | None) -> Volume:
    if isinstance(value, Volume):
        return value
    if hasattr(value, "dims") and hasattr(value, "coords"):
        return Volume.from_array(value, name=name or None)
    if isinstance(value, np.ndarray) and like is not None and value.shape == like.box.shape:
        return Volume.from_array(value, like.voxel_size, offset=like.offset, name=name)
    there = "" if like is None else f", or an array of shape {like.box.shape} as the first volume is"
    raise BadRequest(
        f"a {type(value).__name__} was to be shown",
        f"an Image Explorer shows volumes and DataArrays{there}",
        "ndlab.Volume.from_array(values, voxel_size=(z, y, x)) makes a volume of an array",
    )


def _whole(volume: Volume) -> Volume:
    """Keep axes that an index dropped: one plane is a volume of one plane."""
    make, (stored, level, spans) = volume.__reduce__()
    found: Volume = make(stored, level, tuple(Span(one.start, one.stop) for one in spans))
    return found


def _as_labels(volume: Volume) -> Volume:
    make, (stored, level, spans) = volume.__reduce__()
    found: Volume = make(replace(stored, kind="labels"), level, spans)
    return found


def _calibration(volume: Volume | None, unit: Unit) -> Calibration | None:
    if unit == "nm" or volume is None:
        return None
    return Calibration(volume.voxel_size, volume.offset)


# --- points and boxes -----------------------------------------------------------------------------------------


def _points(value: Any, calibration: Calibration | None) -> tuple[Array, Array]:
    table, ids = _table(value, (("z", "y", "x"),))
    if table.ndim != 2 or table.shape[1] != 3:
        raise BadRequest(f"points of shape {table.shape}", "they are (n, 3): z, y, x of each", "see unit= for voxels")
    if calibration is not None:
        # A voxel's number means its centre.
        table = calibration.offset + (table + 0.5) * calibration.voxel_size
    return table, ids


def _boxes(value: Any, calibration: Calibration | None) -> tuple[Array, Array]:
    if isinstance(value, Sequence) and value and all(isinstance(one, Box | NmBox) for one in value):
        if calibration is None and any(isinstance(one, Box) for one in value):
            raise BadRequest("boxes in voxels", "unit is nm", 'pass unit="voxel", or Box.nm(start, stop)')
        value = [[one.start, one.stop] for one in value]
    columns = (("z0", "y0", "x0", "z1", "y1", "x1"), ("z_start", "y_start", "x_start", "z_stop", "y_stop", "x_stop"))
    table, ids = _table(value, columns)
    if table.shape[1:] not in ((2, 3), (6,)):
        raise BadRequest(f"boxes of shape {table.shape}", "they are (n, 2, 3) or (n, 6): start and stop, z, y, x")
    table = table.reshape(-1, 2, 3)
    if (table[:, 0] > table[:, 1]).any():
        raise BadRequest(f"box {table[(table[:, 0] > table[:, 1]).any(axis=1)][0].tolist()}", "start lies before stop")
    if calibration is not None:
        table = calibration.offset + table * calibration.voxel_size
    return table.reshape(-1, 6), ids


def _table(value: Any, columns: Sequence[Sequence[str]]) -> tuple[Array, Array]:
    """Return the numbers of an array, or of the named columns of a table, and an id for each row."""
    ids: Any = None
    if hasattr(value, "columns") and hasattr(value, "index"):
        picked = next((names for names in columns if set(names) <= set(value.columns)), None)
        if picked is None:
            raise BadRequest(
                f"a table with columns {', '.join(map(str, value.columns))}"[:300],
                f"it needs {' or '.join(', '.join(names) for names in columns)}",
            )
        ids = value["id"] if "id" in value.columns else value.index
        value = value[list(picked)].to_numpy()
    try:
        table = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"points or boxes {value!r}"[:200], "they are an array of numbers, or a table") from error
    if table.size == 0:
        table = table.reshape(0, len(columns[0]))
    if not np.isfinite(table).all():
        raise BadRequest("points or boxes with NaN or infinity", "they are finite numbers")
    return table, _ids(ids, len(table))


def _ids(ids: Any, count: int) -> Array:
    if ids is not None:
        found = np.asarray(ids)
        if found.dtype.kind in "ui" and not (found.dtype.kind == "i" and (found < 0).any()):
            return found.astype(np.uint64)
    # 0 means nothing everywhere.
    return np.arange(1, count + 1, dtype=np.uint64)
