"""Annotations: typed objects with metadata, tied to label ids, in one store that loses nothing.

The nine kinds of RAMON (`kinds`) are rows of a table (`schema`) that keeps every state it was in. `Annotations` is
that table with its transactions, a `Query` some of its rows.
"""

from ndlab.annotations.history import Change, Transaction
from ndlab.annotations.kinds import (
    KINDS,
    ROI,
    Annotation,
    Generic,
    Neuron,
    Node,
    Organelle,
    Seed,
    Segment,
    Skeleton,
    Synapse,
)
from ndlab.annotations.query import Query
from ndlab.annotations.store import Annotations
from ndlab.annotations.words import Flow, OrganelleClass, SegmentClass, Status

__all__ = [
    "KINDS",
    "ROI",
    "Annotation",
    "Annotations",
    "Change",
    "Flow",
    "Generic",
    "Neuron",
    "Node",
    "Organelle",
    "OrganelleClass",
    "Query",
    "Seed",
    "Segment",
    "SegmentClass",
    "Skeleton",
    "Status",
    "Synapse",
    "Transaction",
]
