"""Voxels that lie in a file as one run of numbers: memory-mapped, or as one compressed stream."""

from __future__ import annotations

import bz2
import gzip
import math
import threading
import weakref
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from ndlab.errors import BadMetadata
from ndlab.store.files.array import FileArray
from ndlab.store.files.kept import Kept, decoded, stamp

__all__ = ["RawArray", "one_stream_note"]

_maps: Kept[np.ndarray[Any, Any]] = Kept(128)


def one_stream_note(path: str, nbytes: int) -> str | None:
    """Say what a user should know of a stream too large to be decoded whole, None for a small one."""
    if nbytes <= decoded.limit:
        return None
    return (
        f"{path} is compressed as one stream of {nbytes / 1e9:.1f} GB: reading a box decodes all that lies before it; "
        "for random access ingest it with ndlab.ingest(source, dest, voxel_size=(z, y, x))"
    )


@dataclass(frozen=True)
class RawArray(FileArray):
    """Numbers in C order along the stored axes, at `offset` bytes of a file or of the stream inside it.

    Parameters
    ----------
    stored_type : str
        Type of the numbers in the file, byte order included.
    offset : int
        Where the first number is, in bytes of the decoded stream.
    encoding : str
        ``raw``, ``gzip`` or ``bz2``.
    skip : int
        Where the compressed stream starts in the file.
    slope, intercept : float, optional
        A voxel is ``number * slope + intercept``; without them it is the number.
    """

    stored_type: str = ""
    offset: int = 0
    encoding: str = "raw"
    skip: int = 0
    slope: float | None = None
    intercept: float | None = None

    def _fill(self, start: tuple[int, ...], stop: tuple[int, ...], target: np.ndarray[Any, Any]) -> None:
        box = tuple(map(slice, start, stop))
        if self.encoding == "raw":
            self._put(self._mapped()[box], target)
        elif self._nbytes <= decoded.limit:
            whole = decoded.get((stamp(self.path), self.offset, self.skip, self.stored_type), self._decode_all)
            self._put(whole[box], target)
        else:
            self._fill_from_stream(start, stop, target)

    def _put(self, numbers: np.ndarray[Any, Any], target: np.ndarray[Any, Any]) -> None:
        if self.slope is None or self.intercept is None:
            target[...] = numbers
        else:
            np.multiply(numbers, self.slope, out=target, casting="unsafe")
            target += self.intercept

    @property
    def _nbytes(self) -> int:
        return math.prod(self.stored_shape) * np.dtype(self.stored_type).itemsize

    def _mapped(self) -> np.ndarray[Any, Any]:
        key = (stamp(self.path), self.offset, self.stored_type, self.stored_shape)
        return _maps.get(key, self._map)

    def _map(self) -> np.ndarray[Any, Any]:
        try:
            return np.memmap(self.path, np.dtype(self.stored_type), "r", self.offset, self.stored_shape)
        except ValueError:
            raise self._truncated(stamp(self.path)[2], self.offset + self._nbytes) from None

    def _truncated(self, there: int, needed: int) -> BadMetadata:
        return BadMetadata(
            f"{self.path} is truncated",
            f"its header promises {needed} bytes, {there} are there",
            "copy the file again from its source",
            path=self.path,
        )

    def _decode_all(self) -> np.ndarray[Any, Any]:
        stream = _Stream(self.path, self.encoding, self.skip)
        try:
            raw = self._bytes(stream, 0, self._nbytes)
        finally:
            stream.close()
        return np.frombuffer(raw, self.stored_type).reshape(self.stored_shape)

    def _bytes(self, stream: _Stream, position: int, count: int) -> bytes:
        try:
            raw = stream.read(self.offset + position, count)
        except (OSError, EOFError, ValueError) as error:
            raise BadMetadata(
                f"{self.path} cannot be decoded", str(error), "copy the file again from its source", path=self.path
            ) from None
        if len(raw) < count:
            raise self._truncated(self.offset + position + len(raw), self.offset + self._nbytes)
        return raw

    def _fill_from_stream(self, start: tuple[int, ...], stop: tuple[int, ...], target: np.ndarray[Any, Any]) -> None:
        """Plane by plane, always forwards, so that memory holds one plane and a pass decodes once."""
        stream = _streams.get((stamp(self.path), self.skip), lambda: _Stream(self.path, self.encoding, self.skip))
        itemsize = np.dtype(self.stored_type).itemsize
        rows, width = self.stored_shape[-2:]
        (y0, x0), (y1, x1) = start[-2:], stop[-2:]
        lead = self.stored_shape[:-2]
        for index in np.ndindex(*(b - a for a, b in zip(start[:-2], stop[:-2], strict=True))):
            plane = 0
            for n, a, i in zip(lead, start[:-2], index, strict=True):
                plane = plane * n + a + i
            first = (plane * rows + y0) * width * itemsize
            raw = self._bytes(stream, first, (y1 - y0) * width * itemsize)
            self._put(np.frombuffer(raw, self.stored_type).reshape(y1 - y0, width)[:, x0:x1], target[index])


class _Part:
    """A file seen from byte `skip` on: the decompressors go back to position 0 when they rewind."""

    def __init__(self, file: BinaryIO, skip: int) -> None:
        self._file, self._skip = file, skip
        file.seek(skip)

    def read(self, count: int = -1) -> bytes:
        return self._file.read(count)

    def seek(self, position: int, whence: int = 0) -> int:
        return self._file.seek(position + (self._skip if whence == 0 else 0), whence) - self._skip

    def tell(self) -> int:
        return self._file.tell() - self._skip

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()


class _Stream:
    """A compressed stream that stays where the last read left it; readers take turns."""

    def __init__(self, path: str, encoding: str, skip: int) -> None:
        self._lock = threading.Lock()
        file = open(path, "rb")  # noqa: SIM115 - lives as long as this object
        part: Any = _Part(file, skip)
        self._decoder: Any = gzip.GzipFile(fileobj=part, mode="rb") if encoding == "gzip" else bz2.BZ2File(part)
        self.close = weakref.finalize(self, _close_both, self._decoder, file)

    def read(self, position: int, count: int) -> bytes:
        with self._lock:
            self._decoder.seek(position)
            return bytes(self._decoder.read(count))


def _close_both(decoder: Any, file: BinaryIO) -> None:
    decoder.close()
    file.close()


_streams: Kept[_Stream] = Kept(8)
