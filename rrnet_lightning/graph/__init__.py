"""Tensors -> one validated cross-modal graph, and mini-batches of it."""

from .build import all_pairs, build_graph, given_edges, given_pairs, listed_pairs, no_edges, recall, top_k_pairs
from .knn import FAISS_ABOVE, knn_edges
from .paths import Paths, evidence_paths
from .sample import NeighborSampler, hide, subgraph
from .schema import INTER, SOURCE, SOURCE_INTRA, TARGET, TARGET_INTRA, GraphError, validate
from .smooth import adjacency, correct_and_smooth

__all__ = [
    "FAISS_ABOVE",
    "INTER",
    "SOURCE",
    "SOURCE_INTRA",
    "TARGET",
    "TARGET_INTRA",
    "GraphError",
    "NeighborSampler",
    "Paths",
    "adjacency",
    "all_pairs",
    "build_graph",
    "correct_and_smooth",
    "evidence_paths",
    "given_edges",
    "given_pairs",
    "hide",
    "knn_edges",
    "listed_pairs",
    "no_edges",
    "recall",
    "subgraph",
    "top_k_pairs",
    "validate",
]
