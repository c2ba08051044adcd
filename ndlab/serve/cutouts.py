"""Voxels of a cut: checked, read at the asked level, made finer or coarser where that level is not stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from ndlab.describe import si_bytes
from ndlab.errors import BadMetadata, BadRequest, NdlabError, TooLarge
from ndlab.geometry import Box, Int3, level_shape
from ndlab.render import filter_ids
from ndlab.serve.grammar import Cut, Options
from ndlab.serve.source import Channel
from ndlab.serve.space import Level, check_time, ladder, level_of, near_isotropic, voxels_of
from ndlab.store.downsample import Rule, downsample

__all__ = ["Limits", "Slab", "guarded", "keep", "level_for", "read", "read_box", "read_channels", "title"]

Voxels = np.ndarray[Any, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """Most that one request may take.

    Parameters
    ----------
    nbytes : int
        Bytes of voxels read, all channels together, also those that are read to be made coarser.
    pixels : int
        Pixels of a picture.
    """

    nbytes: int = 1 << 30
    pixels: int = 1 << 26


@dataclass(frozen=True, slots=True)
class Slab:
    """Voxels of some channels over one cut.

    Parameters
    ----------
    values : ndarray, shape (channel, [t], z, y, x)
        With the axis t if the cut states times; an empty place holds zeros.
    channels : tuple of Channel or None
        One for each place; None for an empty one.
    """

    values: Voxels
    channels: tuple[Channel | None, ...]


def title(channel: Channel) -> str:
    """Name a channel as its paths do, for messages."""
    return f"{channel.token}/{channel.name}"


def guarded(channel: Channel, work: Callable[[], T]) -> T:
    """Return what `work` reads of a channel; what goes wrong in its store is told without the store's address."""
    try:
        return work()
    except TooLarge as error:
        raise TooLarge(f"voxels of {title(channel)}", "they do not fit in the server's memory",
                       "ask for a smaller box, or a coarser level") from error  # fmt: skip
    except (NdlabError, OSError, ValueError, RuntimeError) as error:
        raise BadMetadata(f"voxels of {title(channel)} cannot be read", "its store does not hold what it promises",
                          "tell whoever runs this server") from error  # fmt: skip


def level_for(channel: Channel, number: int, neariso: bool = False) -> Level:
    """Return a level of the space that a channel's paths count in, or raise `OutOfBounds`."""
    space = channel.volume if channel.space is None else channel.space
    level = level_of(guarded(channel, lambda: ladder(space)), number, channel.token)
    return near_isotropic(level) if neariso else level


def read(channel: Channel, cut: Cut, options: Options, limits: Limits) -> Voxels:
    """Voxels of one channel, (t, z, y, x), with the ids that the options do not keep as 0.

    Raises
    ------
    OutOfBounds
        If the level does not exist or the cut leaves it; the message states the legal extent.
    TooLarge
        If more would be read than `limits` allow.
    BadRequest
        If ids of an image are to be kept.
    """
    level = level_for(channel, cut.level, options.neariso)
    start, stop = (cut.z[0], cut.y[0], cut.x[0]), (cut.z[1], cut.y[1], cut.x[1])
    box = voxels_of(level, start, stop, channel.token)
    values = read_box(channel, level, box, check_time(channel.volume, cut.t, title(channel)), limits)
    return keep(channel, values, options.filter)


def read_box(channel: Channel, level: Level, box: Box, times: tuple[int, int], limits: Limits) -> Voxels:
    """Voxels (t, z, y, x) of a box in voxels of a level."""
    if channel.space is not None:
        return _mapped(channel, level, box, times, limits)
    return _stored(channel, level, box, times, limits)


def _stored(channel: Channel, level: Level, box: Box, times: tuple[int, int], limits: Limits) -> Voxels:
    """Read the stored voxels under a box, and make them coarser step by step, as building the levels would."""
    shapes = [_int3(channel.volume.levels[level.stored].shape[-3:])]
    for step in level.steps:
        shapes.append(_int3(level_shape(shapes[-1], step)))
    source = box
    for step, finer in zip(reversed(level.steps), reversed(shapes[:-1]), strict=True):
        source = Box(
            [a * f for a, f in zip(source.start, step, strict=True)],
            [min(b * f, n) for b, f, n in zip(source.stop, step, finer, strict=True)],
            level.stored,
        )
    _within(channel, source.size * (times[1] - times[0]) * channel.volume.dtype.itemsize, limits)
    values = guarded(channel, lambda: _fetch(channel, source, times))
    rule: Rule = "majority" if channel.kind == "annotation" else "mean"
    for step in level.steps:
        values = np.stack([downsample(one, step, rule) for one in values])
    return values


def _fetch(channel: Channel, box: Box, times: tuple[int, int]) -> Voxels:
    volume = channel.volume.isel(c=0) if "c" in channel.volume.axes else channel.volume
    if "t" in volume.axes:
        return volume.read(box, t=slice(*times))
    return volume.read(box)[np.newaxis]


def _within(channel: Channel, nbytes: int, limits: Limits) -> None:
    if nbytes > limits.nbytes:
        raise TooLarge(f"{si_bytes(nbytes)} of {title(channel)} would be read",
                       f"a request may read {si_bytes(limits.nbytes)}",
                       "ask for a smaller box, or a coarser level", nbytes=nbytes, limit=limits.nbytes)  # fmt: skip


# --- a channel in a space that is not its own -------------------------------------------------------------------------


def _mapped(channel: Channel, level: Level, box: Box, times: tuple[int, int], limits: Limits) -> Voxels:
    """Give every voxel of the box the channel's voxel in which its centre lies; 0 outside the channel."""
    count = box.size * (times[1] - times[0]) * channel.volume.dtype.itemsize
    _within(channel, count, limits)
    own = _no_coarser(guarded(channel, lambda: ladder(channel.volume)), level)
    indices = [_centres(channel, level, own, axis, box.start[axis], box.stop[axis]) for axis in range(3)]
    inside = [(one >= 0) & (one < n) for one, n in zip(indices, own.shape, strict=True)]
    out = np.zeros((times[1] - times[0], *box.shape), channel.volume.dtype)
    if not all(one.any() for one in inside):
        return out
    known = [one[mask] for one, mask in zip(indices, inside, strict=True)]
    corner = [int(one[0]) for one in known]
    source = Box(corner, [int(one[-1]) + 1 for one in known], own.stored)
    values = _stored(channel, own, source, times, limits)
    if values.shape == out.shape and all((np.diff(one) == 1).all() for one in known):
        return values  # voxel for voxel, as where labels lie over their own image
    z, y, x = np.ix_(*(one - a for one, a in zip(known, corner, strict=True)))
    picked = values[:, z, y, x]
    z, y, x = np.ix_(*inside)
    out[:, z, y, x] = picked
    return out


def _no_coarser(levels: Sequence[Level], wanted: Level) -> Level:
    """Return the coarsest level whose voxels are no larger than the wanted ones, or the finest."""
    fits = [
        one for one in levels
        if all(have <= want * 1.01 for have, want in zip(one.voxel_size, wanted.voxel_size, strict=True))
    ]  # fmt: skip
    return fits[-1] if fits else levels[0]


def _centres(channel: Channel, level: Level, own: Level, axis: int, start: int, stop: int) -> Voxels:
    """Index of the channel's voxel under the centre of each of the space's voxels, along one axis."""
    assert channel.space is not None
    origin = channel.space.levels[0].offset[axis] - channel.volume.levels[0].offset[axis]
    position = origin + (np.arange(start, stop) + 0.5) * level.voxel_size[axis]
    # The rounding keeps 0.1 + 0.2 from moving a border by a voxel.
    return np.floor(np.round(position / own.voxel_size[axis], 6)).astype(np.int64)


# --- ids, and several channels ----------------------------------------------------------------------------------------


def keep(channel: Channel, values: Voxels, ids: Sequence[int]) -> Voxels:
    """Return labels with every id but `ids` made 0; all of them where none is named."""
    if not ids:
        return values
    if channel.kind != "annotation":
        raise BadRequest(f"ids of {title(channel)} are to be kept", f"it is of type {channel.kind}, which has none",
                         "filter an annotation channel")  # fmt: skip
    return filter_ids(values, ids)


def read_channels(channels: Sequence[Channel | None], cut: Cut, options: Options, limits: Limits) -> Slab:
    """Voxels of several channels of one type, in the order asked; None leaves its place at 0.

    Raises
    ------
    BadRequest
        If their voxels are of different types.
    """
    known = [one for one in channels if one is not None]
    for a, b in pairwise(known):
        if a.volume.dtype != b.volume.dtype:
            raise BadRequest(f"{title(a)} and {title(b)} together",
                             f"one is {a.volume.dtype}, the other {b.volume.dtype}",
                             "ask for each alone, or for hdf5, which holds both")  # fmt: skip
    share = Limits(limits.nbytes // len(channels), limits.pixels)
    parts = [None if one is None else read(one, cut, options, share) for one in channels]
    found = [part for part in parts if part is not None]
    values = np.stack([np.zeros_like(found[0]) if part is None else part for part in parts])
    return Slab(values if cut.t is not None else values[:, 0], tuple(channels))


def _int3(values: Sequence[int]) -> Int3:
    a, b, c = values
    return a, b, c
