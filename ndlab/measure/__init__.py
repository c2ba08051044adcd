"""Measure labels and images block by block: components, regions, contacts, ids and statistics.

Each gives the same answer for any block size, order of blocks and scheduler, equal to what scipy, scikit-image or
numpy find in the whole array, in memory that holds a few blocks and the answer.
"""

from __future__ import annotations

from ndlab.measure.components import components
from ndlab.measure.contacts import contacts
from ndlab.measure.interning import unique
from ndlab.measure.objects import differences, objects
from ndlab.measure.regions import regions
from ndlab.measure.statistics import Statistics, statistics
from ndlab.measure.table import Table

__all__ = [
    "Statistics", "Table", "components", "contacts", "differences", "objects", "regions", "statistics", "unique",
]  # fmt: skip
