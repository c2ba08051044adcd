"""Reports of groups whose values stay on the workers: which there are, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ndlab.pipeline.reduce import Node
from ndlab.pipeline.work import Report

__all__ = ["Held", "with_held", "without_values"]


@dataclass(frozen=True)
class Held:
    """A value on a worker: what a task returned or, with `node`, one of the values in the report that it returned."""

    future: Any
    node: Node | None = None


def without_values(report: Report) -> Report:
    """Return a report that says which values there are and leaves them where they are."""
    return replace(report, nodes=[(node, None if value is None else node) for node, value in report.nodes])


def with_held(report: Report, future: Any) -> Report:
    """Return the report of `without_values` with the values as `Held` ones of the task that has them."""
    return replace(report, nodes=[(node, here and Held(future, here)) for node, here in report.nodes])
