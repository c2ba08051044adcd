"""Which workers of a Dask cluster were lost, with what under way, and why: what Dask retries is counted, not hidden."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Losses", "losses"]

_hubs: weakref.WeakKeyDictionary[Any, Losses] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class Losses:
    """Listens to the events of one client's scheduler; serves every Run on that client."""

    def __init__(self, client: Any) -> None:
        self._client = weakref.ref(client)
        self._prefixes: set[str] = set()
        self._lost: dict[str, list[tuple[str, bool]]] = {}
        self._memory: dict[str, int] = {}
        self._before: dict[str, Any] = {}

    def watch(self, prefix: str) -> None:
        """Note losses of tasks whose key begins so."""
        if not self._prefixes:
            self._listen("all", self._on_all)
            self._listen("worker-restart-memory", self._on_memory)
        self._prefixes.add(prefix)

    def unwatch(self, prefix: str) -> None:
        """Forget about them."""
        self._prefixes.discard(prefix)
        for key in [key for key in self._lost if key.startswith(prefix)]:
            self._lost.pop(key, None)
        client = self._client()
        if not self._prefixes and client is not None:
            for topic, before in self._before.items():
                client.unsubscribe_topic(topic)
                if before is not None:
                    client.subscribe_topic(topic, before)

    def of(self, key: str, expected: int = 0) -> list[str]:
        """Return one sentence for each worker that was lost while it had the task, and forget them.

        The scheduler says that a task failed a moment before it says that its worker is gone: so many as are
        `expected` are waited for, half a second at most.
        """
        deadline = time.monotonic() + 0.5
        while len(self._lost.get(key, ())) < expected and time.monotonic() < deadline:
            time.sleep(0.02)
        return [self._words(worker, expected) for worker, expected in self._lost.pop(key, [])]

    def _words(self, worker: str, expected: bool) -> str:
        if worker in self._memory:
            used = f"{self._memory[worker] / 1e6:.0f} MB"
            return (
                f"worker {worker} ran out of memory ({used} in use) and was ended by its nanny; "
                "give workers more memory or fewer threads, or the step a smaller block="
            )
        return f"worker {worker} was {'closed' if expected else 'lost (killed, crashed or unreachable)'}"

    def _listen(self, topic: str, handler: Callable[[Any], None]) -> None:
        """Listen without taking the topic from who listens already."""
        client = self._client()
        assert client is not None
        if topic not in self._before:
            self._before[topic] = client._event_handlers.get(topic)
        before = self._before[topic]

        def both(event: Any) -> Any:
            handler(event[1])
            return None if before is None else before(event)

        client.subscribe_topic(topic, both)

    def _on_all(self, message: Any) -> None:
        if not isinstance(message, dict) or message.get("action") != "remove-worker":
            return
        for key in message.get("processing-tasks", ()):
            if any(str(key).startswith(prefix) for prefix in self._prefixes):
                self._lost.setdefault(str(key), []).append((message["worker"], bool(message.get("expected"))))

    def _on_memory(self, message: Any) -> None:
        self._memory[str(message.get("worker"))] = int(message.get("rss", 0))


def losses(client: Any) -> Losses:
    """Return what can listen to `client`, made at the first call."""
    with _lock:
        found = _hubs.get(client)
        if found is None:
            found = _hubs[client] = Losses(client)
        return found
