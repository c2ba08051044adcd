"""Feather, which is Arrow in a file: read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ndlab.errors import BadMetadata

__all__ = ["read"]

_PIECE = 20_000


def read(path: Path) -> Iterator[Any]:
    """Yield Arrow batches of a file, in pieces of few rows however large its own are."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                for start in range(0, batch.num_rows, _PIECE):
                    yield batch.slice(start, _PIECE)
    except (pa.ArrowInvalid, OSError) as error:
        raise BadMetadata(f"{path} is no whole Feather file", str(error).splitlines()[0],
                          "was its writing cut off? Version 1 of Feather is not read") from None  # fmt: skip
