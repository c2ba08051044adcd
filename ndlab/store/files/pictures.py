"""Single pictures: what their headers say, whether they are whole, and their pixels."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ndlab.errors import BadMetadata, NdlabError, Unsupported
from ndlab.store.files.kept import pictures, stamp
from ndlab.store.files.tiff_pages import opened, page_box, refuse_inks

Corner = tuple[int, int, int]

__all__ = ["FORMATS", "Header", "read_header", "read_picture"]

FORMATS = {
    ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP",
}  # fmt: skip
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
# PNG colour type: what a pixel is, and how many numbers it has.
_PNG_SORTS = {0: ("grey", 1), 2: ("RGB", 3), 3: ("palette", 1), 4: ("grey with alpha", 2), 6: ("RGBA", 4)}
_PIL_SORTS = {
    "1": ("1-bit grey", "|u1", 1),
    "L": ("8-bit grey", "|u1", 1),
    "P": ("8-bit palette", "|u1", 1),
    "RGB": ("8-bit RGB", "|u1", 3),
    "RGBA": ("8-bit RGBA", "|u1", 4),
}


@dataclass(frozen=True, slots=True)
class Header:
    """What one picture is, from its header alone.

    Parameters
    ----------
    format : str
        ``PNG``, ``TIFF``, ``JPEG`` or ``BMP``.
    height, width : int
        Size in pixels.
    type : str
        Type of a pixel's numbers, as numpy spells it.
    samples : int
        Numbers in a pixel: 1, 2 (with alpha), 3 (RGB) or 4.
    sort : str
        The kind of pixel in words, e.g. ``"8-bit grey"``.
    pages : int
        Pictures in the file.
    """

    format: str
    height: int
    width: int
    type: str
    samples: int
    sort: str
    pages: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width, and samples where there are several."""
        return (self.height, self.width) if self.samples == 1 else (self.height, self.width, self.samples)


def read_header(path: str) -> Header:
    """Read what the picture at `path` is, and that it is not cut short; no pixel is decoded.

    Raises
    ------
    BadMetadata
        If it is empty, truncated or no picture.
    Unsupported
        If its pixels are of a kind that volumes do not hold (CMYK).
    NotFound
        If it is not there.
    """
    _, _, size = stamp(path)
    if size == 0:
        raise _bad(path, "is empty", "it has 0 bytes")
    try:
        with open(path, "rb") as file:
            start = file.read(32)
            file.seek(max(0, size - 64))
            end = file.read()
    except OSError as error:
        raise _bad(path, "cannot be read", error.strerror or str(error)) from None
    if start.startswith(_PNG_START):
        return _png_header(path, start, end)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff_header(path, size)
    if start.startswith(b"\xff\xd8"):
        if b"\xff\xd9" not in end:
            raise _bad(path, "is truncated", "the end marker of JPEG is missing")
        return _pil_header(path, "JPEG")
    if start.startswith(b"BM"):
        if size < struct.unpack("<I", start[2:6])[0]:
            raise _bad(path, "is truncated", f"it has {size} bytes of {struct.unpack('<I', start[2:6])[0]}")
        return _pil_header(path, "BMP")
    raise _bad(path, "is no picture", "it is neither PNG, TIFF, JPEG nor BMP inside")


def _bad(path: str, what: str, why: str) -> BadMetadata:
    return BadMetadata(f"{path} {what}", why, "copy the file again from its source", path=path)


def _png_header(path: str, start: bytes, end: bytes) -> Header:
    if len(start) < 26 or not end.endswith(_PNG_END):
        raise _bad(path, "is truncated", "the end marker of PNG is missing")
    width, height, bits, colour = struct.unpack(">IIBB", start[16:26])
    if colour not in _PNG_SORTS or not width or not height:
        raise _bad(path, "is no valid PNG", f"its header says {width} x {height}, colour type {colour}")
    sort, samples = _PNG_SORTS[colour]
    return Header("PNG", height, width, "<u2" if bits == 16 else "|u1", samples, f"{bits}-bit {sort}")


def _tiff_header(path: str, size: int) -> Header:
    page, pages = opened(path).first_page()
    if page.dtype is None or page.dtype.kind not in "buif":
        raise Unsupported(f"{path} has pixels of type {page.dtype}", "volumes hold numbers", feature="TIFF pixel type")
    refuse_inks(path, page)
    end = max((a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    if end > size:
        raise _bad(path, "is truncated", f"its pixels end at byte {end}, the file at {size}")
    sort = {1: "grey", 3: "RGB", 4: "RGBA"}.get(page.samplesperpixel, f"{page.samplesperpixel}-sample")
    if page.photometric == 3:
        sort = "palette"
    words = f"{page.bitspersample}-bit {'float ' if page.dtype.kind == 'f' else ''}{sort}"
    words = words.replace(" ", " signed ", 1) if page.dtype.kind == "i" else words
    return Header("TIFF", page.imagelength, page.imagewidth, page.dtype.str, page.samplesperpixel, words, pages)


@cache
def _plugin(format_name: str) -> Any:
    # The classes themselves and not Image.open, which refuses pictures of more than 179 megapixels: EM has those.
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin

    return {
        "JPEG": JpegImagePlugin.JpegImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "PNG": PngImagePlugin.PngImageFile,
    }[format_name]


def _pil_header(path: str, format_name: str) -> Header:
    try:
        with _plugin(format_name)(path) as image:
            (width, height), mode = image.size, image.mode
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise _bad(path, f"is no readable {format_name}", str(error)) from None
    if mode not in _PIL_SORTS:
        raise Unsupported(f"{path} has {mode} pixels", "volumes hold grey or RGB pictures", "convert it to grey or RGB",
                          feature=f"{mode} pixels")  # fmt: skip
    sort, dtype, samples = _PIL_SORTS[mode]
    return Header(format_name, height, width, dtype, samples, sort)


def read_picture(path: str, start: Corner, stop: Corner, expected: Header, target: np.ndarray[Any, Any]) -> None:
    """Put a box (row, column, sample) of a picture into `target` (height, width[, samples]).

    Raises
    ------
    BadMetadata
        If the picture is damaged, or is not what `expected` says.
    """
    header = read_header(path)
    if header != expected:
        raise BadMetadata(
            f"{path} differs from the slices around it",
            f"it is {header.width} x {header.height}, {header.sort}; they are "
            f"{expected.width} x {expected.height}, {expected.sort}",
            "correct it; ndlab.ingest and ndlab.store.files.check_slices list every such slice at once",
            path=path,
        )
    if header.format == "TIFF":
        _read_tiff(path, start, stop, target)
        return
    whole = start[:2] == (0, 0) and (header.height, header.width) == stop[:2]
    pixels = decode(path, header) if whole else pictures.get(stamp(path), lambda: decode(path, header))
    part = tuple(map(slice, start, stop))
    target[...] = pixels[part] if pixels.ndim == 3 else pixels[part[:2]]


def decode(path: str, header: Header) -> np.ndarray[Any, Any]:
    """All pixels of a PNG, JPEG or BMP file (height, width[, samples])."""
    try:
        if header.format == "PNG" and header.samples != 1 and (header.type == "<u2" or header.samples == 2):
            pixels = _decode_deep_png(path)
        else:
            with _plugin(header.format)(path) as image:
                pixels = np.asarray(image)
    except (NdlabError, ImportError):
        raise
    except Exception as error:  # Decoders raise a dozen kinds for damaged data.
        raise _bad(path, "is damaged", f"{type(error).__name__}: {error}") from None
    if pixels.shape != header.shape:
        raise _bad(path, "is damaged", f"its pixels have shape {pixels.shape}, its header says {header.shape}")
    return pixels.astype(header.type, copy=False)


def _decode_deep_png(path: str) -> np.ndarray[Any, Any]:
    """PNG with 16-bit colours, which PIL would cut down to 8 bits."""
    import imagecodecs

    with open(path, "rb") as file:
        return np.asarray(imagecodecs.png_decode(file.read()))


def _read_tiff(path: str, start: Corner, stop: Corner, target: np.ndarray[Any, Any]) -> None:
    page, _ = opened(path).first_page()
    view = target if target.ndim == 3 else target[..., np.newaxis]
    (y0, x0, s0), (y1, x1, s1) = start, stop
    if page.planarconfig == 2 and page.samplesperpixel > 1:
        page_box(page, (s0, 0, y0, x0, 0), (s1, 1, y1, x1, 1), np.moveaxis(view, 2, 0)[:, None, :, :, None])
    else:
        page_box(page, (0, 0, y0, x0, s0), (1, 1, y1, x1, s1), view[None, None])


def verify(path: str) -> None:
    """Decode a whole picture and forget it; raises what `read_picture` would."""
    header = read_header(path)
    target = np.empty(header.shape, header.type)
    read_picture(path, (0, 0, 0), (header.height, header.width, header.samples), header, target)


def format_of(name: str) -> str | None:
    """Format that a file's name promises, None if it is no picture."""
    return FORMATS.get(os.path.splitext(name)[1].lower())
