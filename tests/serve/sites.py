"""A small folder of stores with known voxels, and a server of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.annotations import Annotations, Segment, Synapse
from ndlab.graph import Graph
from ndlab.ingesting import ingest
from ndlab.serve.app import Server, make_site, serving
from ndlab.serve.limits import Access, Limits
from tests.serve.jupyter_server import Said, ask

__all__ = ["EM", "SEG", "TOKEN", "Client", "make_folder", "serve"]

TOKEN = "a-token-for-tests"
EM = np.random.default_rng(0).integers(0, 255, (20, 150, 170), "u1", endpoint=True)
SEG = (np.arange(20 * 150 * 170, dtype="u8").reshape(20, 150, 170) // 997) + np.uint64(720575996132767000)


def make_folder(folder: Path) -> Path:
    """Write `em`, `seg` with ids beyond 2^53 and two objects, the graph `ring.graphml`, and a secret beside them."""
    ingest(EM, folder / "data" / "em.zarr", voxel_size=(40, 4, 4), offset=(400, 0, 0))
    ingest(SEG, folder / "data" / "seg.ome.zarr", voxel_size=(40, 4, 4), kind="labels")
    with Annotations.create(folder / "data" / "seg.ome.zarr" / "annotations" / "annotation") as objects:
        objects.add([Segment(id=1, keys={"name": "axon"}), Synapse(id=int(SEG.max()), presegments=[1])])
    Graph.from_edges([1, 2, 3], [2, 3, 1]).write(folder / "data" / "ring.graphml")
    (folder / "secret.txt").write_text("nobody may read this")
    (folder / "data" / "em.zarr" / "link").symlink_to(folder / "secret.txt")
    (folder / "data" / "em.zarr" / "up").symlink_to(folder)
    return folder / "data"


class Client:
    """Asks one server."""

    def __init__(self, server: Server, token: str | None) -> None:
        self.server, self.token = server, token

    def __call__(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Said:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        return ask(self.server.url + path, method, sent, body)


@contextmanager
def serve(folder: Path, access: Access, token: str | None = None, limits: Limits | None = None,
          **options: Any) -> Iterator[Client]:  # fmt: skip
    """Serve a folder until the block ends."""
    with serving(make_site(str(folder), access, limits=limits, **options)) as server:
        yield Client(server, token)
