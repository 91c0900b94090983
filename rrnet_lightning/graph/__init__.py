"""Tensors -> one validated cross-modal graph, and mini-batches of it."""

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.build import (
    all_pairs,
    build_graph,
    given_edges,
    given_pairs,
    listed_pairs,
    no_edges,
    recall,
    top_k_pairs,
)
from rrnet_lightning.graph.knn import FAISS_ABOVE, knn_edges
from rrnet_lightning.graph.sample import NeighborSampler
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, TARGET_INTRA, message_ends, validate

__all__ = [
    "FAISS_ABOVE",
    "INTER",
    "SOURCE",
    "SOURCE_INTRA",
    "TARGET",
    "TARGET_INTRA",
    "GraphError",
    "NeighborSampler",
    "all_pairs",
    "build_graph",
    "given_edges",
    "given_pairs",
    "knn_edges",
    "listed_pairs",
    "message_ends",
    "no_edges",
    "recall",
    "top_k_pairs",
    "validate",
]
