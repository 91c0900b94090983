"""Graph -> one score per inter-edge. torch and PyG only; start with :mod:`rrnet_lightning.nn.rrnet`."""

from rrnet_lightning.nn.layers import InterEdgeLayer, IntraEdgeLayer, Kernel, NodeLayer, Options
from rrnet_lightning.nn.ops import MLP, Aggregation, ConcatLinear, Layer, Part, aggregate
from rrnet_lightning.nn.rrnet import PAPER_IMAGE_SOCIAL, PAPER_SOUND, RRNet, Unit

__all__ = [
    "MLP",
    "PAPER_IMAGE_SOCIAL",
    "PAPER_SOUND",
    "Aggregation",
    "ConcatLinear",
    "InterEdgeLayer",
    "IntraEdgeLayer",
    "Kernel",
    "Layer",
    "NodeLayer",
    "Options",
    "Part",
    "RRNet",
    "Unit",
    "aggregate",
]
