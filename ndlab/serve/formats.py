"""Voxels as the bytes of the formats that the founding service answered with.

All but JPEG hold the values exactly. Arrays are (channel, [t], z, y, x), C order, little-endian.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ndlab import render
from ndlab.describe import si_bytes
from ndlab.errors import BadRequest, TooLarge
from ndlab.serve.source import Channel

__all__ = ["blosc_of", "hdf5_of", "jpeg_of", "npz_of", "raw_of", "tiff_of", "zip_of"]

Voxels = np.ndarray[Any, Any]

_PIECE = 4 << 20
_BLOSC_MOST = (1 << 31) - 1024
_JPEG_MOST = 65535


def raw_of(values: Voxels) -> Iterator[bytes]:
    r"""Yield the voxels in C order.

    Examples
    --------
    >>> b"".join(raw_of(np.arange(3, dtype=">u2")))
    b'\x00\x00\x01\x00\x02\x00'
    """
    plain = _little(values).reshape(-1).view(np.uint8)
    for at in range(0, plain.size, _PIECE):
        yield plain[at : at + _PIECE].tobytes()


def zip_of(values: Voxels) -> Iterator[bytes]:
    """Yield the zlib stream of the voxels in C order."""
    return _deflated(raw_of(values))


def npz_of(values: Voxels) -> Iterator[bytes]:
    """Yield the zlib stream of a ``.npy`` file: what the founding clients call npz, which is no zip file.

    Examples
    --------
    >>> packed = b"".join(npz_of(np.arange(6).reshape(1, 2, 3)))
    >>> np.load(io.BytesIO(zlib.decompress(packed))).tolist()
    [[[0, 1, 2], [3, 4, 5]]]
    """
    head = io.BytesIO()
    plain = _little(values)
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(plain))

    def pieces() -> Iterator[bytes]:
        yield head.getvalue()
        yield from raw_of(plain)

    return _deflated(pieces())


def _deflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    # Level 1: EM hardly compresses, and a higher level takes several times as long for a few per cent.
    packer = zlib.compressobj(1)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def blosc_of(values: Voxels) -> bytes:
    """Return what ``blosc.unpack_array`` of the founding clients reads: a pickled array in a Blosc 1 frame.

    The pickle is of protocol 2 and names numpy's classes by the modules that they have had in every numpy, so
    Python 2 and old numpy read it too. ndlab writes pickles for these clients and never loads one as such. The price
    is that bytes stand in such a pickle as text, one and a half times as long for EM; zstd takes that back, to 1.1
    times the voxels. npz is smaller.
    """
    from numcodecs import blosc

    pickled = pickle.dumps(_little(values), protocol=2).replace(b"cnumpy._core.", b"cnumpy.core.", 1)
    if len(pickled) > _BLOSC_MOST:
        raise TooLarge(f"{si_bytes(values.nbytes)} as blosc", f"a Blosc frame holds {si_bytes(_BLOSC_MOST)}",
                       "ask for a smaller box, or for npz", nbytes=len(pickled), limit=_BLOSC_MOST)  # fmt: skip
    packed: bytes = blosc.compress(pickled, b"zstd", 1, blosc.NOSHUFFLE)
    return packed


def hdf5_of(parts: Mapping[str, tuple[Channel, Voxels]]) -> bytes:
    """Return an HDF5 file with a group for each channel: CUTOUT, CHANNELTYPE and DATATYPE."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name, (channel, values) in parts.items():
            group = file.create_group(name)
            group.create_dataset("CUTOUT", data=_little(values), compression="gzip", compression_opts=1)
            text = h5py.string_dtype()
            group.create_dataset("CHANNELTYPE", data=[channel.kind], dtype=text)
            group.create_dataset("DATATYPE", data=[values.dtype.name], dtype=text)
    return out.getvalue()


def tiff_of(values: Voxels) -> bytes:
    """Return a TIFF file with a page for every slice, channel by channel."""
    import tifffile

    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    out = io.BytesIO()
    pages = _little(values).reshape(-1, *values.shape[-2:])
    tifffile.imwrite(out, pages, photometric="minisblack", metadata=None)
    return out.getvalue()


def jpeg_of(slices: Voxels) -> bytes:
    """Return a JPEG file of slices below each other.

    Parameters
    ----------
    slices : ndarray of uint8, shape (z, y, x) or (z, y, x, 3)
    """
    z, y, x = slices.shape[:3]
    if z * y > _JPEG_MOST or x > _JPEG_MOST:
        raise BadRequest(f"{z} slices of {y} × {x} in one JPEG", f"a side has at most {_JPEG_MOST} pixels",
                         "ask for fewer slices, or for npz")  # fmt: skip
    return render.jpeg(slices.reshape(z * y, *slices.shape[2:]))


def _little(values: Voxels) -> Voxels:
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
