"""Neuroglancer precomputed volumes: the ``info`` file, read into and written from `Multiscale`.

Precomputed counts in (x, y, z) and from voxel *corners*: ``voxel_offset`` times ``resolution`` is where voxel 0
begins, which is `Calibration.offset` as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ndlab.errors import BadMetadata, BadRequest, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata.levels import check_coarser, check_corners, check_paths, numbers, scaled
from ndlab.metadata.model import Multiscale, Scale

__all__ = ["ENCODINGS", "read_precomputed", "write_precomputed"]

VOLUME = "neuroglancer_multiscale_volume"
ENCODINGS = ("raw", "jpeg", "png", "compressed_segmentation")
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "float32")
_SHARDED = "neuroglancer_uint64_sharded_v1"


def read_precomputed(info: Mapping[str, Any], *, where: str) -> Multiscale:
    """Read the ``info`` of a precomputed volume.

    Parameters
    ----------
    info : mapping
        The parsed JSON.
    where : str
        The address, for messages.

    Returns
    -------
    Multiscale
        Axes (z, y, x), or (c, z, y, x) where there are several channels: the reverse of the order on disk.
        Level paths are the scale keys; ``extra`` has the ``mesh`` and ``skeletons`` folders if there are any.

    Raises
    ------
    Unsupported
        For an encoding that ndlab does not decode, graphene, and layers that are no volume.
    BadMetadata
        If a member is missing or contradicts another.

    Examples
    --------
    >>> info = {"type": "image", "data_type": "uint8", "num_channels": 1, "scales": [{"key": "4_4_40",
    ...     "size": [100, 90, 8], "resolution": [4, 4, 40], "voxel_offset": [0, 0, 2], "chunk_sizes": [[64, 64, 8]],
    ...     "encoding": "raw"}]}
    >>> read_precomputed(info, where="em").scales[0].calibration
    Calibration(voxel_size=(40.0, 4.0, 4.0), offset=(80.0, 0.0, 0.0))
    """
    _check_volume(info, where)
    listed = [s for s in info["scales"] if isinstance(s, Mapping)]
    shown = [s for s in listed if not s.get("hidden")] or listed
    paths = [str(s.get("key", "")) for s in shown]
    check_paths(paths, where)
    calibrations = [_calibration(s, where) for s in shown]
    check_coarser([c.voxel_size for c in calibrations], paths, where)
    notes = check_corners(calibrations)
    if len(shown) < len(listed):
        notes += (f"{len(listed) - len(shown)} hidden scale(s) left out",)
    return Multiscale(
        axes=("z", "y", "x") if _channel_count(info, where) == 1 else ("c", "z", "y", "x"),
        scales=tuple(Scale(p, c) for p, c in zip(paths, calibrations, strict=True)),
        version="precomputed",
        kind="labels" if info["type"] == "segmentation" else "image",
        extra={k: info[k] for k in ("mesh", "skeletons", "segment_properties") if k in info},
        notes=notes,
    )


def _check_volume(info: Mapping[str, Any], where: str) -> None:
    what = str(info.get("@type", VOLUME))
    if what != VOLUME:
        raise Unsupported(
            f"{where} is {what}",
            f"a volume is {VOLUME}",
            "open the volume that it belongs to",
            feature=what,
        )
    if "graph" in info or str(info.get("type")) == "graphene":
        raise Unsupported(
            f"{where} is a graphene volume, whose labels change as it is proofread",
            "ndlab opens plain precomputed volumes",
            "open a materialised (flat) segmentation of it",
            feature="graphene",
        )
    missing = [k for k in ("type", "data_type", "scales") if not info.get(k)]
    if missing or info["type"] not in ("image", "segmentation"):
        raise BadMetadata(
            f"the info of {where} " + (f"lacks {', '.join(missing)}" if missing else f"has the type {info['type']!r}"),
            "a volume states type (image or segmentation), data_type, num_channels and scales",
            "check that the address is the folder of a volume",
        )


def _channel_count(info: Mapping[str, Any], where: str) -> int:
    count = info.get("num_channels", 1)
    if not isinstance(count, int) or count < 1:
        raise BadMetadata(f"num_channels of {where} is {count!r}", "it is a whole number of at least 1", "correct it")
    return count


def _calibration(scale: Mapping[str, Any], where: str) -> Calibration:
    key = scale.get("key")
    resolution = _triple(scale, "resolution", where)
    if min(resolution) <= 0:
        raise BadMetadata(
            f"the resolution of scale {key!r} of {where} is {scale['resolution']!r}",
            "voxel sizes are positive nanometres in (x, y, z)",
            "correct the info file",
        )
    if scale.get("encoding") not in ENCODINGS:
        raise Unsupported(
            f"scale {key!r} of {where} has the encoding {scale.get('encoding')!r}",
            f"ndlab decodes {', '.join(ENCODINGS)}",
            "convert it to one of those with the tool that wrote it",
            feature=f"encoding {scale.get('encoding')}",
        )
    size = _triple(scale, "size", where)
    if min(size) <= 0:
        raise BadMetadata(f"the size of scale {key!r} of {where} is {scale['size']!r}", "it is positive", "correct it")
    begin = _triple(scale, "voxel_offset", where) if "voxel_offset" in scale else [0.0, 0.0, 0.0]
    offset = [scaled(b, r) if b else 0.0 for b, r in zip(begin, resolution, strict=True)]
    return Calibration(resolution[::-1], offset[::-1])


def _triple(scale: Mapping[str, Any], member: str, where: str) -> list[float]:
    listed = numbers(scale.get(member))
    if listed is None or len(listed) != 3:
        raise BadMetadata(
            f"{member} of scale {scale.get('key')!r} of {where} is {scale.get(member)!r}",
            "it is three numbers in (x, y, z)",
            "correct the info file",
        )
    return listed


def write_precomputed(
    m: Multiscale,
    shapes: Sequence[Sequence[int]],
    dtype: npt.DTypeLike,
    chunk_sizes: Sequence[Sequence[int]],
    *,
    encoding: str = "raw",
    sharding: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
) -> dict[str, Any]:
    """Return the ``info`` of a precomputed volume.

    Parameters
    ----------
    m : Multiscale
        Calibrated; axes (z, y, x) or (c, z, y, x). A level path is its scale key; an empty one becomes the
        resolution in (x, y, z), such as ``"4_4_40"``.
    shapes, chunk_sizes : sequence of shapes
        One per level, in the order of `m.axes` (a chunk always holds all channels).
    dtype : dtype
        An integer type or float32.
    encoding : str
        ``"raw"``, ``"jpeg"``, ``"png"`` or ``"compressed_segmentation"``.
    sharding : mapping, or one per level, optional
        ``preshift_bits``, ``minishard_bits``, ``shard_bits``; hash and encodings are filled in if left out.

    Raises
    ------
    BadRequest
        If the type does not fit the encoding, an offset is no whole number of voxels, or a level has no
        calibration.

    Examples
    --------
    >>> m = Multiscale(("z", "y", "x"), (Scale("", Calibration((40, 4, 4), offset=(80, 0, 0))),))
    >>> write_precomputed(m, [(8, 90, 100)], "uint8", [(8, 64, 64)])["scales"][0]["voxel_offset"]
    [0, 0, 2]
    """
    channels = _written_channels(m, shapes)
    name = _written_dtype(m, np.dtype(dtype), encoding, channels)
    shards = sharding if isinstance(sharding, Sequence) else [sharding] * len(m.scales)
    if not len(m.scales) == len(shapes) == len(chunk_sizes) == len(shards):
        raise BadRequest(
            f"{len(m.scales)} levels came with {len(shapes)} shapes, {len(chunk_sizes)} chunk sizes and "
            f"{len(shards)} shardings",
            "each level needs one",
        )
    scales = [
        _written_scale(*level, encoding=encoding) for level in zip(m.scales, shapes, chunk_sizes, shards, strict=True)
    ]
    check_paths([s["key"] for s in scales], "the new volume")
    return {
        "@type": VOLUME,
        "type": "segmentation" if m.kind == "labels" else "image",
        "data_type": name,
        "num_channels": channels,
        "scales": scales,
        **{k: m.extra[k] for k in ("mesh", "skeletons", "segment_properties") if k in m.extra},
    }


def _written_channels(m: Multiscale, shapes: Sequence[Sequence[int]]) -> int:
    if m.axes not in (("z", "y", "x"), ("c", "z", "y", "x")):
        raise Unsupported(
            f"axes {m.axes} were to be written as precomputed",
            "it holds (z, y, x) or (c, z, y, x)",
            'write one time point at a time, or use version="0.5"',
            feature="precomputed with a time axis",
        )
    if any(len(shape) != len(m.axes) for shape in shapes):
        raise BadRequest(f"shapes {list(map(tuple, shapes))} were given for the axes {m.axes}", "one number an axis")
    return int(shapes[0][0]) if m.axes[0] == "c" else 1


def _written_dtype(m: Multiscale, dtype: np.dtype[Any], encoding: str, channels: int) -> str:
    fits = {
        "raw": dtype.name in DTYPES,
        "jpeg": dtype == np.uint8 and channels in (1, 3),
        "png": dtype in (np.uint8, np.uint16) and channels <= 4,
        "compressed_segmentation": dtype in (np.uint32, np.uint64),
    }
    needs = {
        "raw": ", ".join(DTYPES),
        "jpeg": "uint8 in 1 or 3 channels",
        "png": "uint8 or uint16 in 1 to 4 channels",
        "compressed_segmentation": "uint32 or uint64",
    }
    if encoding not in fits:
        raise Unsupported(
            f"encoding {encoding!r} was asked for",
            f"ndlab writes {', '.join(ENCODINGS)}",
            'pass encoding="raw"',
            feature=f"encoding {encoding}",
        )
    if not fits[encoding] or (m.kind == "labels" and (channels != 1 or encoding == "jpeg" or dtype.kind == "f")):
        raise BadRequest(
            f"{dtype.name} {m.kind} in {channels} channel(s) were to be written as {encoding}",
            f"{encoding} takes {needs[encoding]}; labels are whole numbers in one channel and never lossy",
            'convert the array first, or pass encoding="raw"',
            dtype=dtype.name,
            encoding=encoding,
        )
    return dtype.name


def _written_scale(
    scale: Scale, shape: Sequence[int], chunk: Sequence[int], shard: Mapping[str, Any] | None, *, encoding: str
) -> dict[str, Any]:
    if scale.calibration is None:
        raise BadRequest(
            "a volume without voxel size was to be written as precomputed",
            "its info states nanometres",
            "pass voxel_size=(z, y, x)",
        )
    resolution = [_number(v) for v in scale.calibration.voxel_size[::-1]]
    entry: dict[str, Any] = {
        "key": scale.path or "_".join(f"{v:g}" for v in resolution),
        "size": [int(n) for n in reversed(shape[-3:])],
        "voxel_offset": _voxel_offset(scale.calibration)[::-1],
        "chunk_sizes": [[int(n) for n in reversed(chunk[-3:])]],
        "resolution": resolution,
        "encoding": encoding,
    }
    if encoding == "compressed_segmentation":
        entry["compressed_segmentation_block_size"] = [8, 8, 8]
    if shard is not None:
        entry["sharding"] = _sharding(shard, encoding)
    return entry


def _voxel_offset(calibration: Calibration) -> list[int]:
    exact = [o / v for o, v in zip(calibration.offset, calibration.voxel_size, strict=True)]
    whole = [round(e) for e in exact]
    if any(abs(e - w) > 1e-6 * max(1, abs(w)) for e, w in zip(exact, whole, strict=True)):
        raise BadRequest(
            f"offset {calibration.offset} nm was to be written as precomputed",
            f"there an offset is whole voxels of {calibration.voxel_size} nm, and this is {tuple(exact)}",
            'choose an offset that is, or use version="0.5", which stores any offset',
            offset=calibration.offset,
        )
    return whole


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _sharding(given: Mapping[str, Any], encoding: str) -> dict[str, Any]:
    packed = encoding in ("jpeg", "png")  # compressed already
    defaults = {"@type": _SHARDED, "hash": "identity", "minishard_index_encoding": "gzip"}
    spec = defaults | {"data_encoding": "raw" if packed else "gzip"} | dict(given)
    bits = ("preshift_bits", "minishard_bits", "shard_bits")
    if any(not isinstance(spec.get(b), int) or not 0 <= spec[b] <= 64 for b in bits):
        raise BadRequest(
            f"sharding was {dict(given)}",
            f"it needs {', '.join(bits)}, each a whole number of 0 to 64",
            'pass for example sharding={"preshift_bits": 9, "minishard_bits": 0, "shard_bits": 12}',
        )
    return spec
