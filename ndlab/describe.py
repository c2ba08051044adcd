"""What a volume says of itself: text, HTML with a small picture, JSON, and coordinates."""

from __future__ import annotations

import base64
import html as _html
import io
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import NdlabError
from ndlab.metadata.colors import label_colors

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["attributes", "available_memory", "coordinates", "html", "info", "si_bytes", "text"]

_THUMBNAIL_PIXELS = 256
_THUMBNAIL_BYTES = 32 << 20


def si_bytes(n: float) -> str:
    """Say bytes as people read them.

    Examples
    --------
    >>> si_bytes(16_777_216), si_bytes(12)
    ('16.8 MB', '12 B')
    """
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if n < 999.5 or unit == "PB":
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.3g} {unit}"
        n /= 1000
    raise AssertionError


def si_length(nm: float) -> str:
    """Say a length as people read it.

    Examples
    --------
    >>> si_length(5400.0), si_length(29.0)
    ('5.4 µm', '29 nm')
    """
    for factor, unit in ((1e6, "mm"), (1e3, "µm")):
        if nm >= factor:
            return f"{nm / factor:.3g} {unit}"
    return f"{nm:.3g} nm"


def available_memory() -> int | None:
    """Bytes that can be taken without swapping, None where the system does not say."""
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError):
        return None


def _calibrated(volume: Volume) -> bool:
    return volume._stored.levels[volume._level].calibration is not None


def _by(values: Sequence[float]) -> str:
    return " × ".join(f"{v:g}" for v in values)


def facts(volume: Volume) -> dict[str, str]:
    """List the lines of both summaries: what, and the value in words."""
    found = {"shape": f"{''.join(volume.axes)} {_by(volume.shape)} {volume.dtype}, {si_bytes(volume.nbytes)}"}
    if _calibrated(volume):
        size = volume.voxel_size
        extent = " × ".join(si_length(n * v) for n, v in zip(volume.box.shape, size, strict=True))
        found["voxel (z, y, x)"] = f"{_by(size)} nm; {extent}"
        if any(volume.offset):
            found["corner (z, y, x)"] = f"{_by(volume.offset)} nm"
    else:
        found["voxel (z, y, x)"] = "not known: pass ndlab.open(url, voxel_size=(z, y, x)) in nm"
    if len(volume._stored.levels) > 1:
        marks = [
            "cannot be read" if isinstance(one, NdlabError) else ("stale " if one.stale else "") + _by(one.box.shape)
            for one in _levels(volume)
        ]
        found["levels"] = f"{len(marks)}, this is {volume.level_index}: " + "; ".join(marks)
    pieces = f"{_by(volume.chunks)}"
    found["chunks"] = pieces + (f" in shards of {_by(volume.shards)}" if volume.shards else "") + f", {volume.codec}"
    if any(c.name for c in volume.channels):
        found["channels"] = ", ".join(c.name for c in volume.channels)
    if volume.window:
        found["window"] = f"{volume.window[0]:g} to {volume.window[1]:g}"
    if made := volume.provenance.get("made"):
        found["made by"] = _made(made)
    for note in volume.notes:
        found.setdefault("note", note)
    return found


def _made(made: Mapping[str, Any]) -> str:
    """Say which step filled the store, with which parameters, from what."""
    params = ", ".join(f"{name}={value}" for name, value in (made.get("params") or {}).items())
    sources = [
        f"{one['uri'] or 'memory'} level {one['level']}" + (f", version {one['version']}" if one.get("version") else "")
        for one in made.get("inputs", {}).values()
    ]
    return f"{made.get('step')}({params}) from " + "; ".join(sources)


def text(volume: Volume) -> str:
    """Return the plain summary."""
    head = f"<ndlab.Volume {volume.name!r}: {volume.kind}, {volume.format}>"
    lines = [f"  {name:16} {value}" for name, value in facts(volume).items()]
    return "\n".join([head, *lines, *([f"  {volume.url}"] if volume.url else [])])


def html(volume: Volume) -> str:
    """Return the notebook summary, with a picture of the middle plane where one is cheap to read."""
    rows = "".join(
        f"<tr><th style='text-align:left;font-weight:600;padding:0 12px 0 0'>{_html.escape(name)}</th>"
        f"<td style='text-align:left'>{_html.escape(value)}</td></tr>"
        for name, value in facts(volume).items()
    )
    title = f"{_html.escape(volume.name) or 'volume'} <span style='opacity:.6'>{volume.kind}, {volume.format}</span>"
    address = f"<div style='opacity:.6;font-size:90%'>{_html.escape(volume.url)}</div>" if volume.url else ""
    try:
        png = thumbnail(volume)
    except (NdlabError, OSError) as error:
        png = None
        rows += f"<tr><th></th><td>no picture: {_html.escape(str(error)[:160])}</td></tr>"
    picture = ""
    if png:
        data = base64.b64encode(png).decode()
        picture = (
            f"<img alt='middle plane of {_html.escape(volume.name)}' src='data:image/png;base64,{data}' "
            "style='max-width:256px;max-height:256px;image-rendering:auto;border-radius:3px'>"
        )
    return (
        "<div style='display:flex;gap:16px;align-items:flex-start'>"
        f"{picture}<div><div style='font-weight:600'>{title}</div><table>{rows}</table>{address}</div></div>"
    )


def thumbnail(volume: Volume) -> bytes | None:
    """PNG of the middle xy plane at the coarsest level that still fills the picture; None if that costs too much."""
    if min(volume.box.shape) == 0:
        return None
    view = volume
    for i in range(volume.level_index, len(volume._stored.levels)):
        finer = volume.level(i)
        if min(finer.box.shape) == 0:
            break
        view = finer
        if max(finer.box.shape[-2:]) <= 2 * _THUMBNAIL_PIXELS:
            break
    plane = view.isel(t=0 if "t" in view.axes else None, c=0 if "c" in view.axes else None)
    box = plane.box
    middle = (box.start[0] + box.stop[0]) // 2
    plane = plane.boxed(type(box)((middle, *box.start[1:]), (middle + 1, *box.stop[1:]), box.level))
    if plane.estimate().decoded > _THUMBNAIL_BYTES:
        return None
    pixels = plane._array.read([s.start for s in plane._spans], [s.stop for s in plane._spans])
    flat = pixels.reshape(pixels.shape[-2:])
    step = -(-max(flat.shape) // (2 * _THUMBNAIL_PIXELS))
    return _png(pixels_of(flat[::step, ::step], volume.kind, volume.window))


def pixels_of(plane: np.ndarray[Any, Any], kind: str, window: tuple[float, float] | None) -> np.ndarray[Any, Any]:
    """Grey values (y, x) of a plane, or colours (y, x, 3) of its ids if `kind` is ``"labels"``; uint8."""
    if kind == "labels":
        return label_colors(plane)[..., :3]
    with np.errstate(over="ignore"):
        values = plane.astype(np.float32)
    known = values[np.isfinite(values)]
    low, high = window or (tuple(np.percentile(known, (0.5, 99.5))) if known.size else (0.0, 1.0))
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (values - low) * (255 / max(high - low, 1e-12))
    pixels: np.ndarray[Any, Any] = np.nan_to_num(np.clip(scaled, 0, 255)).astype(np.uint8)
    return pixels


def _png(pixels: np.ndarray[Any, Any]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def info(volume: Volume) -> dict[str, Any]:
    """Plain JSON values about a volume and its levels."""
    known = _calibrated(volume)
    return {
        "url": volume.url,
        "name": volume.name,
        "kind": volume.kind,
        "format": volume.format,
        "axes": list(volume.axes),
        "shape": list(volume.shape),
        "dtype": str(volume.dtype),
        "nbytes": volume.nbytes,
        "voxel_size": list(volume.voxel_size) if known else None,
        "offset": list(volume.offset) if known else None,
        "unit": "nanometer" if known else None,
        "levels": [_level_info(i, one) for i, one in enumerate(_levels(volume))],
        "channels": [{"name": c.name, "window": c.window, "color": c.color} for c in volume.channels],
        "version": volume.version,
        "provenance": volume.provenance,
        "notes": list(volume.notes),
    }


def _level_info(number: int, one: Volume | NdlabError) -> dict[str, Any]:
    if isinstance(one, NdlabError):
        return {"level": number, "error": str(one)}
    return {
        "level": number,
        "shape": list(one.shape),
        "voxel_size": list(one.voxel_size) if _calibrated(one) else None,
        "chunks": list(one.chunks),
        "shards": list(one.shards) if one.shards else None,
        "codec": one.codec,
        "stale": one.stale,
    }


def _levels(volume: Volume) -> list[Volume | NdlabError]:
    """Every level, or what is wrong with it: one that was never copied must not hide the others."""
    found: list[Volume | NdlabError] = []
    for number in range(len(volume._stored.levels)):
        try:
            found.append(type(volume)(volume._stored, number))
        except NdlabError as error:
            found.append(error)
    return found


def coordinates(volume: Volume) -> dict[str, Any]:
    """Coordinates for xarray: voxel centres [nm], time [s] where known, channel names."""
    found: dict[str, Any] = {}
    known = _calibrated(volume)
    for axis, span in zip(volume._stored.axes, volume._spans, strict=True):
        numbers = np.arange(span.start, span.stop)
        if axis in "zyx" and known:
            i = "zyx".index(axis)
            c = volume.calibration
            values: Any = c.offset[i] + (numbers + 0.5) * c.voxel_size[i]
            attrs = {"units": "nm", "long_name": f"{axis} of voxel centre"}
        elif axis == "t" and volume._stored.time_step:
            values, attrs = numbers * volume._stored.time_step, {"units": "s"}
        elif axis == "c" and _named(volume):
            values, attrs = np.array([c.name for c in volume.channels])[numbers], {}
        else:
            values, attrs = numbers, {}
        found[axis] = ((), values[0], attrs) if span.dropped else ((axis,), values, attrs)
    return found


def _named(volume: Volume) -> bool:
    """Whether every channel has a name of its own, so that a name finds its channel again."""
    names = [c.name for c in volume.channels]
    return (
        len(names) == volume._array.shape[volume._stored.axes.index("c")]
        and all(names)
        and len(set(names)) == len(names)
    )


def attributes(volume: Volume) -> dict[str, Any]:
    """Attributes for xarray."""
    found: dict[str, Any] = {"kind": volume.kind, "url": volume.url, "level": volume.level_index}
    if _calibrated(volume):
        found |= {"voxel_size_nm": volume.voxel_size, "offset_nm": volume.offset}
    return found
