"""Analyse connectomes and populations of synapses: what is found, how sure it is, and what chance would give."""

from __future__ import annotations

from ndlab.analyze.identity import IdAgreement, IdsDisagreeWarning, compare_ids
from ndlab.analyze.invariants import invariants
from ndlab.analyze.peters_rule import PetersRule, degree_preserving, peters_rule
from ndlab.analyze.similarity import PairSimilarity, pair_similarity
from ndlab.analyze.vertices import vertex_statistics

__all__ = [
    "IdAgreement",
    "IdsDisagreeWarning",
    "PairSimilarity",
    "PetersRule",
    "compare_ids",
    "degree_preserving",
    "invariants",
    "pair_similarity",
    "peters_rule",
    "vertex_statistics",
]
