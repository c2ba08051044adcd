"""The one tile service of this process, and the volumes of all views in it."""

from __future__ import annotations

import os
import threading
from typing import Any

from ndlab.errors import BadRequest
from ndlab.serve.tiles import TileService
from ndlab.volume import Volume

__all__ = ["TRANSPORTS", "endpoint", "hold", "release", "service", "transport"]

# auto: streams over HTTP where they answer, else kernel messages, else what the page can read of public stores.
TRANSPORTS = ("auto", "comm", "zarr")

_lock = threading.Lock()
_held: dict[Any, tuple[str, int]] = {}
_service: tuple[int, TileService] | None = None


def service() -> TileService:
    """Return the tile service of this process."""
    global _service
    with _lock:
        if _service is None or _service[0] != os.getpid():
            _service = os.getpid(), TileService()
            _held.clear()
        return _service[1]


def _identity(volume: Volume) -> Any:
    _, (stored, level, spans) = volume.__reduce__()
    return stored.url or id(stored.levels[0].array), stored.kind, level, spans


def hold(volume: Volume) -> str:
    """Have a volume served, and return its id; a volume that is served for another view already has one id for both."""
    tiles, identity = service(), _identity(volume)
    with _lock:
        key, count = _held.get(identity) or (tiles.add(volume), 0)
        _held[identity] = key, count + 1
        return key


def release(volume: Volume) -> None:
    """Serve a volume no more once no view holds it."""
    tiles, identity = service(), _identity(volume)
    with _lock:
        if identity not in _held:
            return
        key, count = _held.pop(identity)
        if count > 1:
            _held[identity] = key, count - 1
        else:
            tiles.remove(key)


def transport(asked: str | None = None) -> str:
    """Return how pages are to get their tiles: as asked, else as ``NDLAB_TRANSPORT`` says.

    Raises
    ------
    BadRequest
        If there is no such way.

    Examples
    --------
    >>> transport("zarr")
    'zarr'
    """
    found = asked if asked is not None else os.environ.get("NDLAB_TRANSPORT", "auto")
    if found not in TRANSPORTS:
        raise BadRequest(
            f"transport={found!r}"[:80],
            f"there are {', '.join(TRANSPORTS)}",
            "leave it out: the page finds out which way is open",
        )
    return found


def endpoint(transport: str) -> dict[str, str] | None:
    """Return where a page reaches the service by HTTP, below Jupyter's base address; None where it cannot."""
    if transport == "comm" or not _in_kernel():
        return None
    from ndlab.serve.kernel import start

    try:
        return {"path": f"ndlab/v1/k/{start(service())}/"}
    except (OSError, TimeoutError):  # No port, or nowhere to write its number: messages are left.
        return None


def _in_kernel() -> bool:
    import sys

    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")
