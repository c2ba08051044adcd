"""Detect: from images to probabilities, objects and synapses; trained and scored on the same terms.

A model is a file of plain arrays: what finds synapses needs no training framework, and no pickle is read.
"""

from __future__ import annotations

from ndlab.detect.evaluation import Evaluation, evaluate, paired, summed_interval
from ndlab.detect.matching import Overlaps, match
from ndlab.detect.model import Model
from ndlab.detect.objects import Rules, objects
from ndlab.detect.probability import probability, voxels
from ndlab.detect.scores import average_precision, cleft_distances
from ndlab.detect.sweep import GRID, Grid, Sweep, sweep
from ndlab.detect.synapses import synapses
from ndlab.detect.training import train
from ndlab.detect.trees import Growth

__all__ = [
    "GRID",
    "Evaluation",
    "Grid",
    "Growth",
    "Model",
    "Overlaps",
    "Rules",
    "Sweep",
    "average_precision",
    "cleft_distances",
    "evaluate",
    "match",
    "objects",
    "paired",
    "probability",
    "summed_interval",
    "sweep",
    "synapses",
    "train",
    "voxels",
]
