"""Read an ingested volume again and compare it with the checksums that ingest recorded."""

from __future__ import annotations

import os
import re
from typing import Any

from ndlab.errors import NotFound
from ndlab.geometry import Box
from ndlab.pipeline import Run, Step
from ndlab.pipeline.progress import ProgressCallback
from ndlab.store.arrays import Array
from ndlab.store.kv import Kv
from ndlab.store.multiscale import open_store
from ndlab.store.state import FOLDER, read
from ndlab.store.sums import voxel_checksum

__all__ = ["CHECKSUMS_KEY", "verify"]

CHECKSUMS_KEY = f"{FOLDER}/checksums.json"


def verify(
    url: str | os.PathLike[str],
    *,
    workers: int | None = None,
    client: Any = None,
    progress: ProgressCallback | None = None,
) -> list[str]:
    """Read every voxel of the finest level and return what differs from the record of the ingest, in words.

    Parameters
    ----------
    url : str or path
        A store that ndlab ingested.
    workers, client, progress
        As for `Run`.

    Returns
    -------
    list of str
        One line for each damaged or changed block; empty if all is as it was.

    Raises
    ------
    NotFound
        If the store has no checksums.
    """
    stored = open_store(url)
    known = Kv(stored.url).read_json(CHECKSUMS_KEY)
    if known is None:
        raise NotFound(
            f"no checksums at {stored.url}/{CHECKSUMS_KEY}",
            "only ndlab.ingest records them",
            "ingest the volume again to get them",
        )
    array = stored.levels[known["level"]].array
    keys: dict[str, str] = known["blocks"]
    blocks = [Box((number, 0, 0), (number + 1, 1, 1)) for number in range(len(keys))]
    names = list(keys)
    params = {"array": array, "keys": names}
    run = Run(Step("verify", _check, params), blocks, workers=workers, client=client, progress=progress)
    run.run()
    found = {outcome.result["key"]: outcome.result["found"] for outcome in run.outcomes()}
    written = read(stored.url).version
    why = f" (written to {written} times since)" if written else ""
    return [
        f"block {key}: {found[key] if found[key].startswith('cannot') else 'voxels differ'}{why}"
        for key in names
        if found[key] != keys[key]
    ]


def _check(block: Box, array: Array, keys: list[str]) -> dict[str, str]:
    key = keys[block.start[0]]
    lead, box = parse_key(key)
    try:
        values = array.read([*lead, *box.start], [*(i + 1 for i in lead), *box.stop])
    except (OSError, ValueError) as error:
        return {"key": key, "found": f"cannot be read: {error}"}
    return {"key": key, "found": voxel_checksum(values)}


def parse_key(key: str) -> tuple[list[int], Box]:
    """Split a task's key into its leading indices and its box.

    Examples
    --------
    >>> parse_key("t0 c2 0:16,0:8,8:9")
    ([0, 2], Box(start=(0, 0, 8), stop=(16, 8, 9), level=0))
    """
    lead = [int(n) for n in re.findall(r"[tc](\d+) ", key)]
    spans = [tuple(map(int, span.split(":"))) for span in key.rpartition(" ")[2].split(",")]
    return lead, Box([a for a, _ in spans], [b for _, b in spans])
