"""Volume: a lazy, calibrated, multiscale image or label array."""

from __future__ import annotations

import math
import os
import pickle
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import numpy as np

from ndlab import derived, describe, labelled, lazy
from ndlab.accessors import accessor
from ndlab.errors import BadRequest, OutOfBounds, StaleLevelWarning, TooLarge
from ndlab.geometry import Box, Calibration, Float3, NmBox
from ndlab.positions import NmIndexer
from ndlab.spans import Estimate, Span
from ndlab.store import pyramid, state, writing
from ndlab.store.arrays import Array, Stored
from ndlab.store.export import export as write_file
from ndlab.store.extend import add_levels
from ndlab.store.files.nifti_header import Kept
from ndlab.store.memory import memory_stored
from ndlab.store.multiscale import open_store
from ndlab.store.output import Output

if TYPE_CHECKING:
    import dask.array as da
    from xarray import DataArray, DataTree

__all__ = ["Volume", "open"]

# np.asarray(volume) is easy to type by accident; .read() is not, and is refused only where memory would end.
ASARRAY_BYTES = int(os.environ.get("NDLAB_ASARRAY_BYTES", 1 << 30))


class Volume:
    """A lazy, calibrated, multiscale image or label array.

    A volume is a description: where the voxels are, how large they are, and which part is meant. Indexing gives
    another description at no cost; `read` gives numpy. Make one with `ndlab.open` or `Volume.from_array`.

    Indexing with up to three indices means (z, y, x); time and channel are picked with `isel`. A full index of
    all axes works too, and one with an ellipsis counts all axes as numpy does. Slices count from the view's own
    start, negative ones from its end, and leaving the view is an error. `nm` indexes by position.

    Examples
    --------
    >>> import numpy as np
    >>> vol = Volume.from_array(np.arange(4 * 5 * 6, dtype="u1").reshape(4, 5, 6), voxel_size=(40, 4, 4))
    >>> vol[1:3, :, 0].read().shape
    (2, 5)
    >>> vol.nm[40:120].shape
    (2, 5, 6)
    >>> bool((vol[1].read() == vol.read(Box((1, 0, 0), (2, 5, 6)))[0]).all())
    True
    """

    def __init__(self, stored: Stored, level: int = 0, spans: tuple[Span, ...] | None = None) -> None:
        self._stored = stored
        self._level = level
        self._dask: tuple[int, da.Array] | None = None
        self._spans = spans if spans is not None else tuple(Span(0, n) for n in self._array.shape)

    @staticmethod
    def from_array(
        values: Any,
        voxel_size: Sequence[float] | None = None,
        *,
        offset: Sequence[float] | None = None,
        axes: str | None = None,
        kind: Literal["image", "labels"] | None = None,
        name: str | None = None,
    ) -> Volume:
        """Make a volume over a numpy array in memory, or over a DataArray, which is read when it is asked for.

        Parameters
        ----------
        values : array or DataArray
            1 to 5 axes; without `axes` the last ones of (t, c, z, y, x), or a DataArray's dimensions.
        voxel_size, offset : sequence of 3 float, optional
            Voxel size and outer corner of voxel 0, (z, y, x) [nm]. A DataArray whose coordinates have a unit knows
            its own; elsewhere the voxel size is needed, and the offset is 0.
        axes : str, optional
            Names of the array's axes, in its order; the volume's are (t)(c)zyx.
        kind : {"image", "labels"}, optional
            Without it an image, or what a DataArray's attributes say.
        name : str, optional

        Examples
        --------
        >>> vol = Volume.from_array(np.zeros((30, 20, 10), "u4"), (40, 4, 4), axes="xyz", kind="labels")
        >>> vol.axes, vol.shape, vol.kind
        (('z', 'y', 'x'), (10, 20, 30), 'labels')
        >>> again = Volume.from_array(vol.xarray.sel(z=slice(80, 400)))
        >>> again.shape, again.offset, again.kind
        ((8, 20, 30), (80.0, 0.0, 0.0), 'labels')
        """
        if hasattr(values, "dims") and hasattr(values, "coords"):
            return Volume(labelled.described(values, voxel_size, offset, axes, kind, name))
        corner = (0.0, 0.0, 0.0) if offset is None else offset
        return Volume(memory_stored(values, Calibration(voxel_size, corner), axes, kind or "image", name or ""))  # type: ignore[arg-type]  # None is refused

    def __reduce__(self) -> tuple[Any, ...]:
        # An address and a box: what was cached beside them (a Dask graph) stays here.
        return Volume, (self._stored, self._level, self._spans)

    # --- what it is -------------------------------------------------------------------------------------------

    @property
    def _array(self) -> Array:
        return self._stored.levels[self._level].array

    @property
    def url(self) -> str:
        """Address of the store; empty in memory."""
        return self._stored.url

    @property
    def name(self) -> str:
        """Name of the image."""
        return self._stored.name

    @property
    def format(self) -> str:
        """Format of the store, e.g. ``"OME-Zarr 0.5"``."""
        return self._stored.format

    @property
    def kind(self) -> str:
        """``"image"`` or ``"labels"``."""
        return self._stored.kind

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of this view, out of t, c, z, y, x."""
        return tuple(a for a, s in zip(self._stored.axes, self._spans, strict=True) if not s.dropped)

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along `axes` in voxels."""
        return tuple(s.stop - s.start for s in self._spans if not s.dropped)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Voxel type."""
        return self._array.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels of this view in memory."""
        return self.size * self.dtype.itemsize

    @property
    def calibration(self) -> Calibration:
        """Voxel size and corner of the level's array (not of the view).

        Raises
        ------
        BadRequest
            If the store states no voxel size.
        """
        found = self._stored.levels[self._level].calibration
        if found is None:
            raise BadRequest(
                f"the voxel size of {self.url or 'this volume'} is not known",
                "; ".join(self._stored.notes) or "the store states none",
                "open it with ndlab.open(url, voxel_size=(z, y, x)) in nm",
            )
        return found

    @property
    def voxel_size(self) -> Float3:
        """Voxel size (z, y, x) [nm]."""
        return self.calibration.voxel_size

    @property
    def offset(self) -> Float3:
        """Outer corner of the view's first voxel (z, y, x) [nm]."""
        return self.calibration.nm(self.box).start

    @property
    def box(self) -> Box:
        """The view's voxels (z, y, x) in the array of its level."""
        spatial = self._spans[-3:]
        return Box([s.start for s in spatial], [s.stop for s in spatial], self._level)

    @property
    def channels(self) -> tuple[Any, ...]:
        """Channels with name, window and colour, as far as the store names them."""
        return self._stored.channels

    @property
    def window(self) -> tuple[float, float] | None:
        """Display window of the view's first channel."""
        first = self._channel_span.start
        return self.channels[first].window if first < len(self.channels) else None

    @property
    def chunks(self) -> tuple[int, ...]:
        """Piece that is decoded whole, per stored axis."""
        return self._array.chunks

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Unit of writing where it is larger than a chunk, per stored axis."""
        return self._array.shards

    @property
    def codec(self) -> str:
        """Compression in words."""
        return self._array.codec

    @property
    def provenance(self) -> dict[str, Any]:
        """What ndlab recorded when it made the store; empty for stores of others."""
        return dict(self._stored.attrs.get("ndlab", {}))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed when the store was opened."""
        return self._stored.notes

    @property
    def version(self) -> int:
        """How many writes the store has seen through ndlab."""
        return state.written(self.url).version if self.url else getattr(self._stored.levels[0].array, "writes", 0)

    @property
    def levels(self) -> tuple[Volume, ...]:
        """Every pyramid level as a whole volume, finest first."""
        return tuple(Volume(self._stored, i) for i in range(len(self._stored.levels)))

    @property
    def level_index(self) -> int:
        """Which level this view is of; 0 is the finest."""
        return self._level

    @property
    def stale(self) -> bool:
        """Whether finer voxels under this view were written after this level was made."""
        return self._level > 0 and self._lags(self.box)

    def _lags(self, box: Box) -> bool:
        if not self.url or not box.level:
            return False
        return any((box & old).size for old in state.written(self.url).stale.get(box.level, ()))

    # --- views ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Volume:
        """Cut a view: up to three indices are (z, y, x), a full index has one for each axis."""
        keys = list(key) if isinstance(key, tuple) else [key]
        kept = self.axes
        dots = [i for i, one in enumerate(keys) if one is Ellipsis]  # not list.count: an array key has no one truth
        if len(dots) > 1 or len(keys) - len(dots) > len(kept):
            raise BadRequest(f"{len(keys)} indices", f"the view has axes {kept}", "pick t and c with .isel(t=, c=)")
        if dots:
            keys[dots[0] : dots[0] + 1] = [slice(None)] * (len(kept) - len(keys) + 1)
        elif len(keys) < len(kept):
            spatial = [a for a in kept if a in "zyx"]
            if len(keys) > len(spatial):
                raise BadRequest(f"{len(keys)} indices", f"the view has axes {kept}",
                                 "give (z, y, x), or one for every axis; pick t and c with .isel(t=, c=)")  # fmt: skip
            front = len(kept) - len(spatial)
            keys = [slice(None)] * front + keys + [slice(None)] * (len(spatial) - len(keys))
        return self.view(tuple(keys))

    def view(self, key: tuple[slice | int, ...]) -> Volume:
        """Cut a view by one slice or number for every axis of `axes`."""
        keys = iter(key)
        spans = tuple(
            s if s.dropped else s.cut(next(keys), axis) for s, axis in zip(self._spans, self._stored.axes, strict=True)
        )
        return Volume(self._stored, self._level, spans)

    def isel(self, *, t: int | slice | None = None, c: int | str | slice | None = None) -> Volume:
        """Pick one or some time points or channels; a channel may be given by name.

        Examples
        --------
        >>> vol = Volume.from_array(np.zeros((2, 3, 4, 5, 6), "u1"), (40, 4, 4))
        >>> vol.isel(t=0, c=slice(0, 2)).shape
        (2, 4, 5, 6)
        """
        spans = list(self._spans)
        for axis, key in (("t", t), ("c", self._channel_in_view(c) if isinstance(c, str) else c)):
            if key is None:
                continue
            if axis not in self._stored.axes:
                if key in (0, slice(None)):
                    continue
                raise OutOfBounds(f"{axis}={key} was asked for", f"the volume has axes {self._stored.axes}")
            at = self._stored.axes.index(axis)
            spans[at] = Span(spans[at].start, spans[at].stop).cut(key, axis)
        return Volume(self._stored, self._level, tuple(spans))

    def _channel_in_view(self, name: str) -> int:
        """Find a channel by name, counted from the view's first."""
        span = self._channel_span
        names = [channel.name for channel in self.channels[span.start : span.stop]]
        if name not in names:
            raise OutOfBounds(f"channel {name!r} was asked for", f"the channels are {names}", "pass one, or its number")
        return names.index(name)

    @property
    def _channel_span(self) -> Span:
        return self._spans[self._stored.axes.index("c")] if "c" in self._stored.axes else Span(0, 1)

    @property
    def nm(self) -> NmIndexer:
        """Index by position in nm: ``vol.nm[0:4000, 100.0:500.0]`` holds the voxels whose centres lie inside."""
        return NmIndexer(self)

    def level(self, number: int) -> Volume:
        """View the same space at another pyramid level."""
        if not 0 <= number < len(self._stored.levels):
            raise OutOfBounds(f"level {number} was asked for", f"there are levels 0 to {len(self._stored.levels) - 1}",
                              "ndlab.ingest(url, dest, levels=...) makes a store with more")  # fmt: skip
        whole = Volume(self._stored, number)
        if self._spans == tuple(Span(0, n) for n in self._array.shape):
            return whole
        box = writing.box_at_level(self._stored.levels, self.box, number)
        spatial = (
            Span(a, b, s.dropped) if not s.dropped else Span(a, a + 1, True)
            for a, b, s in zip(box.start, box.stop, self._spans[-3:], strict=True)
        )
        return Volume(self._stored, number, (*self._spans[:-3], *spatial))

    def nearest(self, voxel: float | Sequence[float]) -> Volume:
        """View the coarsest level whose voxels are no larger than `voxel` [nm] (one number, or z, y, x).

        Voxels count as no larger within 1 %. If even the finest is larger, that one is given.
        """
        wanted = (float(voxel),) * 3 if isinstance(voxel, int | float) else tuple(map(float, voxel))
        fits = [
            i
            for i, one in enumerate(self.levels)
            if all(have <= want * 1.01 for have, want in zip(one.voxel_size, wanted, strict=True))
        ]
        return self.level(max(fits, default=0))

    # --- voxels -----------------------------------------------------------------------------------------------

    def read(
        self,
        box: Box | NmBox | None = None,
        *,
        t: int | slice | None = None,
        c: int | str | slice | None = None,
        out: np.ndarray[Any, Any] | None = None,
    ) -> np.ndarray[Any, Any]:
        """Voxels as a numpy array, by the fast path.

        Parameters
        ----------
        box : Box or NmBox, optional
            Which voxels, in the array of the box's level; without it, those of this view.
        t, c : int, slice or str, optional
            Time point and channel; a number drops the axis.
        out : array, optional
            C-ordered array that takes the voxels.

        Returns
        -------
        numpy.ndarray
            Axes as in `axes`. A voxel that was never written reads as the store's fill value.

        Raises
        ------
        OutOfBounds
            If the box leaves the level.
        TooLarge
            If the voxels would not fit in memory.

        Warns
        -----
        StaleLevelWarning
            If a coarser level is read that lags behind finer voxels.

        Examples
        --------
        >>> vol = Volume.from_array(np.arange(60, dtype="u1").reshape(3, 4, 5), voxel_size=(40, 4, 4))
        >>> vol.read(Box((1, 0, 0), (2, 2, 3))).tolist()
        [[[20, 21, 22], [25, 26, 27]]]
        >>> vol.read(Box.nm((40, 0, 0), (80, 8, 12))).tolist()
        [[[20, 21, 22], [25, 26, 27]]]
        """
        if box is None and t is None and c is None:
            return self._read(out)
        return self.boxed(box).isel(t=t, c=c)._read(out)

    def boxed(self, box: Box | NmBox | None) -> Volume:
        """Cut the view of `box`, which counts in the array of its own level."""
        if box is None:
            return self
        if isinstance(box, NmBox):
            number = self._level if box.level is None else box.level
            found = box.voxels(self.level(number).calibration)
            box = Box(found.start, found.stop, number)
        if not isinstance(box, Box):
            raise BadRequest(
                f"box {box!r}"[:200],
                "a box is a Box, in voxels, or a Box.nm, in nm",
                "pass ndlab.Box((z0, y0, x0), (z1, y1, x1)), or index vol[z0:z1, y0:y1, x0:x1]",
            )
        if not 0 <= box.level < len(self._stored.levels):
            self.level(box.level)
        box.check(self._stored.levels[box.level].array.shape[-3:])
        spatial = (Span(a, b) for a, b in zip(box.start, box.stop, strict=True))
        return Volume(self._stored, box.level, (*self._spans[:-3], *spatial))

    def _read(self, out: np.ndarray[Any, Any] | None) -> np.ndarray[Any, Any]:
        spans = self._spans
        start, stop = [s.start for s in spans], [s.stop for s in spans]
        if self._level and self.stale:
            warnings.warn(
                f"level {self._level} of {self.url} is stale: finer voxels were written after it was made. "
                f"Run `ndlab pyramid {self.url}` to update it.",
                StaleLevelWarning,
                stacklevel=3,
            )
        shape = self.shape
        if out is None:
            if self.nbytes > 1 << 28:
                self._fits_memory()
            full = self._array.read(start, stop)
            return full.reshape(shape) if any(s.dropped for s in spans) else full
        if out.shape != shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise BadRequest(f"out is {out.dtype} {out.shape}", f"the voxels are {self.dtype} {shape}, C order",
                             "pass np.empty(view.shape, view.dtype)")  # fmt: skip
        self._array.read(start, stop, out.reshape([b - a for a, b in zip(start, stop, strict=True)]))
        return out

    def _fits_memory(self) -> None:
        free = describe.available_memory()
        if free is not None and self.nbytes > free:
            raise TooLarge(
                f"{self.shape} voxels of {self.dtype} are {describe.si_bytes(self.nbytes)}",
                f"{describe.si_bytes(free)} of memory are available",
                "read a box, a coarser .level(l), or work on .dask",
                nbytes=self.nbytes,
                limit=free,
            )

    def write(
        self,
        box: Box | NmBox | None,
        values: Any,
        *,
        t: int | None = None,
        c: int | str | None = None,
        mode: Literal["replace", "nonzero"] = "replace",
    ) -> None:
        """Store voxels. Each chunk or shard takes effect whole, whoever else writes at the same time.

        The volume's version grows and coarser levels over the box are marked stale until
        ``ndlab pyramid`` updates them.

        Parameters
        ----------
        box : Box, NmBox or None
            Where, in the array of the box's level; None means this view (for a DataArray: where its
            coordinates say).
        values : array, number or DataArray
            One value for each voxel of the box, axes as in `axes`; a number fills it.
        mode : {"replace", "nonzero"}
            ``"nonzero"`` leaves voxels alone where the new value is 0, as the Open Connectome Project did.

        Raises
        ------
        BadRequest
            If shape or type do not fit; nothing is written.
        ReadOnly
            If the store cannot be written.

        Examples
        --------
        >>> vol = Volume.from_array(np.zeros((3, 4, 5), "u1"), voxel_size=(40, 4, 4))
        >>> vol.write(Box((0, 0, 0), (1, 2, 2)), [[[1, 2], [3, 0]]])
        >>> vol[0].write(None, vol[0].xarray * 2)  # a DataArray knows its place
        >>> vol.write(Box((0, 0, 0), (1, 2, 2)), [[[0, 0], [0, 9]]], mode="nonzero")
        >>> vol[0, :2, :2].read().tolist()
        [[2, 4], [6, 9]]
        """
        view = self.isel(t=t, c=c)
        view = labelled.place(view, values) if box is None and hasattr(values, "coords") else view.boxed(box)
        array = labelled.arranged(values, view)
        full = array.reshape([s.stop - s.start for s in view._spans])
        writing.write(self._stored, view._level, [s.start for s in view._spans], full, mode)

    def update_levels(self, *, workers: int | None = None) -> Volume:
        """Bring the coarser levels up to date with what was written, and return the volume anew.

        Only the chunks over stale voxels are touched. A store of one level gets all its coarser ones.

        Parameters
        ----------
        workers : int, optional
            Threads; without it the current Dask client if there is one, else as many threads as cores.

        Raises
        ------
        Unsupported
            If the store is of a format that cannot be given levels.
        Conflict
            If another run works on this store.
        """
        if len(self._stored.levels) == 1:
            pyramid.build(add_levels(self._stored), workers=workers)
        else:
            pyramid.rebuild(self._stored, workers=workers)
        return Volume(open_store(self.url))

    def export(self, dest: str | os.PathLike[str], *, overwrite: bool = False, **options: Any) -> Path:
        """Write this view as a TIFF, HDF5, NIfTI, npy or PNG file, slab by slab, and return its path.

        Parameters
        ----------
        dest : path
            The format is taken from the name. It appears only once it is complete.
        overwrite : bool
            Replace what is there.
        **options
            As for `ndlab.store.export.export`: format, slab, progress.

        Examples
        --------
        >>> import numpy as np, tempfile
        >>> vol = Volume.from_array(np.ones((3, 4, 5), "u1"), voxel_size=(40, 4, 4))
        >>> vol[1:].export(tempfile.mkdtemp() + "/part.tif").name
        'part.tif'
        """
        picked: dict[str, Any] = {}
        for axis, span, n in zip(self._stored.axes[:-3], self._spans, self._array.shape, strict=False):
            if span.dropped:
                picked[axis] = span.start
            elif span != Span(0, n):
                raise BadRequest(
                    f"{axis} {span.start}:{span.stop} of a view",
                    f"a file takes one {axis} or all of them",
                    f"pick one with .isel({axis}=...)",
                )
        calibration, whole = (self._stored.levels[n].calibration for n in (self._level, 0))
        kept = Kept.of(self._stored.attrs, whole)
        return write_file(
            self._array, self._stored.axes, calibration, dest, box=self.box, channels=self.channels,
            time_step=self._stored.time_step, header=kept, overwrite=overwrite, **picked, **options,
        )  # fmt: skip

    def like(self, url: str | os.PathLike[str], **options: Any) -> Volume:
        """Make an empty store that covers the same space, and open it; options as for `ndlab.derived.like`."""
        return Volume(derived.like(self, url, **options))

    @staticmethod
    def earlier(url: str | os.PathLike[str], fingerprint: str) -> Volume | None:
        """Open what a step of that fingerprint made at `url` before; None if it did not."""
        found = derived.earlier(url, fingerprint)
        return None if found is None else Volume(found)

    def output(self) -> Output:
        """Return this view as what a run of `ndlab.pipeline` writes to."""
        return derived.output(self)

    def where(self) -> dict[str, Any]:
        """Return address, level, box and picked time points and channels as plain values, for recipes."""
        return derived.where(self)

    def estimate(self, box: Box | NmBox | None = None) -> Estimate:
        """Say what reading would move: bytes, chunks and requests, before anything does.

        Examples
        --------
        >>> vol = Volume.from_array(np.zeros((64, 64, 64), "u1"), voxel_size=(4, 4, 4))
        >>> vol[:8].estimate().nbytes
        32768
        """
        view = self.boxed(box)
        return Estimate.of(view._array, view._spans)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """All voxels, if they are few; use `read` to mean it."""
        if copy is False:
            raise ValueError("a volume is read into new memory: copy=False cannot be kept")
        if self.nbytes > ASARRAY_BYTES:
            raise TooLarge(
                f"np.asarray of {describe.si_bytes(self.nbytes)}",
                f"without being asked ndlab reads at most {describe.si_bytes(ASARRAY_BYTES)}",
                "call .read() to mean it, or cut a box first: vol[z0:z1, y0:y1, x0:x1]",
                nbytes=self.nbytes,
                limit=ASARRAY_BYTES,
            )
        values = self.read()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a volume is not iterated voxel by voxel: use .read(), or ndlab.geometry.Grid for blocks")

    # --- other libraries' arrays ------------------------------------------------------------------------------

    @property
    def dask(self) -> da.Array:
        """A Dask array over coarse blocks of this view (about 32 Mvoxel each, on the storage grid)."""
        # Made anew after a write: Dask would take an array of the old name for the old voxels.
        version = self.version
        if self._dask is None or self._dask[0] != version:
            self._dask = version, self._to_dask(version)
        return self._dask[1]

    def _to_dask(self, version: int) -> da.Array:
        kept = [not s.dropped for s in self._spans]
        block = lazy.block_shape(self._array.shape, self.chunks, self.shards, self.dtype.itemsize)
        start = [s.start for s, k in zip(self._spans, kept, strict=True) if k]
        block = tuple(b for b, k in zip(block, kept, strict=True) if k)
        # The pickled array is its address, data set and axes included; arrays in memory have no address.
        address = pickle.dumps(self._array) if self.url else uuid4().bytes
        token = (address, self._level, self._spans, version)
        return lazy.to_dask(self, start, block, token)

    @property
    def xarray(self) -> DataArray:
        """A DataArray with coordinates of voxel centres in nm, read when its values are asked for."""
        return lazy.to_xarray(self, describe.coordinates(self), describe.attributes(self))

    @property
    def datatree(self) -> DataTree:
        """The pyramid as a DataTree, one node ``scale0``, ``scale1`` … a level."""
        import xarray as xr

        nodes = {
            f"scale{i}": self.level(i).xarray.rename(self.kind).to_dataset() for i in range(len(self._stored.levels))
        }
        return xr.DataTree.from_dict(nodes, name=self.name or None)

    # --- display ----------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return describe.text(self)

    def _repr_html_(self) -> str:
        return describe.html(self)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw this plane with axes in nm and a scale bar, and return the matplotlib axes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new small figure unless given.
        **options
            As for `ndlab.figures.plot`: labels, opacity, bar.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> vol = Volume.from_array(np.arange(60, dtype="u1").reshape(3, 4, 5), (40, 4, 4))
        >>> vol[1].plot(ax=Figure().subplots()).get_xlabel()
        'x [nm]'
        """
        return accessor("plot")(self, ax, **options)

    def info(self) -> dict[str, Any]:
        """Return what `ndlab info --json` prints: plain JSON values."""
        return describe.info(self)


def open(  # noqa: A001 - the name users know from zarr, xarray and the builtin
    url: str | os.PathLike[str],
    *,
    path: str | None = None,
    axes: str | None = None,
    voxel_size: Sequence[float] | None = None,
    unit: str | None = None,
    kind: Literal["image", "labels"] | None = None,
    level: int = 0,
    **options: Any,
) -> Volume:
    """Open what is at an address as a `Volume`; no voxel is read.

    Parameters
    ----------
    url : str or path
        Local path, ``file://``, ``http(s)://``, ``s3://``, ``gs://`` or a zip file of OME-Zarr 0.1-0.5, Zarr v2
        or v3, Neuroglancer precomputed, N5; or an HDF5, TIFF, NIfTI, NRRD or npy file, or a folder of slices.
    path : str, optional
        The image inside a store that holds several.
    axes : str, optional
        Names of the stored axes where the store does not say, e.g. ``"czyx"``.
    voxel_size : sequence of 3 float, optional
        Voxel size (z, y, x) [nm], instead of what the store says.
    unit : str, optional
        Unit of the store's scales where it names none, e.g. ``"micrometer"``.
    kind : {"image", "labels"}, optional
        What the voxels are, where the store does not say that they are labels.
    level : int
        Pyramid level to start at.
    **options
        `dataset` for HDF5, `pattern` for folders of slices.

    Raises
    ------
    NotFound, Unsupported, BadMetadata
        With what is there and what to type next.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/stack.npy", np.zeros((10, 20, 30), "u1"))
    ...     vol = open(folder + "/stack.npy", voxel_size=(40, 4, 4))
    ...     vol.shape, vol.voxel_size, vol.nm[0:80].read().shape
    ((10, 20, 30), (40.0, 4.0, 4.0), (2, 20, 30))
    """
    if not isinstance(url, str | os.PathLike):
        raise BadRequest(f"ndlab.open of a {type(url).__name__}", "it takes an address or a path",
                         "for an array type ndlab.Volume.from_array(values, voxel_size=(z, y, x))")  # fmt: skip
    stored = open_store(url, path=path, axes=axes, voxel_size=voxel_size, unit=unit, **options)
    volume = Volume(stored if kind is None else replace(stored, kind=kind))
    return volume.level(level) if level else volume
