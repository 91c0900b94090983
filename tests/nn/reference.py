"""RR-Net node by node and edge by edge, written from the equations: slow, plain, and without the package's layers."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, TARGET_INTRA
from rrnet_lightning.nn.rrnet import RRNet
from tests.graphs import EDGE_DIM

Weights = dict[str, Tensor]
INTRA = {SOURCE: SOURCE_INTRA, TARGET: TARGET_INTRA}
DEFAULTS = {"units": ["intra", "inter"], "kernel": "hadamard", "aggregation": "mean", "edge_state": True}


def network(
    edge_dim: int = EDGE_DIM, hidden_dim: int = 5, source_dim: int = 4, target_dim: int = 3, **options: Any
) -> RRNet:
    """A float64 network for `random_graph`, every parameter drawn at random: no bias or norm keeps its plain start.

    Weights keep the scale of their input, so that the logits differ from edge to edge however many the units.
    """
    net = RRNet(source_dim, target_dim, edge_dim, hidden_dim, **options).double()
    rng = torch.Generator().manual_seed(1)
    for parameter in net.parameters():
        scale = (2 / parameter.size(1)) ** 0.5 if parameter.dim() == 2 else 0.5
        parameter.data = scale * torch.randn(parameter.shape, generator=rng, dtype=torch.double)
    return net


def assert_close(found: object, expected: object) -> None:
    """Equal to the rounding of float64."""
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def reference(weights: Weights, data: HeteroData, edge_dim: int = EDGE_DIM, **options: Any) -> Tensor:
    """The logits of `RRNet(..., **options)` with these weights, [E]."""
    net = Loops(weights, data, edge_dim, {**DEFAULTS, **options})
    net.encode()
    for number, unit in enumerate(net.options["units"]):
        last = number == len(net.options["units"]) - 1
        net.intra(f"units.{number}") if unit == "intra" else net.inter(f"units.{number}", last)
    logits = [net.phi("decoder", e)[0] for e in net.inter_state]
    if options.get("linear"):
        terms = (data[INTER].edge_attr * weights["linear.weight"]).sum(1)
        logits = [logit + term for logit, term in zip(logits, terms, strict=True)]
    if options.get("prior"):
        logits = [logit + prior for logit, prior in zip(logits, data[INTER].prior, strict=True)]
    return torch.stack(logits) if logits else torch.empty(0, dtype=torch.double)


class Loops:
    """Lists of node and edge states, one vector each."""

    def __init__(self, weights: Weights, data: HeteroData, edge_dim: int, options: dict[str, Any]) -> None:
        self.weights, self.data, self.edge_dim, self.options = weights, data, edge_dim, options
        self.ends = {t: [tuple(pair) for pair in data[t].edge_index.T.tolist()] for t in (*INTRA.values(), INTER)}

    def phi(self, name: str, *parts: Tensor) -> Tensor:
        """W_2 relu(norm(W_1 [a ‖ b ‖ ...]))."""
        w = {key.removeprefix(f"{name}."): value for key, value in self.weights.items() if key.startswith(f"{name}.")}
        hidden = w["first.weight"] @ torch.cat(parts) + w["first.bias"]
        if self.options.get("norm"):
            spread = ((hidden - hidden.mean()) ** 2).mean()
            hidden = (hidden - hidden.mean()) / (spread + 1e-5).sqrt() * w["norm.weight"] + w["norm.bias"]
        return w["second.weight"] @ hidden.clamp(min=0) + w["second.bias"]

    def update(self, name: str, old: Tensor | None, *parts: Tensor, keep_old: bool) -> Tensor:
        """φ([old ‖ parts]), or φ([parts]) where the old state does not enter, plus old with residual."""
        new = self.phi(name, *([old] if keep_old and old is not None else []), *parts)
        return old + new if self.options.get("residual") and old is not None else new

    def encode(self) -> None:
        """Equation (1)."""
        x = {side: self.data[side].x for side in INTRA}
        reads_edges = self.options["edge_state"] or self.options.get("residual")
        reads_intra = reads_edges and "intra" in self.options["units"]
        self.nodes = {side: [self.phi(f"encoder.{side}", row) for row in x[side]] for side in INTRA}
        self.intra_state: dict[str, list[Any]] = {
            side: [
                self.phi(f"encoder.{side}_intra", x[side][s], x[side][r]) if reads_intra else None
                for s, r in self.ends[edges]
            ]
            for side, edges in INTRA.items()
        }
        known = [[row] if self.edge_dim else [] for row in self.data[INTER].edge_attr]
        self.inter_state: list[Any] = [
            self.phi("encoder.inter", x[SOURCE][s], x[TARGET][r], *attr) if reads_edges else None
            for (s, r), attr in zip(self.ends[INTER], known, strict=True)
        ]

    def intra(self, name: str) -> None:
        """Equations (3)-(5), then (8) at the receiver."""
        for side, edges in INTRA.items():
            v, keep = self.nodes[side], self.options["edge_state"]
            self.intra_state[side] = [
                self.update(f"{name}.{side}_edges.update", e, v[s], v[r], keep_old=keep)
                for e, (s, r) in zip(self.intra_state[side], self.ends[edges], strict=True)
            ]
            arriving = list(zip(self.intra_state[side], [r for _, r in self.ends[edges]], strict=True))
            self.nodes[side] = self.node_update(f"{name}.{side}_nodes.update", v, arriving)

    def inter(self, name: str, last: bool) -> None:
        """Equations (6)-(7), then (8) at both ends."""
        v, keep = self.nodes, self.options["edge_state"]
        self.inter_state = [
            self.update(
                f"{name}.edges.update", e, self.kernel(f"{name}.edges", v[SOURCE][s], v[TARGET][r]), keep_old=keep
            )
            for e, (s, r) in zip(self.inter_state, self.ends[INTER], strict=True)
        ]
        for end, side in enumerate(() if last else INTRA):
            message = self.data[INTER].message
            told = (message[:, end] if message.dim() == 2 else message).tolist()
            ends = zip(self.inter_state, self.ends[INTER], told, strict=True)
            touching = [(e, pair[end]) for e, pair, message in ends if message]
            self.nodes[side] = self.node_update(f"{name}.{side}_nodes.update", v[side], touching)

    def kernel(self, name: str, v_s: Tensor, v_r: Tensor) -> Tensor:
        """k_sr of equation (7)."""
        left = self.weights[f"{name}.source.weight"] @ v_s
        if self.options["kernel"] == "bilinear":
            return torch.stack([left @ v_r])
        right = self.weights[f"{name}.target.weight"] @ v_r
        return left * right if self.options["kernel"] == "hadamard" else torch.cat([left, right])

    def node_update(self, name: str, nodes: list[Tensor], messages: list[tuple[Tensor, int]]) -> list[Tensor]:
        """Equation (8)."""
        new = []
        for i, v in enumerate(nodes):
            mine = [e for e, node in messages if node == i]
            total = sum(mine, torch.zeros_like(v))
            share = total / len(mine) if mine and self.options["aggregation"] == "mean" else total
            new.append(self.update(name, v, share, keep_old=True))
        return new
