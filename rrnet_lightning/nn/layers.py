"""The layers of the GCN units, equations (3)-(8), one class each, and of the pair unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.utils import softmax

from rrnet_lightning.nn.ops import MLP, Aggregation, Layer, Part, aggregate

Kernel = Literal["hadamard", "bilinear", "concat"]


@dataclass(frozen=True)
class Options:
    """What the paper leaves open, shared by all layers; the meaning of each is in :class:`RRNet`."""

    kernel: Kernel = "hadamard"
    aggregation: Aggregation = "mean"
    edge_state: bool = True
    residual: bool = False
    norm: bool = False
    dropout: float = 0.0

    @property
    def reads_edges(self) -> bool:
        """Whether the edge layers read the previous edge state."""
        return self.edge_state or self.residual

    def mlp(self, widths: Sequence[int], hidden_dim: int, out: int) -> MLP:
        """Return φ with the shared options."""
        return MLP(widths, hidden_dim, out, norm=self.norm, dropout=self.dropout)


DEFAULT = Options()


class IntraEdgeLayer(Layer):
    """Edge update inside one modality, equations (3)-(5).

    e_sr <- φ([e_sr ‖ v_s ‖ v_r]); without ``edge_state`` e_sr <- φ([v_s ‖ v_r]); with ``residual`` e_sr is added.

    Shapes:
        edges: [E, H]. nodes: [N, H]. edge_index: [2, E] long, neighbour s -> node r.
        returns: [E, H].
    """

    def __init__(self, hidden_dim: int, options: Options = DEFAULT) -> None:
        super().__init__()
        self.edge_state, self.residual = options.edge_state, options.residual
        self.update = options.mlp([hidden_dim] * (3 if options.edge_state else 2), hidden_dim, hidden_dim)

    def forward(self, edges: Tensor | None, nodes: Tensor, edge_index: Tensor) -> Tensor:
        """Return the new edge states. ``edges`` is None only where neither ``edge_state`` nor ``residual`` reads it."""
        parts: list[Part] = [(nodes, edge_index[0]), (nodes, edge_index[1])]
        if self.edge_state and edges is not None:
            parts.insert(0, edges)
        new: Tensor = self.update(*parts)
        return edges + new if self.residual and edges is not None else new


class InterEdgeLayer(Layer):
    """Edge update across the modalities, equations (6)-(7).

    e_sr <- φ([e_sr ‖ k_sr]) with the kernel of (7), which bridges the gap between the two modalities:
    ``hadamard`` k_sr = (W_s v_s) ⊙ (W_r v_r), H numbers; ``bilinear`` k_sr = v_sᵀ W v_r, one number;
    ``concat`` k_sr = [W_s v_s ‖ W_r v_r], 2 H numbers that are never laid side by side.
    Without ``edge_state`` e_sr <- φ(k_sr); with ``residual`` e_sr is added.

    Shapes:
        edges: [E, H]. source: [N_s, H]. target: [N_t, H]. edge_index: [2, E] long, source s -> target r.
        returns: [E, H].
    """

    def __init__(self, hidden_dim: int, options: Options = DEFAULT) -> None:
        super().__init__()
        kernel = options.kernel
        self.kernel, self.edge_state, self.residual = kernel, options.edge_state, options.residual
        self.source = nn.Linear(hidden_dim, hidden_dim, bias=False)
        self.target = nn.Linear(hidden_dim, hidden_dim, bias=False) if kernel != "bilinear" else nn.Identity()
        widths = {"hadamard": [hidden_dim], "bilinear": [1], "concat": [hidden_dim, hidden_dim]}[kernel]
        widths = [hidden_dim, *widths] if options.edge_state else widths
        self.update = options.mlp(widths, hidden_dim, hidden_dim)

    def forward(self, edges: Tensor | None, source: Tensor, target: Tensor, edge_index: Tensor) -> Tensor:
        """Return the new edge states. ``edges`` is None only where neither ``edge_state`` nor ``residual`` reads it."""
        ends = (self.source(source), edge_index[0]), (self.target(target), edge_index[1])
        parts: list[Part] = [edges] if self.edge_state and edges is not None else []
        if self.kernel == "concat":
            parts += ends
        else:
            product = ends[0][0].index_select(0, ends[0][1]) * ends[1][0].index_select(0, ends[1][1])
            parts.append(product.sum(1, keepdim=True) if self.kernel == "bilinear" else product)
        new: Tensor = self.update(*parts)
        return edges + new if self.residual and edges is not None else new


class NodeLayer(Layer):
    """Node update of a GCN unit, equation (8).

    a_i = mean (or sum) of the states of the message edges that touch node i;  v_i <- φ([v_i ‖ a_i]);
    with ``residual`` v_i is added.

    Shapes:
        nodes: [N, H]. edges: [E, H]. node: [E] long, the node each edge counts at. message: [E] bool, None for all.
        returns: [N, H]. A node that no message edge touches is updated from a zero message.
    """

    def __init__(self, hidden_dim: int, options: Options = DEFAULT) -> None:
        super().__init__()
        self.aggregation, self.residual = options.aggregation, options.residual
        self.update = options.mlp([hidden_dim, hidden_dim], hidden_dim, hidden_dim)

    def forward(self, nodes: Tensor, edges: Tensor, node: Tensor, message: Tensor | None = None) -> Tensor:
        """Return the new node states."""
        new: Tensor = self.update(nodes, aggregate(edges, node, nodes.size(0), message, self.aggregation))
        return nodes + new if self.residual else new


class PairLayer(Layer):
    """Edge update by other pairs: an inter-edge hears the inter-edges of its ends' neighbours.

    If q is like s, u is like t, and (q, u) belong together, then so may (s, t). Node states cannot carry this: they
    forget which pair a message came from. So pairs speak to pairs, and learn whom to hear:

    [m ‖ α]_qu,st = φ_m([e_qu ‖ e_st ‖ a_qu,st]);  m_st = Σ_qu softmax(α) m_qu,st, in ``heads`` parts of their own α;
    e_st <- φ([e_st ‖ m_st]); with ``residual`` e_st is added. An edge that no other supports hears 0.

    Shapes:
        edges: [E, H]. support_index: [2, S] long, pair that speaks -> pair that hears. support_attr: [S, F], how alike
            the ends of the two are.
        returns: [E, H].

    Time and memory grow with S · H.
    """

    def __init__(self, hidden_dim: int, support_dim: int, options: Options = DEFAULT, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.residual = heads, options.residual
        self.width = -(-hidden_dim // heads)
        self.message = options.mlp([hidden_dim, hidden_dim, support_dim], hidden_dim, heads * (self.width + 1))
        self.update = options.mlp([hidden_dim, heads * self.width], hidden_dim, hidden_dim)

    def forward(self, edges: Tensor, support_index: Tensor, support_attr: Tensor) -> Tensor:
        """Return the new edge states."""
        speaks, hears = support_index
        said = self.message((edges, speaks), (edges, hears), support_attr)
        value, weight = said.split([self.heads * self.width, self.heads], dim=1)
        weight = softmax(weight.to(torch.promote_types(weight.dtype, torch.float32)), hears, num_nodes=len(edges))
        heard = (value.unflatten(1, (self.heads, self.width)) * weight.to(value.dtype).unsqueeze(2)).flatten(1)
        new: Tensor = self.update(edges, aggregate(heard, hears, len(edges), how="sum"))
        return edges + new if self.residual else new
