"""A whole channel as NIfTI, out and in: its header and affine are kept, labels may become objects."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.annotations import Generic
from ndlab.describe import si_bytes
from ndlab.errors import BadRequest, NdlabError, NotFound, ReadOnly, TooLarge
from ndlab.serve import writes
from ndlab.serve.answer import Answer
from ndlab.serve.grammar.calls import Nifti
from ndlab.serve.manage import Post
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.dense import write_labels
from ndlab.serve.register import CHANNEL_TYPES
from ndlab.serve.site import Site
from ndlab.serve.source import Channel
from ndlab.serve.space import ladder
from ndlab.store.files.nifti_header import KEY
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

__all__ = ["answer"]

Array = np.ndarray[Any, np.dtype[Any]]
_GZIP = b"\x1f\x8b"


def answer(site: Site, call: Nifti, method: str, body: bytes) -> Answer:
    """Answer the channel as a file, or take one that is posted.

    Raises
    ------
    NdlabError
        What is wrong with the request; nothing is written.
    """
    if method == "GET":
        if call.create or call.annotations:
            raise BadRequest("GET of nii/create/ or nii/annotations/", "a file is posted there", "ask for nii/")
        return Answer(200, "application/gzip", _file(site.channel(call.token, call.channel), site.limits.nbytes))
    with tempfile.TemporaryDirectory(prefix="ndlab-nifti-") as folder:
        source = _opened(Path(folder), body, site.limits.nbytes)
        if call.create:
            return _text(_created(site, call, source))
        channel = site.names.channel(call.token, call.channel)
        if channel.readonly:
            raise ReadOnly(f"NIfTI for channel {channel.name!r}", "it is read-only", "write to another channel")
        return _text(_written(site, call, channel, _values(source, channel)))


def _text(text: str) -> Answer:
    return Answer(200, "text/plain; charset=utf-8", text.encode())


def _file(channel: Channel, nbytes: int) -> bytes:
    """Return a channel as gzipped NIfTI."""
    if channel.volume.nbytes > nbytes:
        raise TooLarge(f"{si_bytes(channel.volume.nbytes)} of {channel.token}/{channel.name} as one file",
                       f"{si_bytes(nbytes)} are answered at once", "ask for boxes: hdf5/ or npz/",
                       nbytes=channel.volume.nbytes, limit=nbytes)  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="ndlab-nifti-") as folder:
        return channel.volume.export(Path(folder) / "channel.nii.gz").read_bytes()


# --- in -------------------------------------------------------------------------------------------------------------


def _opened(folder: Path, body: bytes, nbytes: int) -> Volume:
    """Open a posted file, which decodes to `nbytes` at most."""
    path = folder / ("posted.nii.gz" if body.startswith(_GZIP) else "posted.nii")
    if not _is_nifti(body):  # a file of another format would be opened as what it is
        raise _wrong(body, ValueError())
    path.write_bytes(body)
    try:
        found = open_volume(path)
    except Exception as error:
        # Whatever a decoder says of bytes that came over a wire, the bytes are wrong.
        raise _wrong(body, error) from None
    if found.nbytes > nbytes:
        raise TooLarge(f"a NIfTI file of {si_bytes(found.nbytes)}", f"{si_bytes(nbytes)} are taken",
                       "post boxes of it", nbytes=found.nbytes, limit=nbytes)  # fmt: skip
    return found


def _is_nifti(body: bytes) -> bool:
    """Tell by its first bytes whether a body is NIfTI 1 or 2, packed or not."""
    head = body[:1024]
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(31).decompress(body[: 1 << 16], 1024)
        except zlib.error:
            return False
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"


def _wrong(body: bytes, error: Exception) -> BadRequest:
    what = error.exists if isinstance(error, NdlabError) else type(error).__name__
    return BadRequest(f"a body of {len(body)} bytes as NIfTI", f"it does not decode: {what}"[:200],
                      "post a .nii or .nii.gz file")  # fmt: skip


def _values(source: Volume, channel: Channel) -> Array:
    """Return the voxels of a file, (t)zyx, as the channel holds them; nothing is lost on the way."""
    there = channel.volume
    if source.axes != there.axes or source.shape != there.shape:
        raise BadRequest(f"a NIfTI file of {', '.join(source.axes)} {source.shape}",
                         f"channel {channel.name!r} has {', '.join(there.axes)} {there.shape}",
                         "post a file of the whole channel, with x first")  # fmt: skip
    values = _read(source)
    with np.errstate(invalid="ignore"):
        cast: Array = values.astype(there.dtype)
    if not np.array_equal(cast, values):
        raise BadRequest(f"{values.dtype} voxels for channel {channel.name!r}",
                         f"it holds {there.dtype}, into which they do not fit", "convert them first")  # fmt: skip
    return cast


def _read(source: Volume) -> Array:
    try:
        values: Array = source.read()
    except Exception as error:
        raise BadRequest("the voxels of a NIfTI file", f"they do not decode: {type(error).__name__}",
                         "post a file that is whole") from None  # fmt: skip
    return values


def _created(site: Site, call: Nifti, source: Volume) -> str:
    """Make a channel for a file, of ids if objects are to be made of them, else an image; or make none."""
    record = site.names.record(call.token)
    if record is None:
        raise NotFound(f"a channel of {call.token!r} to be made", "channels are made in projects that were made over "
                       "HTTP", "make one: resource/dataset/D/project/P/")  # fmt: skip
    dataset, project = record
    wanted = ((dataset.times,) if dataset.times > 1 else ()) + dataset.shape
    if source.shape != wanted:
        raise BadRequest(f"a NIfTI file of shape {source.shape}", f"the data set has {wanted}", "post the whole of it")
    kind = "annotation" if call.annotations else "image"
    fields = {"channel_name": call.channel, "channel_type": kind, "datatype": _type(source, kind)}
    corner = [v * o for v, o in zip(dataset.voxelres, dataset.offset, strict=True)][::-1]
    site.names.make_channel(project, fields, _header(source, corner))
    try:
        channel = site.names.channel(call.token, call.channel)
        return _written(site, call, channel, _values(source, channel))
    except BaseException:
        site.names.delete_channel(project, call.channel)
        raise


def _type(source: Volume, kind: str) -> str:
    """Return the narrowest type that a channel of a kind may have and that holds what a file has."""
    known = CHANNEL_TYPES[kind]
    if source.dtype.name in known:
        return source.dtype.name
    low, high = -1, 0
    if source.dtype.kind in "iu":
        values = _read(source)
        low, high = int(values.min()), int(values.max())
    fits = (name for name in known if name.startswith("u") and low >= 0 and high <= np.iinfo(name).max)
    return next(fits, "float32" if "float32" in known else known[-1])


def _header(source: Volume, offset: Sequence[float]) -> Mapping[str, Any]:
    """Return what a store keeps of a file's header, for a volume that begins at the data set's corner [nm]."""
    kept = source._stored.attrs.get(KEY)
    return {KEY: {**kept, "offset": list(offset)}} if kept else {}


def _written(site: Site, call: Nifti, channel: Channel, values: Array) -> str:
    """Write the voxels of a whole channel, and objects for the labels that have none; return the ids of those."""
    first = ladder(channel.volume)[0].offset
    if channel.kind != "annotation":
        if call.annotations:
            raise BadRequest(f"objects of channel {channel.name!r}", f"it is of type {channel.kind}",
                             "post to a channel of ids")  # fmt: skip
        times = (0, values.shape[0]) if values.ndim == 4 else None
        writes.write([channel], 0, first, None, values[None] if times else values, times=times)
        return ""
    behind = site.sets.behind(channel, make=True)
    post = Post(call.token, (call.channel,), "nii", 0, first, None)
    new = _new(behind, values) if call.annotations else []
    behind.writable()
    if new:
        behind.annotations.add([Generic(id=one) for one in new], "nii")
    try:
        write_labels(behind, post, values)
    except BaseException:
        if new:
            behind.annotations.delete(new, note="nii was not written")
        raise
    return ",".join(map(str, new))


def _new(behind: Behind, values: Array) -> list[int]:
    """Return the labels that no object has."""
    ids = [one for one in np.unique(values).tolist() if one]
    known = {one for i in range(0, len(ids), 500)
             for one in behind.annotations.where(id__in=ids[i : i + 500]).ids().tolist()}  # fmt: skip
    return [one for one in ids if one not in known]
