"""Graph -> one score per inter-edge. torch and PyG only; start with :mod:`rrnet_lightning.nn.rrnet`."""

from rrnet_lightning.nn.layers import InterEdgeLayer, IntraEdgeLayer, Kernel, NodeLayer
from rrnet_lightning.nn.rrnet import RRNet, Unit

__all__ = ["InterEdgeLayer", "IntraEdgeLayer", "Kernel", "NodeLayer", "RRNet", "Unit"]
