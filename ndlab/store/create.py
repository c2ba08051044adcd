"""Create an empty multiscale store: metadata only, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zarr
import zarr.registry
import zarr.storage
from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec

from ndlab import metadata
from ndlab.errors import BadRequest, Conflict
from ndlab.metadata import Multiscale
from ndlab.store.arrays import Stored
from ndlab.store.codecs import Codec, codecs_v2, codecs_v3
from ndlab.store.kv import Kv, normal_url
from ndlab.store.multiscale import open_store

__all__ = ["create", "exists", "make_documents"]

_ROOTS = ("zarr.json", ".zgroup", ".zarray", ".zattrs", "info", "attributes.json")


def exists(url: str) -> bool:
    """Whether some store is at `url` already."""
    return any(raw is not None for raw in Kv.open(url).read_many(_ROOTS))


def make_documents(
    multiscale: Multiscale,
    shapes: Sequence[Sequence[int]],
    dtype: Any,
    *,
    chunks: Sequence[Sequence[int]],
    shards: Sequence[Sequence[int] | None],
    codec: Codec = "zstd",
    fill_value: float = 0,
    attrs: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Return what `create` writes, by key, the root last; it refuses what `create` refuses, and writes nothing."""
    _check_calibrated(multiscale)
    _check_voxels(dtype, fill_value)
    _check_layout(shapes, chunks, shards)
    if multiscale.version == "precomputed":
        return _precomputed_documents(multiscale, shapes, dtype, chunks, codec, attrs)
    if multiscale.version == "0.4":
        return _v2_documents(multiscale, shapes, dtype, chunks, shards, codec, fill_value, attrs)
    return _v3_documents(multiscale, shapes, dtype, chunks, shards, codec, fill_value, attrs)


def create(
    url: str,
    multiscale: Multiscale,
    shapes: Sequence[Sequence[int]],
    dtype: Any,
    *,
    chunks: Sequence[Sequence[int]],
    shards: Sequence[Sequence[int] | None],
    codec: Codec = "zstd",
    fill_value: float = 0,
    attrs: Mapping[str, Any] | None = None,
) -> Stored:
    """Write the metadata of a new multiscale image; its voxels all read as `fill_value`.

    Parameters
    ----------
    url : str
        Where; nothing may be there.
    multiscale : Multiscale
        Axes, calibration of each level, channels. `version` picks the format: ``"0.5"`` (Zarr v3), ``"0.4"``
        (Zarr v2) or ``"precomputed"``.
    shapes, chunks, shards : sequence of shapes
        One per level, in the order of ``multiscale.axes``; a shard of None writes each chunk to its own key.
    dtype : numpy dtype
    codec : str, mapping, sequence of mapping or None
        ``"zstd"`` (level 1), ``"zstd 3"``, ``"blosc"``, None, a Zarr v3 codec, or a numcodecs configuration.
    attrs : mapping, optional
        Further attributes of the group, kept under ``ndlab``.

    Raises
    ------
    Conflict
        If a store is there already.
    BadRequest
        If chunks do not divide their shards, or the codec is unknown.
    """
    kv = Kv.open(url)
    documents = make_documents(
        multiscale, shapes, dtype, chunks=chunks, shards=shards, codec=codec, fill_value=fill_value, attrs=attrs
    )
    if exists(url):
        raise Conflict(
            f"a store is at {kv.url} already", "ndlab does not overwrite", "choose another destination", url=kv.url
        )
    # The root document comes last: until then nobody takes the folder for a store.
    done = []
    try:
        for key, value in documents.items():
            kv.write(key, value)
            done.append(key)
    except BaseException:
        with contextlib.suppress(OSError):
            for key in reversed(done):
                kv.delete(key)
        raise
    return open_store(normal_url(url))


def _check_calibrated(m: Multiscale) -> None:
    if any(scale.calibration is None for scale in m.scales):
        raise BadRequest(
            "a new volume without voxel size",
            "every level needs one in nm: without it nothing can be measured later",
            "pass voxel_size=(z, y, x) in nm",
        )


def _check_voxels(dtype: Any, fill_value: float) -> None:
    kind = np.dtype(dtype)
    if kind.kind not in "buif":
        raise BadRequest(
            f"voxels of {kind}", "they are bool, integer or floating-point numbers", 'pass e.g. dtype="uint8"'
        )
    try:
        fits = bool(kind.type(fill_value) == fill_value) or fill_value != fill_value
    except (OverflowError, ValueError):
        fits = False
    if not fits and kind.kind != "f":
        raise BadRequest(f"fill_value={fill_value!r}", f"{kind} cannot hold it", "pass fill_value=0")


def _check_layout(
    shapes: Sequence[Sequence[int]], chunks: Sequence[Sequence[int]], shards: Sequence[Sequence[int] | None]
) -> None:
    for shape, chunk, shard in zip(shapes, chunks, shards, strict=True):
        if len(shape) != len(chunk) or min(chunk) < 1:
            raise BadRequest(f"chunks {tuple(chunk)} for shape {tuple(shape)}", "one positive length an axis is needed")
        if shard is not None and any(s % c for s, c in zip(shard, chunk, strict=True)):
            raise BadRequest(
                f"shards {tuple(shard)} are not whole numbers of chunks {tuple(chunk)}",
                "a shard holds whole chunks",
                f"pass e.g. shards={tuple(c * max(1, round(s / c)) for s, c in zip(shard, chunk, strict=True))}",
            )


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def array_document(
    version: int,
    shape: Sequence[int],
    dtype: Any,
    chunks: Sequence[int],
    shards: Sequence[int] | None,
    codec: Codec,
    fill_value: float,
    axes: Sequence[str],
) -> bytes:
    """Return the array metadata document, as zarr-python (the reference) writes it."""
    memory = zarr.storage.MemoryStore()
    common: dict[str, Any] = {"shape": tuple(shape), "dtype": np.dtype(dtype), "chunks": tuple(chunks)}
    common |= {"fill_value": np.dtype(dtype).type(fill_value), "zarr_format": version}
    try:
        with warnings.catch_warnings():
            # numcodecs names are outside the v3 core on purpose: the caller asked for that codec.
            warnings.simplefilter("ignore")
            if version == 2:
                listed = codecs_v2(codec)
                key: Any = {"name": "v2", "separator": "/"}
                zarr.create_array(memory, **common, filters=listed[:-1] or None, compressors=listed[-1:] or None,
                                  chunk_key_encoding=key)  # fmt: skip
            else:
                shard = None if shards is None else tuple(shards)
                zarr.create_array(memory, **common, shards=shard, dimension_names=tuple(axes), **_by_kind(codec))
    except (TypeError, ValueError, KeyError) as error:
        raise BadRequest(
            f"codec {codec!r} cannot be used for {np.dtype(dtype)} voxels",
            str(error).splitlines()[0],
            'pass e.g. codec="zstd"',
        ) from error
    name = "zarr.json" if version == 3 else ".zarray"
    return memory._store_dict[name].to_bytes()


def _by_kind(codec: Codec) -> dict[str, Any]:
    """Codecs sorted into the stages that zarr-python asks for."""
    filters, serializer, compressors = [], None, []
    for one in codecs_v3(codec):
        kind = zarr.registry.get_codec_class(one["name"])
        if issubclass(kind, ArrayArrayCodec):
            filters.append(one)
        elif issubclass(kind, ArrayBytesCodec):
            serializer = one
        else:
            compressors.append(one)
    found: dict[str, Any] = {"filters": filters or None, "compressors": compressors or None}
    return found if serializer is None else found | {"serializer": serializer}


def _with_own(attributes: dict[str, Any], attrs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Attributes with `attrs` under ``ndlab``, beside what the metadata keep there themselves."""
    return attributes | {"ndlab": attributes.get("ndlab", {}) | dict(attrs)} if attrs else attributes


def _v3_documents(
    m: Multiscale,
    shapes: Sequence[Sequence[int]],
    dtype: Any,
    chunks: Sequence[Sequence[int]],
    shards: Sequence[Sequence[int] | None],
    codec: Codec,
    fill_value: float,
    attrs: Mapping[str, Any] | None,
) -> dict[str, bytes]:
    found = {
        f"{scale.path}/zarr.json": array_document(3, shape, dtype, chunk, shard, codec, fill_value, m.axes)
        for scale, shape, chunk, shard in zip(m.scales, shapes, chunks, shards, strict=True)
    }
    attributes = _with_own(metadata.write_ome(m, version="0.5"), attrs)
    found["zarr.json"] = _json({"zarr_format": 3, "node_type": "group", "attributes": attributes})
    return found


def _v2_documents(
    m: Multiscale,
    shapes: Sequence[Sequence[int]],
    dtype: Any,
    chunks: Sequence[Sequence[int]],
    shards: Sequence[Sequence[int] | None],
    codec: Codec,
    fill_value: float,
    attrs: Mapping[str, Any] | None,
) -> dict[str, bytes]:
    if any(shard is not None for shard in shards):
        raise BadRequest("shards for OME-Zarr 0.4", "Zarr v2 has no shards", 'pass shards=None, or version="0.5"')
    found = {
        f"{scale.path}/.zarray": array_document(2, shape, dtype, chunk, None, codec, fill_value, m.axes)
        for scale, shape, chunk in zip(m.scales, shapes, chunks, strict=True)
    }
    # Zarr v2 has no dimension names of its own; this is where xarray looks for them.
    found |= {f"{scale.path}/.zattrs": _json({"_ARRAY_DIMENSIONS": list(m.axes)}) for scale in m.scales}
    found[".zattrs"] = _json(_with_own(metadata.write_ome(m, version="0.4"), attrs))
    found[".zgroup"] = _json({"zarr_format": 2})
    return found


def _precomputed_documents(
    m: Multiscale,
    shapes: Sequence[Sequence[int]],
    dtype: Any,
    chunks: Sequence[Sequence[int]],
    codec: Codec,
    attrs: Mapping[str, Any] | None,
) -> dict[str, bytes]:
    encodings = {None: "raw", "none": "raw", "raw": "raw", "jpeg": "jpeg"}
    encodings |= {"compressed_segmentation": "compressed_segmentation", "png": "png"}
    key = codec if isinstance(codec, str) or codec is None else None
    if key == "zstd":  # The default codec elsewhere; precomputed has none, so its own default is taken.
        key = "compressed_segmentation" if m.kind == "labels" and np.dtype(dtype).itemsize >= 4 else "raw"
    if key not in encodings or not (codec is None or isinstance(codec, str)):
        raise BadRequest(
            f"codec {codec!r} for precomputed",
            f"it has {', '.join(sorted(set(encodings.values())))}",
            'pass codec="raw"',
        )
    spatial = [m.axes.index(a) for a in "zyx"]
    info = metadata.write_precomputed(
        m,
        [tuple(shape) for shape in shapes],
        np.dtype(dtype),
        [tuple(chunk[i] for i in spatial) for chunk in chunks],
        encoding=encodings[key],
    )
    return {"info": _json(info | ({"ndlab": dict(attrs)} if attrs else {}))}
