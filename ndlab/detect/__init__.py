"""Detect: from images to probabilities, objects and synapses; trained and scored on the same terms.

A model is a file of plain arrays: what finds synapses needs no training framework, and no pickle is read.
"""

from __future__ import annotations

from ndlab.detect.evaluation import Evaluation, evaluate, paired, summed_interval
from ndlab.detect.matching import Overlaps, match
from ndlab.detect.model import Model
from ndlab.detect.objects import Rules, objects
from ndlab.detect.probability import probability, voxels
from ndlab.detect.puncta import QUERIES, Punctum, Query, puncta, query_probability
from ndlab.detect.punctum_features import ari_by_dimension, punctum_features, read_detections, transformed
from ndlab.detect.punctum_table import find_puncta, linear_trials
from ndlab.detect.scores import average_precision, cleft_distances
from ndlab.detect.sweep import GRID, Grid, Sweep, sweep
from ndlab.detect.synapses import synapses
from ndlab.detect.training import train
from ndlab.detect.trees import Growth

__all__ = [
    "GRID",
    "QUERIES",
    "Evaluation",
    "Grid",
    "Growth",
    "Model",
    "Overlaps",
    "Punctum",
    "Query",
    "Rules",
    "Sweep",
    "ari_by_dimension",
    "average_precision",
    "cleft_distances",
    "evaluate",
    "find_puncta",
    "linear_trials",
    "match",
    "objects",
    "paired",
    "probability",
    "puncta",
    "punctum_features",
    "query_probability",
    "read_detections",
    "summed_interval",
    "sweep",
    "synapses",
    "train",
    "transformed",
    "voxels",
]
