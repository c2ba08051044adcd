"""Numbers of a whole graph in a process of their own, which can be ended in the middle of one."""

from __future__ import annotations

import contextlib
import json
import math
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ndlab.errors import NdlabError, TooLarge
from ndlab.graph import Graph

__all__ = ["Count", "Counts"]

# Where paths from all nodes take too long unasked, those from so many are taken.
_SOURCES = 256


class Count:
    """Counts one number after the other, and tells each as soon as it is there.

    Parameters
    ----------
    graph : Graph
    names : sequence of str
        Of `ndlab.analyze.invariants`.
    """

    def __init__(self, graph: Graph, names: Sequence[str]) -> None:
        self.left = list(names)
        self._graph = graph
        self._dropped = False
        # Only the module is named: nothing of the caller's own program is run again.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ndlab.explore.graph_count"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def start(self, tell: Callable[[str, dict[str, Any]], None]) -> None:
        """Begin, and in a thread call ``tell(name, found)`` for each number.

        What is found has a ``value``, None where there is none; ``error``, the standard error of an estimate; ``why``,
        where it could not be.
        """
        self._thread = threading.Thread(target=self._listen, args=(tell,), name="ndlab-count", daemon=True)
        self._thread.start()

    def drop(self) -> None:
        """End it, whatever it is at."""
        self._dropped = True
        self._process.kill()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended; return whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _listen(self, tell: Callable[[str, dict[str, Any]], None]) -> None:
        with self._process as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(OSError):  # It was ended before it had read all of it.
                pickle.dump((_bare(self._graph), self.left), process.stdin)
                process.stdin.close()
            for line in process.stdout:
                if self._dropped:
                    break
                name, found = json.loads(line)
                self.left.remove(name)
                tell(name, found)
        for name in [] if self._dropped else list(self.left):
            self.left.remove(name)
            tell(name, {"value": None, "why": "its process ended early"})


class Counts:
    """Counts what is wanted of a graph, and ends what is not wanted any more.

    Parameters
    ----------
    tell : callable
        Called in a thread with the graph, the name of a number, and what `Count.start` says of it.
    """

    def __init__(self, tell: Callable[[Graph, str, dict[str, Any]], None]) -> None:
        self._tell = tell
        self._runs: Count | None = None

    def want(self, graph: Graph, names: Sequence[str]) -> None:
        """Count these, and nothing else."""
        if self._runs is not None:
            if set(self._runs.left) == set(names):
                return
            self.drop()
        if names:
            runs = self._runs = Count(graph, names)
            runs.start(lambda name, found: self._hear(runs, graph, name, found))

    def _hear(self, runs: Count, graph: Graph, name: str, found: dict[str, Any]) -> None:
        if self._runs is runs:
            self._tell(graph, name, found)

    def drop(self) -> None:
        """End what runs."""
        if self._runs is not None:
            self._runs.drop()
            self._runs = None

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is left to count; return whether that is so."""
        runs = self._runs
        return runs is None or runs.wait(seconds)


def _bare(graph: Graph) -> Graph:
    """Return the graph without properties, which are of no use here and may be large."""
    return Graph.of_rows(range(graph.n_nodes), graph.source, graph.target, directed=graph.directed)


def _one(graph: Graph, name: str) -> dict[str, Any]:
    from ndlab.analyze import invariants

    try:
        try:
            found = invariants(graph, [name])
        except TooLarge:
            found = invariants(graph, [name], sources=_SOURCES)
    except NdlabError as error:
        return {"value": None, "why": str(error)}
    except (ArithmeticError, ValueError, MemoryError, RuntimeError) as error:
        return {"value": None, "why": f"{type(error).__name__}: {error}"}
    value, error_of = float(found[name]), found.get(f"{name}_error")
    told: dict[str, Any] = {"value": value if math.isfinite(value) else None}
    return told if error_of is None else told | {"error": float(error_of)}


def _main() -> None:
    graph, names = pickle.load(sys.stdin.buffer)
    for name in names:
        sys.stdout.write(json.dumps([name, _one(graph, name)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
