"""A reduction whose values stay on the workers of a cluster: the client sees where they are, and the last one."""

from __future__ import annotations

import copy
import pickle
import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ndlab.pipeline.reduce import Combine, Node, Tree
from ndlab.pipeline.runners import Lost
from ndlab.pipeline.slips import Held
from ndlab.pipeline.work import Report

__all__ = ["HeldTree"]


class HeldTree(Tree):
    """A `Tree` that combines on the workers, `fan_in` values in a task; Dask spills what does not fit there.

    Values that were lost with their worker are computed again, from what they were computed from.

    Parameters
    ----------
    total, combine, fan_in
        As for `Tree`; `add` is given `Held` values.
    client : distributed.Client
    """

    held = True

    def __init__(self, total: int, combine: Combine, fan_in: int, client: Any) -> None:
        from distributed.protocol.pickle import dumps

        super().__init__(total, combine, fan_in)
        self._client, self._pickled = client, dumps(combine)
        self._prefix = f"combine-{uuid.uuid4().hex[:8]}-"
        self._next = 0

    def result(self) -> Any:
        """Bring the last value here.

        Raises
        ------
        Lost
            If it cannot be had, because the cluster is gone or a block failed when it had to be done again.
        """
        if self.root is None:
            return None
        return self._asked(lambda: self._submit([self.root]).result())

    def _joined(self, values: Sequence[Any]) -> Any:
        there = [value for value in values if value is not None]
        if len(there) < 2:
            return there[0] if there else None
        return Held(self._asked(lambda: self._submit(there)))

    def _submit(self, values: Sequence[Held]) -> Any:
        self._next += 1
        nodes, futures = [value.node for value in values], [value.future for value in values]
        return self._client.submit(
            _combine, self._pickled, nodes, *futures, key=f"{self._prefix}{self._next}", pure=False
        )

    def _asked(self, ask: Any) -> Any:
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        try:
            return ask()
        except (CancelledError, KilledWorker) as error:
            raise Lost(f"what its blocks returned is gone ({type(error).__name__}: {error})") from None
        except (OSError, RuntimeError) as error:
            if self._client.status in ("running", "newly-created"):
                raise
            raise Lost(f"the client is {self._client.status} ({error})") from None


def _combine(combine: bytes, nodes: Sequence[Node | None], *found: Any) -> Any:
    values = [value if node is None else _picked(value, node) for node, value in zip(nodes, found, strict=True)]
    if len(values) == 1:
        return values[0]
    # `combine` may change what is on its left, which is to stay as it was if this has to be done again.
    total, both = copy.deepcopy(values[0]), _unpickled(combine)
    for value in values[1:]:
        total = both(total, value)
    return total


def _picked(report: Report, node: Node) -> Any:
    for name, value in report.nodes:
        if name == node:
            return value
    why = next((failure.error for failure in report.failed.values()), "it was stopped")
    raise Lost(f"a worker was lost, and a block of it failed when it was done again: {why.rstrip()}")


@lru_cache(maxsize=4)
def _unpickled(combine: bytes) -> Combine:
    found: Combine = pickle.loads(combine)
    return found
