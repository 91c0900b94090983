"""A task of forty pairs."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.datamodules.base import GraphDataModule
from rrnet_lightning.datamodules.batches import Stage
from rrnet_lightning.graph.schema import INTER
from tests.graphs import random_graph


class Toy(GraphDataModule):
    """40 pairs of 8 sources and 6 targets: 28 to train, 6 to validate, 6 to test."""

    source_dim, target_dim, edge_dim = 4, 3, 1
    part = torch.randperm(40, generator=torch.Generator().manual_seed(0))

    def stage_graph(self, stage: Stage) -> HeteroData:
        data = random_graph(pairs=40, dtype=torch.float)
        train, val, test = (self.part < 28), (self.part >= 28) & (self.part < 34), self.part >= 34
        data[INTER].observed = (train | val if stage == "test" else train) & self.evidence
        data[INTER].asked = {"train": train, "val": val, "test": test, "predict": test}[stage]
        return data

    def reveal(self, data: HeteroData, visible: Tensor) -> None:
        data[INTER].edge_attr = torch.where(visible, data[INTER].y, 0)[:, None]
        data[INTER].message = visible


class Labels(Toy):
    """The answers of a source tell each other."""

    def answer_group(self, data: HeteroData) -> Tensor:
        source: Tensor = data[INTER].edge_index[0]
        return source


def trainer_of(network: Any, **more: Any) -> Any:
    return SimpleNamespace(lightning_module=SimpleNamespace(network=network), overfit_batches=0, **more)
