"""Where the sets of annotations of a test live: in a folder, or in a new database of a real server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ndlab.annotations import Annotations
from tests.postgres import Postgres

__all__ = ["PLACES", "Fresh", "new", "release", "server", "stop"]

Fresh = Callable[..., Annotations]
PLACES = ("sqlite", "postgresql")

_lock = threading.Lock()
_servers: list[Postgres] = []
_free: list[str] = []


def server() -> Postgres:
    """Return the server of this test process, started when it is first asked for."""
    with _lock:
        if not _servers:
            _servers.append(Postgres())
        return _servers[0]


def release(ann: Annotations) -> None:
    """Say that a set is not used any more: its database is emptied for the next one, which is faster than a new one."""
    ann.close()
    if ann._database.server and ann._database.address not in _free:
        _free.append(ann._database.address)


def stop() -> None:
    """Stop the server, if one was started."""
    while _servers:
        _servers.pop().stop()


def new(where: str, space: Any = None, **options: Any) -> Annotations:
    """Make an empty set of annotations, as `Annotations.temporary` does, at one of `PLACES`."""
    if where == "sqlite":
        return Annotations.temporary(space, **options)
    address = _free.pop() if _free else server().url()
    return Annotations.create(address, space, overwrite=True, **options)
