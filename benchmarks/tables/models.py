"""What is compared: ways to rank the same base, each ``(data, seed) -> metrics of the test``."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.retrieval.space import SIDES, Side, other
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.table_blocks import Blocks
from rrnet_lightning.datamodules.table_view import Order, View
from rrnet_lightning.graph.schema import INTER
from rrnet_lightning.module import RRNetModule, asked_of
from rrnet_lightning.objectives import RankingObjective, sinkhorn

EPOCHS, LEARNING_RATE, DECAY, HIDDEN, DROPOUT = 12, 6e-3, 1e-2, 48, 0.2
Metrics = dict[str, float]
Scores = Callable[[HeteroData], Tensor]


def graphs(data: TablesDataModule, stage: str) -> Iterable[HeteroData]:
    """The graphs of a stage, one at a time."""
    blocks = Blocks(data, stage)  # type: ignore[arg-type]
    return (blocks[(0, torch.tensor([number]))] for number in range(len(blocks)))


class Linear(nn.Module):
    """A linear sum of what the edges carry."""

    def __init__(self, data: TablesDataModule) -> None:
        super().__init__()
        self.sum = nn.Linear(data.edge_dim, 1)

    def forward(self, graph: HeteroData) -> Tensor:
        """Score every pair by itself."""
        scores: Tensor = self.sum(graph[INTER].edge_attr).squeeze(1)
        return scores


class PairMLP(nn.Module):
    """Two hidden layers on what the edges carry, and their linear sum: no pair hears of another."""

    def __init__(self, data: TablesDataModule, hidden: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (data.edge_dim, hidden):
            layers += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(DROPOUT)]
        self.deep, self.sum = nn.Sequential(*layers, nn.Linear(hidden, 1)), nn.Linear(data.edge_dim, 1)

    def forward(self, graph: HeteroData) -> Tensor:
        """Score every pair by itself."""
        known = graph[INTER].edge_attr
        scores: Tensor = (self.deep(known) + self.sum(known)).squeeze(1)
        return scores


def rrnet(data: TablesDataModule, units: tuple[str, ...] = ("inter", "pair", "inter")) -> nn.Module:
    """RR-Net with the settings of ``configs/tables.yaml``."""
    return RRNetModule(
        data.source_dim,
        data.target_dim,
        data.edge_dim,
        HIDDEN,
        units,  # type: ignore[arg-type]
        residual=True,
        prior=True,
        dropout=DROPOUT,
        support_dim=data.support_dim if "pair" in units else 0,
    ).network


def learnt(
    make: Callable[[TablesDataModule], nn.Module], data: TablesDataModule, seed: int, class_share: float
) -> nn.Module:
    """Train on the folds, one graph a step: AdamW, cosine schedule, ``RankingObjective``."""
    data.setup()
    torch.manual_seed(seed)
    model, objective = make(data), RankingObjective(class_share=class_share)
    blocks = Blocks(data, "train")
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(blocks))
    for _ in range(EPOCHS):
        for number in torch.randperm(len(blocks)):
            graph = blocks[(0, number[None])]
            loss = objective.loss(model(graph)[graph[INTER].supervised], asked_of(graph, torch.float32))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def measure(data: TablesDataModule, scores: Scores, readout: str = "softmax") -> Metrics:
    """Metrics of the test, over the whole ranking."""
    objective = RankingObjective(readout=readout)  # type: ignore[arg-type]
    metrics = objective.metrics("")
    for graph in graphs(data, "test"):
        objective.update(metrics, scores(graph)[graph[INTER].supervised], asked_of(graph, torch.float32))
    return {name: float(value) for name, value in metrics.compute().items()}


def whole(data: TablesDataModule, rank: Callable[[View, Side], Tensor]) -> Metrics:
    """Metrics of a score of every query and every row of the base: no candidates, nothing missed."""
    (view,) = data.views("test")
    objective = RankingObjective()
    metrics = objective.metrics("")
    for number, side in enumerate(SIDES):
        score = rank(view, side)
        query, base = view.queries[side], view.base[other(side)]
        rows = torch.stack([query.repeat_interleave(len(base)), base.repeat(len(query))])
        rows = rows if number == 0 else rows.flip(0)
        true = rows[0] == rows[1]
        asks = torch.zeros(len(true), 2, dtype=torch.bool)
        asks[:, number] = True
        relevant = true
        if view.member is not None:
            relevant = (view.member["source"][rows[0]] & view.member["target"][rows[1]]).any(1)
        none = rows.new_zeros(0, 2)
        metrics.update(
            preds=score.reshape(-1), rows=rows, target=true, relevant=relevant, asks=asks, missed=(none,) * 4
        )
    return {name: float(value) for name, value in metrics.compute().items()}


def ordered(order: Order, view: View, side: Side) -> Tensor:
    """The generator's cosine; CSLS with banks of known rows; or the bridge."""
    return replace(view, order=order).scores(side, view.look(side, view.queries[side]))


def csls_of_the_test(view: View, side: Side, k: int = 10) -> Tensor:
    """CSLS whose banks are the test queries themselves: transductive."""
    score = ordered("cosine", view, side)
    return 2 * score - score.topk(k, 0).values.mean(0) - score.topk(k, 1).values.mean(1, keepdim=True)


def sinkhorn_of_the_test(view: View, side: Side, temperature: float = 0.03) -> Tensor:
    """Sinkhorn on the generator's cosines of all test pairs: transductive."""
    score = ordered("cosine", view, side)
    ends = torch.cartesian_prod(torch.arange(score.shape[0]), torch.arange(score.shape[1])).T
    return sinkhorn((score / temperature).reshape(-1), ends).view_as(score)


FIXED: dict[str, tuple[str, Callable[[View, Side], Tensor]]] = {
    "generator": ("inductive", partial(ordered, "cosine")),
    "csls": ("inductive", partial(ordered, "csls")),
    "bridge": ("inductive", partial(ordered, "bridge")),
    "csls-test": ("transductive", csls_of_the_test),
    "generator-sinkhorn": ("transductive", sinkhorn_of_the_test),
}
LEARNT: dict[str, Callable[[TablesDataModule], nn.Module]] = {
    "linear": Linear,
    "pair-mlp": PairMLP,
    "rrnet-one-inter": partial(rrnet, units=("inter",)),
    "rrnet-no-pair": partial(rrnet, units=("inter", "inter")),
    "rrnet-intra": partial(rrnet, units=("intra", "inter", "pair", "inter")),
    "rrnet": rrnet,
}
MODES = ("inductive", "transductive")
