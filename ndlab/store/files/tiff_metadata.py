"""What a TIFF file says of its image: OME-XML, ImageJ, and what ndlab writes where neither can hold the voxels."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from typing import Any

from ndlab.geometry import Calibration
from ndlab.metadata import Channel
from ndlab.store.files.tiff_pages import Tiff
from ndlab.store.files.units import nm_per, round_float32, seconds_per

__all__ = ["Described", "describe"]


@dataclass(frozen=True)
class Described:
    """What the metadata of one series says; None or empty where they say nothing."""

    format: str
    calibration: Calibration | None = None
    time_step: float | None = None  # [s]
    channels: tuple[Channel, ...] = ()
    name: str = ""
    attrs: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def describe(tiff: Tiff, series: int, axes: str, planes: int) -> Described:
    """Read what the file says of one of its series.

    Parameters
    ----------
    tiff : Tiff
        The open file.
    series : int
        Which series.
    axes : str
        Its stored axes.
    planes : int
        Its extent along z; a single plane needs no spacing.
    """
    flavour = tiff.series[series].kind
    if tiff.file.ome_metadata and flavour == "ome":
        return _ome(tiff.file.ome_metadata, series, planes)
    if tiff.file.imagej_metadata is not None:
        return _imagej(tiff.file, planes)
    big = "BigTIFF" if tiff.file.is_bigtiff else "TIFF"
    shaped = tiff.file.shaped_metadata
    own = shaped[series].get("ndlab") if shaped and series < len(shaped) else None
    if own:
        read = json.loads(own) if isinstance(own, str) else own
        size = read.get("voxel_size_nm")
        calibration = Calibration(size, read.get("offset_nm", (0, 0, 0))) if size else None
        return Described(big, calibration, read.get("time_step_s"), notes=() if size else (_NO_SIZE,))
    samples = _samples(tiff.series[series], axes)
    return Described(big, channels=samples, notes=(_NO_SIZE,))


_NO_SIZE = "the file states no voxel size: pass ndlab.open(path, voxel_size=(z, y, x)) in nm"


def _samples(series: Any, axes: str) -> tuple[Channel, ...]:
    """Names for the samples of colour pixels."""
    letters = series.get_axes(squeeze=False).lower()
    if "c" not in axes or "s" not in letters or letters.index("s") != axes.index("c"):
        return ()
    count = series.get_shape(squeeze=False)[letters.index("s")]
    if count not in (3, 4):
        return ()
    colours = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"), ("alpha", None))
    return tuple(Channel(name, color=colour) for name, colour in colours[:count])


def _calibrated(sizes: tuple[float | None, ...], planes: int) -> tuple[Calibration | None, tuple[str, ...]]:
    """Calibration out of (z, y, x) sizes [nm], some of which may be missing."""
    z, y, x = (v if v is not None and v > 0 else None for v in sizes)
    if y is None or x is None:
        return None, (_NO_SIZE,)
    if z is not None:
        return Calibration((z, y, x)), ()
    if planes == 1:
        return Calibration((x, y, x)), ("the file states no z size; its single plane is taken to be as thick as wide",)
    return None, (f"the file states pixels of {y:g} x {x:g} nm but no z size: pass voxel_size=(z, {y:g}, {x:g})",)


def _ome(xml: str, series: int, planes: int) -> Described:
    try:
        root = ElementTree.fromstring(xml)
        image = [e for e in root if _local(e) == "Image"][series]
        pixels = next(e for e in image if _local(e) == "Pixels")
    except (ElementTree.ParseError, IndexError, StopIteration):
        return Described("OME-TIFF", notes=(f"its OME-XML cannot be read; {_NO_SIZE}",))
    sizes = tuple(_length(pixels, f"PhysicalSize{axis}") for axis in "ZYX")
    calibration, notes = _calibrated(sizes, planes)
    return Described(
        format="OME-TIFF",
        calibration=calibration,
        time_step=_time(pixels),
        channels=_ome_channels(pixels),
        name=image.get("Name") or "",
        notes=notes,
    )


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _length(pixels: ElementTree.Element, key: str) -> float | None:
    """Read a length [nm]; OME counts in micrometres where no unit is given."""
    nm = nm_per(pixels.get(f"{key}Unit", "µm"))
    try:
        return float(pixels.attrib[key]) * nm if nm is not None else None
    except (KeyError, ValueError):
        return None


def _time(pixels: ElementTree.Element) -> float | None:
    seconds = seconds_per(pixels.get("TimeIncrementUnit", "s"))
    try:
        return float(pixels.attrib["TimeIncrement"]) * seconds if seconds is not None else None
    except (KeyError, ValueError):
        return None


def _ome_channels(pixels: ElementTree.Element) -> tuple[Channel, ...]:
    found = [_channel(e, str(i)) for i, e in enumerate(e for e in pixels if _local(e) == "Channel")]
    # The only channel, without a name or colour of its own, says nothing.
    return () if found == [Channel("0")] else tuple(found)


def _channel(element: ElementTree.Element, number: str) -> Channel:
    try:
        # A signed 32-bit RGBA number; -1 is opaque white, which says nothing.
        value = int(element.attrib["Color"]) & 0xFFFFFFFF
        color = f"{value >> 8:06X}" if value != 0xFFFFFFFF else None
    except (KeyError, ValueError):
        color = None
    return Channel(element.get("Name") or number, color=color)


def _imagej(file: Any, planes: int) -> Described:
    said = dict(file.imagej_metadata)
    nm = nm_per(str(said.get("unit", "")))
    notes: tuple[str, ...] = ()
    if nm is None:
        sizes: tuple[float | None, ...] = (None, None, None)
        notes = (f"ImageJ unit {said.get('unit', 'pixel')!r} is no length",)
    else:
        z = float(said["spacing"]) * nm if said.get("spacing") else None
        sizes = (z, _pixel(file, "YResolution", nm), _pixel(file, "XResolution", nm))
    calibration, more = _calibrated(sizes, planes)
    interval, seconds = said.get("finterval"), seconds_per(str(said.get("tunit", "s")))
    return Described(
        format="ImageJ TIFF",
        calibration=calibration,
        time_step=float(interval) * seconds if interval and seconds else None,
        channels=_imagej_channels(said),
        attrs={k: v for k, v in said.items() if isinstance(v, str | int | float | bool)},
        notes=(*notes, *more),
    )


def _pixel(file: Any, tag: str, nm: float) -> float | None:
    value = file.pages[0].tags.valueof(tag)
    if not value or not value[0]:
        return None
    # Fiji writes pixels per unit as millionths; the true size is the one with seven digits.
    return round_float32(value[1] / value[0] * nm)


def _imagej_channels(said: dict[str, Any]) -> tuple[Channel, ...]:
    count = int(said.get("channels", 1))
    ranges = said.get("Ranges") or ()
    single = (said["min"], said["max"]) if "min" in said and "max" in said else None
    windows: list[tuple[float, float] | None] = [
        (float(a), float(b)) for a, b in zip(ranges[::2], ranges[1::2], strict=False)
    ]
    if not windows and single is not None and count == 1:
        windows = [(float(single[0]), float(single[1]))]
    if count == 1 and not windows:
        return ()
    windows += [None] * (count - len(windows))
    return tuple(Channel(str(i), window=window) for i, window in enumerate(windows[:count]))
