"""Two tables of 120 rows, of which 80 train, 10 validate and 30 test, their graphs, and what a network says of them."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.data.tables.pairs import as_pairs
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.blocks import Blocks
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.graph.schema import INTER
from rrnet_lightning.module import RRNetModule
from rrnet_lightning.objectives import RankingObjective

ROWS, TEST = 120, range(90, 120)
PARTS = tuple("test" if row in TEST else "val" if row >= 80 else "train" for row in range(ROWS))


def task(tables: list[Tensor], partner: Tensor | None = None, stage: str = "", **given: Any) -> TablesDataModule:
    rows = torch.arange(ROWS)
    pairs = as_pairs(
        torch.stack([rows, rows if partner is None else partner]),
        split=PARTS,
        num_sources=len(tables[0]),
        num_targets=len(tables[1]),
    )
    options: dict[str, Any] = {"top_k": 6, "folds": 4, "relations": Bridges(neighbours=4, hubness=4, supports=2)}
    data = TablesDataModule.of(as_features(tables[0]), as_features(tables[1]), pairs, **options | given)
    data.setup(stage)
    return data


def graphs(data: TablesDataModule, stage: Any = "test") -> list[HeteroData]:
    blocks = Blocks(data, stage)
    return [blocks[(0, torch.tensor([number]))] for number in range(len(blocks))]


def network(data: TablesDataModule) -> RRNetModule:
    torch.manual_seed(0)
    return RRNetModule(
        data.source_dim, data.target_dim, data.edge_dim, 8, ["intra", "inter", "pair", "inter"],
        support_dim=data.support_dim, objective=RankingObjective(),
    ).eval()  # fmt: skip


def said(data: TablesDataModule, side: int, row: int) -> dict[int, float]:
    """Logits of the pairs that a row asks, by the row of the other side."""
    scores: dict[int, float] = {}
    for graph in graphs(data):
        inter, net = graph[INTER], network(data)
        ends = [graph[name].n_id[inter.edge_index[i]] for i, name in enumerate(("source", "target"))]
        own = inter.asks[:, side] & (ends[side] == row)
        scores |= dict(zip(ends[1 - side][own].tolist(), net(graph)[own].tolist(), strict=True))
    return scores
