"""Tables of measurements: what a column holds, how columns go together, which rows stand out, which belong together."""

from __future__ import annotations

from ndlab.analyze.tables.clusters import KMeans, MergeTree, Mixture, kmeans, merge_tree, mixture, within_curve
from ndlab.analyze.tables.halving import Branch, halving_tree
from ndlab.analyze.tables.matrix import Matrix, matrix, scaled
from ndlab.analyze.tables.outliers import Outliers, outliers
from ndlab.analyze.tables.projections import Components, neighbour_map, principal_components
from ndlab.analyze.tables.relations import correlation, distances
from ndlab.analyze.tables.spread import Spread, bin_edges, density, spread
from ndlab.analyze.tables.table import Table
from ndlab.analyze.tables.taking import table_of

__all__ = [
    "Branch",
    "Components",
    "KMeans",
    "Matrix",
    "MergeTree",
    "Mixture",
    "Outliers",
    "Spread",
    "Table",
    "bin_edges",
    "correlation",
    "density",
    "distances",
    "halving_tree",
    "kmeans",
    "matrix",
    "merge_tree",
    "mixture",
    "neighbour_map",
    "outliers",
    "principal_components",
    "scaled",
    "spread",
    "table_of",
    "within_curve",
]
