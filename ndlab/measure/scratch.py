"""What one pass over the blocks leaves for the next: small arrays below an address, one file a block."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from ndlab.measure.keyed import Array
from ndlab.store.kv import Kv

__all__ = ["in_lots", "packed", "unpacked"]

_AT_ONCE = 64


def in_lots(kv: Kv, keys: Iterator[str]) -> Iterator[bytes | None]:
    """Values of many keys, some at a time, so that latency is paid once for each lot and memory stays small."""
    lot: list[str] = []
    for key in keys:
        lot.append(key)
        if len(lot) == _AT_ONCE:
            yield from kv.read_many(lot)
            lot = []
    yield from kv.read_many(lot)


def packed(**values: Array) -> bytes:
    """Arrays by name as one file.

    Examples
    --------
    >>> unpacked(packed(one=np.arange(3)))["one"].tolist()
    [0, 1, 2]
    """
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **values)
    return file.getvalue()


def unpacked(raw: bytes) -> dict[str, Array]:
    """Read what `packed` made."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as found:
        return dict(found)
