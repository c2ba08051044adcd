"""What every array in a file shares: its axes put in (t)(c)zyx order, its bounds checked, its writes refused."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, OutOfBounds, ReadOnly, Unsupported
from ndlab.metadata import Kind

__all__ = ["FileArray", "kind_of", "name_of", "names_of", "same_letters"]

_ORDER = "tczyx"
_DROPPED = "-"


def names_of(axes: str) -> tuple[str, ...]:
    """Give the (t)(c)zyx names of an array whose stored axes are `axes`; z, y and x are always there.

    Examples
    --------
    >>> names_of("yxc")
    ('c', 'z', 'y', 'x')
    """
    return tuple(a for a in _ORDER if a in axes or a in "zyx")


def same_letters(axes: str | Sequence[str], shape: Sequence[int], where: str) -> str:
    """`axes` as one letter for each stored axis, "-" for an axis of length 1 that a volume has no place for.

    Raises
    ------
    BadRequest
        If the number of letters differs from the number of axes.
    Unsupported
        If a letter is unknown or comes twice on axes longer than 1.
    """
    letters = "".join(axes).lower()
    if len(letters) != len(shape):
        raise BadRequest(
            f"axes={letters!r} for {where}",
            f"it has {len(shape)} axes, of lengths {tuple(shape)}",
            f"pass {len(shape)} letters out of t, c, z, y, x in stored order",
        )
    kept = "".join(_DROPPED if n == 1 and (a not in _ORDER or letters.count(a) > 1) else a
                   for a, n in zip(letters, shape, strict=True))  # fmt: skip
    unknown = [a for a in kept if a != _DROPPED and (a not in _ORDER or kept.count(a) > 1)]
    if unknown:
        raise Unsupported(
            f"{where} has axes {letters!r} of lengths {tuple(shape)}",
            "a volume has axes out of t, c, z, y, x, each at most once",
            "name them yourself with axes=, one letter for each stored axis",
            feature=f"axes {''.join(unknown)}",
        )
    return kept


def kind_of(dtype: np.dtype[Any]) -> Kind:
    """Labels for integers of 32 bits and more, which no microscope writes; else image."""
    return "labels" if dtype.kind in "ui" and dtype.itemsize >= 4 else "image"


def name_of(path: str) -> str:
    """Take the file's name without folder and extension (``.ome.tif`` and ``.nii.gz`` count as one)."""
    return os.path.basename(path).partition(".")[0] or os.path.basename(path)


@dataclass(frozen=True)
class FileArray:
    """A read-only array in a file or a folder of files; pickles as its address.

    Parameters
    ----------
    path : str
        The file or folder.
    axes : str
        One letter out of t, c, z, y, x for each stored axis; "-" for an axis of length 1 that is left out.
    stored_shape : tuple of int
        Lengths of the stored axes.
    stored_chunks : tuple of int
        What one read has to fetch or decode whole, along the stored axes.
    type : str
        Voxel type, as numpy spells it.
    codec : str
        The compression in words.
    """

    path: str
    axes: str
    stored_shape: tuple[int, ...]
    stored_chunks: tuple[int, ...]
    type: str
    codec: str

    shards = None

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k in self.__dataclass_fields__}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes, in (t)(c)zyx order."""
        return names_of(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along (t)(c)zyx."""
        return self._ordered(self.stored_shape)

    @property
    def chunks(self) -> tuple[int, ...]:
        """The piece that one read has to fetch or decode whole."""
        return self._ordered(self.stored_chunks)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Voxel type, in the machine's byte order."""
        return np.dtype(self.type).newbyteorder("=")

    def _ordered(self, values: Sequence[int]) -> tuple[int, ...]:
        return tuple(values[self.axes.index(a)] if a in self.axes else 1 for a in self.names)

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """Voxels of the half-open box, C order; into `out` if given.

        Raises
        ------
        OutOfBounds
            If the box leaves the array.
        BadMetadata
            If the file is damaged.
        """
        start, stop = tuple(map(int, start)), tuple(map(int, stop))
        self._check(start, stop)
        if out is None:
            out = np.empty([b - a for a, b in zip(start, stop, strict=True)], self.dtype)
        if out.size:
            first = tuple(start[self.names.index(a)] if a != _DROPPED else 0 for a in self.axes)
            last = tuple(stop[self.names.index(a)] if a != _DROPPED else 1 for a in self.axes)
            self._fill(first, last, self._as_stored(out))
        return out

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        """Refused: files are read where they are and never changed."""
        raise ReadOnly(
            f"{self.path} cannot be written",
            "ndlab reads single files and folders of slices, and never changes them",
            "ingest it with ndlab.ingest(source, dest, voxel_size=(z, y, x)) and write to the result",
            path=self.path,
        )

    def _fill(self, start: tuple[int, ...], stop: tuple[int, ...], target: np.ndarray[Any, Any]) -> None:
        """Put the voxels of a box along the stored axes into `target`, a view with the same axes."""
        raise NotImplementedError

    def _as_stored(self, out: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """`out`, which has (t)(c)zyx axes, viewed along the stored axes."""
        view = out[tuple(slice(None) if a in self.axes else 0 for a in self.names)]
        there = [a for a in self.names if a in self.axes]
        view = view.transpose([there.index(a) for a in self.axes if a != _DROPPED])
        return view[tuple(np.newaxis if a == _DROPPED else slice(None) for a in self.axes)]

    def _check(self, start: tuple[int, ...], stop: tuple[int, ...]) -> None:
        shape = self.shape
        inside = len(start) == len(stop) == len(shape) and all(
            0 <= a <= b <= n for a, b, n in zip(start, stop, shape, strict=True)
        )
        if not inside:
            raise OutOfBounds(
                f"box {start} to {stop} leaves {self.path}",
                f"it spans {shape} along {' '.join(self.names)}",
                "ask for a box inside",
                start=start,
                stop=stop,
                shape=shape,
            )
