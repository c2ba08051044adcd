"""Analyse connectomes and populations of synapses: what is found, how sure it is, and what chance would give."""

from __future__ import annotations

from ndlab.analyze.blocks import count_in_blocks
from ndlab.analyze.communities import communities, compare, variation_of_information
from ndlab.analyze.connectivity import connectome
from ndlab.analyze.densest import densest_part, max_average_degree
from ndlab.analyze.density import BlockCounts
from ndlab.analyze.embedding import adjacency_embedding, block_model, laplacian_embedding
from ndlab.analyze.generators import generate
from ndlab.analyze.identity import IdAgreement, IdsDisagreeWarning, compare_ids
from ndlab.analyze.invariants import invariants
from ndlab.analyze.layouts import layout
from ndlab.analyze.motifs import motifs
from ndlab.analyze.peters_rule import PetersRule, degree_preserving, peters_rule
from ndlab.analyze.point_patterns import cross_k, empty_space, envelope, nearest_neighbor, pair_function
from ndlab.analyze.similarity import PairSimilarity, pair_similarity
from ndlab.analyze.spectrum import Eigenpairs, eigenpairs
from ndlab.analyze.touch import touch, touches_at
from ndlab.analyze.vertices import vertex_statistics
from ndlab.analyze.window import Window

__all__ = [
    "BlockCounts",
    "Eigenpairs",
    "IdAgreement",
    "IdsDisagreeWarning",
    "PairSimilarity",
    "PetersRule",
    "Window",
    "adjacency_embedding",
    "block_model",
    "communities",
    "compare",
    "compare_ids",
    "connectome",
    "count_in_blocks",
    "cross_k",
    "degree_preserving",
    "densest_part",
    "eigenpairs",
    "empty_space",
    "envelope",
    "generate",
    "invariants",
    "laplacian_embedding",
    "layout",
    "max_average_degree",
    "motifs",
    "nearest_neighbor",
    "pair_function",
    "pair_similarity",
    "peters_rule",
    "touch",
    "touches_at",
    "variation_of_information",
    "vertex_statistics",
]
