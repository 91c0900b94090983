"""What learns from the folds, and how all are measured."""

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torchmetrics import MetricCollection

from rrnet_lightning.candidates.retrieval.space import SIDES
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.blocks import FLAGS, Blocks
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.graph.schema import INTER
from rrnet_lightning.module import RRNetModule, asked_of
from rrnet_lightning.nn.rrnet import Unit
from rrnet_lightning.objectives import RankingObjective

EPOCHS, LEARNING_RATE, DECAY, HIDDEN, DROPOUT = 12, 6e-3, 1e-2, 48, 0.2


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


def rrnet(data: TablesDataModule, *, pair: bool = True, before: tuple[Unit, ...] = ()) -> nn.Module:
    """RR-Net with the settings of ``configs/tables.yaml``; without ``pair`` units where no pair supports another."""
    pair = pair and data.relations.supports > 0
    middle: tuple[Unit, ...] = ("pair",) if pair else ()
    return module(data, (*before, "inter", *middle, "inter")).network


def module(data: TablesDataModule, units: Sequence[Unit]) -> RRNetModule:
    """RR-Net of these units, with the settings of ``configs/tables.yaml``."""
    return RRNetModule(
        data.source_dim,
        data.target_dim,
        data.edge_dim,
        HIDDEN,
        units,
        residual=True,
        prior=True,
        dropout=DROPOUT,
        support_dim=data.support_dim if "pair" in units else 0,
        objective=RankingObjective(),
    )


class Without(nn.Module):
    """RR-Net that does not see some of what the relations say: zeros, the mean, stand in their columns.

    Candidates and messages of known pairs are those of ``rrnet``: the difference is what the columns bring.
    """

    def __init__(self, data: TablesDataModule, left_out: str) -> None:
        super().__init__()
        self.network = rrnet(data)
        names = columns(data.relations)
        self.edge, self.node = (torch.tensor([left_out not in name for name in side]) for side in names)

    def forward(self, graph: HeteroData) -> Tensor:
        """Score every pair of a copy of the graph."""
        graph = copy.copy(graph)
        graph[INTER].edge_attr = graph[INTER].edge_attr * self.edge
        for side in SIDES:
            graph[side].x = graph[side].x * self.node
        scores: Tensor = self.network(graph)
        return scores


def columns(relations: Bridges) -> tuple[list[str], list[str]]:
    """What each column of an edge and of a node says: of the ``bridge``, of ``hubness``, or of both."""
    spaces = relations.bridged
    node = ["bridge"] * 2 * spaces
    if relations.hubness:
        node += ["hubness"] + ["hubness of the bridge"] * 2 * spaces
    edge = ["flag"] * FLAGS + ["score"] + ["bridge"] * (3 + relations.classes) * spaces
    return edge + node * 2, node


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
def measure(
    data: TablesDataModule, scores: Callable[[HeteroData], Tensor], readout: str = "softmax"
) -> MetricCollection:
    """Metrics of the test, over the whole ranking, to be computed."""
    objective = RankingObjective(readout=readout)  # type: ignore[arg-type]
    metrics = objective.metrics("")
    for graph in graphs(data, "test"):
        objective.update(metrics, scores(graph)[graph[INTER].supervised], asked_of(graph, torch.float32))
    return metrics


LEARNT: dict[str, Callable[[TablesDataModule], nn.Module]] = {
    "linear": Linear,
    "pair-mlp": PairMLP,
    "rrnet-one-inter": lambda data: module(data, ("inter",)).network,
    "rrnet-no-pair": partial(rrnet, pair=False),
    "rrnet-intra": partial(rrnet, before=("intra",)),
    "rrnet-no-bridge": partial(Without, left_out="bridge"),
    "rrnet-no-hubness": partial(Without, left_out="hubness"),
    "rrnet": rrnet,
}
MODES = ("inductive", "transductive")
