"""Detect: from images to probabilities, objects and synapses; trained and scored on the same terms.

A model is a file of plain arrays: what finds synapses needs no training framework, and no pickle is read.
"""

from __future__ import annotations

from ndlab.detect.evaluation import Evaluation, evaluate, paired, summed_interval
from ndlab.detect.graph import Reading, graph, graph_of
from ndlab.detect.matching import Overlaps, match
from ndlab.detect.membranes import borders, membranes, train_membranes
from ndlab.detect.model import Model
from ndlab.detect.object_classifier import ObjectClassifier
from ndlab.detect.objects import Rules, objects
from ndlab.detect.partners import partners
from ndlab.detect.probability import probability, voxels
from ndlab.detect.puncta import QUERIES, Punctum, Query, puncta, query_probability
from ndlab.detect.punctum_features import ari_by_dimension, punctum_features, read_detections, transformed
from ndlab.detect.punctum_table import find_puncta, linear_trials
from ndlab.detect.scores import average_precision, cleft_distances
from ndlab.detect.scores_graph import F1, GraphScore, near_pairs, score_graph
from ndlab.detect.scores_segmentation import SegmentationScore, score_counts, score_segmentation
from ndlab.detect.segments import segments
from ndlab.detect.sides import assign
from ndlab.detect.streamlines import streamlines
from ndlab.detect.sweep import GRID, Grid, Sweep, sweep
from ndlab.detect.synapses import synapses
from ndlab.detect.training import train
from ndlab.detect.trees import Growth
from ndlab.detect.tuning import tune_segments

__all__ = [
    "F1",
    "GRID",
    "QUERIES",
    "Evaluation",
    "GraphScore",
    "Grid",
    "Growth",
    "Model",
    "ObjectClassifier",
    "Overlaps",
    "Punctum",
    "Query",
    "Reading",
    "Rules",
    "SegmentationScore",
    "Sweep",
    "ari_by_dimension",
    "assign",
    "average_precision",
    "borders",
    "cleft_distances",
    "evaluate",
    "find_puncta",
    "graph",
    "graph_of",
    "linear_trials",
    "match",
    "membranes",
    "near_pairs",
    "objects",
    "paired",
    "partners",
    "probability",
    "puncta",
    "punctum_features",
    "query_probability",
    "read_detections",
    "score_counts",
    "score_graph",
    "score_segmentation",
    "segments",
    "streamlines",
    "summed_interval",
    "sweep",
    "synapses",
    "train",
    "train_membranes",
    "transformed",
    "tune_segments",
    "voxels",
]
