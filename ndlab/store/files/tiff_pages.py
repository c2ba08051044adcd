"""Boxes out of TIFF pages: only the strips or tiles that a box touches are fetched and decoded."""

from __future__ import annotations

import logging
import math
import os
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from ndlab.errors import BadMetadata, NotFound, Unsupported
from ndlab.store.files.array import FileArray
from ndlab.store.files.kept import Kept, pictures, stamp

__all__ = ["PagesArray", "Tiff", "decode_error", "opened", "page_box", "refuse_inks", "reopened"]


class Tiff:
    """An open TIFF file: its series, and its pages one thread at a time. Closes once nobody reads from it."""

    def __init__(self, path: str) -> None:
        import tifffile

        _quiet()
        self.path, self.lock = path, threading.RLock()
        try:
            self.file = tifffile.TiffFile(path)
        except (tifffile.TiffFileError, OSError, ValueError) as error:
            raise BadMetadata(f"{path} is no readable TIFF file", str(error), "check that it was copied whole",
                              path=path) from None  # fmt: skip
        weakref.finalize(self, self.file.close)

    @cached_property
    def series(self) -> list[Any]:
        """The images in the file; finding them may read every page header and neighbouring files."""
        try:
            with self.lock:
                return list(self.file.series)
        except Exception as error:
            raise self._damaged(error) from None

    def first_page(self) -> tuple[Any, int]:
        """Give the first page, and how many the file has."""
        try:
            with self.lock:
                return self.file.pages[0], len(self.file.pages)
        except Exception as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> BadMetadata:
        return BadMetadata(f"{self.path} has damaged TIFF pages", f"{type(error).__name__}: {error}",
                           "check that it was copied whole", path=self.path)  # fmt: skip

    def level(self, series: int, level: int) -> Any:
        """Give the pages of one pyramid level of one series."""
        return self.series[series].levels[level]

    def page(self, series: int, level: int, number: int) -> Any:
        """Give one page with its offsets loaded; None where the file has left it out."""
        with self.lock:
            return self.level(series, level).pages[number]


@cache
def _quiet() -> None:
    """Keep what tifffile finds odd off the terminal of whoever has not set up logging.

    What matters to a reader becomes an error or a note here.
    """
    logging.getLogger("tifffile").addHandler(logging.NullHandler())


_tiffs: Kept[Tiff] = Kept(32)


def opened(path: str) -> Tiff:
    """Open the file at `path`, once as long as it stays the same."""
    return _tiffs.get(stamp(path), lambda: Tiff(path))


def reopened(path: str) -> Tiff:
    """Open the file at `path`, looking again for the other files of an image in several."""
    tiff = opened(path)
    if any(series.is_multifile for series in tiff.series):
        _tiffs.forget(stamp(path))
        return opened(path)
    return tiff


def refuse_inks(path: str, page: Any) -> None:
    """Refuse pixels that are amounts of ink (CMYK): four samples that would pass for red, green, blue and alpha."""
    if page is not None and page.photometric == 5 and page.samplesperpixel > 1:
        raise Unsupported(f"{path} has CMYK pixels", "volumes hold grey or RGB pictures", "convert it to grey or RGB",
                          feature="CMYK pixels")  # fmt: skip


@dataclass(frozen=True)
class PagesArray(FileArray):
    """One level of a TIFF series; its first axes count pages, the others lie inside a page.

    Parameters
    ----------
    series, level : int
        Which series of the file, and which step of its pyramid.
    inside : str
        Axes of a page as the stored axes name them, at the end of `axes`.
    planar : bool
        Whether the samples of a page are stored one after the other.
    """

    series: int = 0
    level: int = 0
    inside: str = "yx"
    planar: bool = False

    def _fill(self, start: tuple[int, ...], stop: tuple[int, ...], target: np.ndarray[Any, Any]) -> None:
        lead = len(self.axes) - len(self.inside)
        tiff = opened(self.path)
        box = self._five(start[lead:], 0), self._five(stop[lead:], 1)
        for index in np.ndindex(*(b - a for a, b in zip(start[:lead], stop[:lead], strict=True))):
            number = 0
            for n, a, i in zip(self.stored_shape[:lead], start[:lead], index, strict=True):
                number = number * n + a + i
            page_box(tiff.page(self.series, self.level, number), *box, self._page_view(target[index]))

    @cached_property
    def _slots(self) -> tuple[int | None, ...]:
        """For each of (separate sample, depth, length, width, contiguous sample), which axis of the page it is."""
        sample = "c" if "c" in self.inside else "-"
        wanted = (sample if self.planar else None, "z", "y", "x", None if self.planar else sample)
        return tuple(self.inside.index(a) if a is not None and a in self.inside else None for a in wanted)

    def _five(self, values: tuple[int, ...], missing: int) -> tuple[int, ...]:
        return tuple(missing if slot is None else values[slot] for slot in self._slots)

    def _page_view(self, target: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        there = [slot for slot in self._slots if slot is not None]
        rest = [i for i in range(target.ndim) if i not in there]  # Axes of length 1 that no slot takes.
        view = target.transpose(there + rest)[(...,) + (0,) * len(rest)]
        return view[tuple(np.newaxis if slot is None else slice(None) for slot in self._slots)]


def page_box(page: Any, start: tuple[int, ...], stop: tuple[int, ...], target: np.ndarray[Any, Any]) -> None:
    """Put a box of one page into `target`, both (separate sample, depth, length, width, contiguous sample)."""
    if page is None or not len(page.dataoffsets):
        target[...] = 0
        return
    path = _path(page)
    piece = _piece(page.keyframe)
    for number, corner in _touching(page.keyframe, piece, start, stop):
        shown = [slice(max(a, c), min(b, c + n)) for a, b, c, n in zip(start, stop, corner, piece, strict=True)]
        into = target[tuple(slice(s.start - a, s.stop - a) for s, a in zip(shown, start, strict=True))]
        part = tuple(slice(s.start - c, s.stop - c) for s, c in zip(shown, corner, strict=True))
        whole = all(s.start == c and s.stop == c + n for s, c, n in zip(shown, corner, piece, strict=True))
        values = _decode(page, path, number, keep=not whole)
        if values is None:
            into[...] = 0
        else:
            into[...] = values[part[1:]].reshape(into.shape)


def _path(page: Any) -> str:
    handle = page.parent.filehandle
    return str(os.path.join(handle.dirname, handle.name))


def _piece(frame: Any) -> tuple[int, int, int, int, int]:
    """Extent of one strip or tile, in the five axes of a page."""
    _, _, _, width, samples = frame.shaped
    if frame.is_tiled:
        return 1, frame.tiledepth, frame.tilelength, frame.tilewidth, samples
    return 1, 1, min(frame.rowsperstrip, frame.shaped[2]), width, samples


def _touching(
    frame: Any, piece: tuple[int, ...], start: tuple[int, ...], stop: tuple[int, ...]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """List number and corner of each strip or tile that a box touches."""
    counts = [math.ceil(n / k) for n, k in zip(frame.shaped, piece, strict=True)]
    spans = [range(a // k, math.ceil(b / k)) for a, b, k in zip(start, stop, piece, strict=True)]
    for index in np.ndindex(*map(len, spans)):
        place = [span[i] for span, i in zip(spans, index, strict=True)]
        number = 0
        for i, n in zip(place, counts, strict=True):
            number = number * n + i
        yield number, tuple(i * k for i, k in zip(place, piece, strict=True))


def _decode(page: Any, path: str, number: int, *, keep: bool) -> np.ndarray[Any, Any] | None:
    """One strip or tile as (depth, length, width, samples); None if the file leaves it out."""
    offset, count = page.dataoffsets[number], page.databytecounts[number]
    if not count:
        return None

    def make() -> np.ndarray[Any, Any]:
        raw = _bytes(path, offset, count)
        frame = page.keyframe
        jpeg = {"jpegtables": page.jpegtables, "jpegheader": frame.jpegheader} if frame.compression in _JPEG else {}
        try:
            values, _, _ = frame.decode(raw, number, **jpeg)
        except Exception as error:
            raise decode_error(path, error) from None
        return np.asarray(values)

    return pictures.get((stamp(path), offset), make) if keep else make()


_JPEG = (6, 7, 34892, 33007)


def _bytes(path: str, offset: int, count: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise NotFound(f"{path} cannot be read", error.strerror or str(error), "put it back, or open the volume again",
                       path=path) from None  # fmt: skip
    try:
        raw = os.pread(descriptor, count, offset)
        while len(raw) < count:  # One call stops at 2 GiB.
            more = os.pread(descriptor, count - len(raw), offset + len(raw))
            if not more:
                raise BadMetadata(
                    f"{path} is truncated",
                    f"{count} bytes were to be read at {offset}, {len(raw)} are there",
                    "copy the file again from its source",
                    path=path,
                )
            raw += more
    finally:
        os.close(descriptor)
    return raw


def decode_error(path: str, error: Exception) -> Exception:
    """Name the mistake behind what a TIFF decoder raised."""
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, NotFound | BadMetadata):
        return error
    if isinstance(error, NotImplementedError) or "requires the 'imagecodecs'" in text or "not supported" in text:
        return Unsupported(f"{path} cannot be decoded", text, "save it with another compression", feature=text)
    return BadMetadata(f"{path} is damaged", text, "copy the file again from its source", path=path)
