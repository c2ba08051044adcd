"""New stores made after the model of a volume: what a step over it writes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest, Conflict
from ndlab.geometry import Box, Calibration
from ndlab.metadata import Channel, Kind, Multiscale, Scale
from ndlab.store.arrays import Stored
from ndlab.store.create import create, exists
from ndlab.store.files.nifti_header import KEY, Kept
from ndlab.store.kv import Kv, normal_url
from ndlab.store.layout import LevelPlan, plan
from ndlab.store.multiscale import open_store
from ndlab.store.output import Output

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["earlier", "like", "output", "where"]

# A step's task holds a whole shard of its output: 64 Mvoxel are as much as is worth a task.
_SHARD_VOXELS = 1 << 26


def like(
    volume: Volume,
    url: str | os.PathLike[str],
    *,
    dtype: Any = None,
    kind: Kind | None = None,
    axes: Sequence[str] | None = None,
    chunks: Sequence[int] | None = None,
    shards: Sequence[int] | None = None,
    codec: Any = "zstd",
    levels: int | None = None,
    made: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Stored:
    """Make an empty OME-Zarr store that covers the same space as `volume`.

    Parameters
    ----------
    volume : Volume
        Its view gives extent, voxel size and corner.
    url : str or path
        Where.
    dtype, kind, axes : optional
        Those of `volume` unless given; `axes` out of its own.
    chunks, shards : sequence of 3 int, optional
        Of level 0 (z, y, x), instead of the defaults.
    codec : optional
        As for `ndlab.store.create.create`.
    levels : int, optional
        How many; until no axis is longer than 64 unless given.
    made : mapping, optional
        What will fill it, kept in ``volume.provenance``. A store that holds the same is opened instead.
    overwrite : bool
        Remove what is at `url` first.

    Raises
    ------
    Conflict
        If something else is there.
    """
    address = normal_url(url)
    made = dict(made or {})
    if exists(address) and not overwrite:
        return _there(address, made)
    if overwrite:
        Kv.open(address).delete_all()
    kept = tuple(axes or volume.axes)
    if not {"z", "y", "x"} <= set(kept):
        kept = (*[a for a in kept if a in "tc"], "z", "y", "x")
    extents = dict(zip(volume.axes, volume.shape, strict=True))
    lead = [extents[a] for a in kept if a in "tc"]
    kind = kind or ("labels" if volume.kind == "labels" else "image")
    base = Calibration(volume.voxel_size, volume.offset)
    found = np.dtype(dtype or volume.dtype)
    plans = plan(
        volume.box.shape, found.itemsize, base.voxel_size, chunk=chunks, shard=shards, levels=levels,
        nbytes=_SHARD_VOXELS * found.itemsize,
    )  # fmt: skip
    header = Kept.of(volume._stored.attrs, volume._stored.levels[0].calibration)
    own = {"made": made, KEY: header.moved(base, volume.box.shape) if header else None}
    return _created(address, plans, kept, lead, kind, base, volume.channels if "c" in kept else (), found, codec, own)


def _created(
    url: str,
    plans: Sequence[LevelPlan],
    axes: tuple[str, ...],
    lead: Sequence[int],
    kind: Kind,
    base: Calibration,
    channels: tuple[Channel, ...],
    dtype: np.dtype[Any],
    codec: Any,
    own: Mapping[str, Any],
) -> Stored:
    ones = (1,) * len(lead)
    scales = tuple(Scale(str(i), base.coarser(level.factors)) for i, level in enumerate(plans))
    # Windows are those of other values.
    names = tuple(Channel(channel.name, color=channel.color) for channel in channels)
    about = Multiscale(axes, scales, name=url.rstrip("/").rpartition("/")[2], kind=kind, channels=names)
    return create(
        url, about, [(*lead, *level.shape) for level in plans], dtype,
        chunks=[(*ones, *level.chunk) for level in plans], shards=[(*ones, *level.unit) for level in plans],
        codec=codec, attrs={name: value for name, value in own.items() if value},
    )  # fmt: skip


def _there(url: str, made: Mapping[str, Any]) -> Stored:
    stored = open_store(url)
    before = stored.attrs.get("ndlab", {}).get("made", {})
    if not made or before.get("fingerprint") != made.get("fingerprint"):
        other = f"it was made by step {before['step']!r} from other inputs or parameters" if before else "a store"
        raise Conflict(
            f"{url} is there already",
            other if before else "and ndlab does not overwrite",
            "pass overwrite=True to remove it, another address, or ndlab.open(url) to write into it",
            url=url,
        )
    return stored


def earlier(url: str | os.PathLike[str], fingerprint: str) -> Stored | None:
    """Return the store at `url` if it was made for the step of that fingerprint, else None."""
    address = normal_url(url)
    if not exists(address):
        return None
    stored = open_store(address)
    return stored if stored.attrs.get("ndlab", {}).get("made", {}).get("fingerprint") == fingerprint else None


def output(volume: Volume) -> Output:
    """Return the view as what a run writes to."""
    stored, spans = volume._stored, volume._spans
    if any(span.dropped for span in spans[-3:]):
        raise BadRequest(
            f"a view with axes {volume.axes} as output", "a run writes boxes of (z, y, x)", "keep the axis: vol[5:6]"
        )
    lead = tuple((span.start, span.stop) for span in spans[:-3])
    box = Box([span.start for span in spans[-3:]], [span.stop for span in spans[-3:]], volume.level_index)
    return Output(stored, volume.level_index, lead, box, f"{type(volume).__module__}:open")


def where(volume: Volume) -> dict[str, Any]:
    """Return address, level, box (z, y, x) and picked time points and channels of a view, as plain values."""
    found: dict[str, Any] = {"url": volume.url, "level": volume.level_index}
    found |= {"start": list(volume.box.start), "stop": list(volume.box.stop)}
    for axis, span in zip(volume._stored.axes[:-3], volume._spans, strict=False):
        found[axis] = span.start if span.dropped else [span.start, span.stop]
    return found
