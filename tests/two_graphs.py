"""A task of one's own for the test of two processes: one graph each, or both side by side in one."""

import lightning as L
import torch
from torch.utils.data import DataLoader
from torch_geometric.data import Batch, HeteroData

from rrnet_lightning.graph.schema import INTER
from tests.graphs import EDGE_DIM, random_graph


class TwoGraphs(L.LightningDataModule):
    """Three training batches, each of a small graph and one of three times its size."""

    source_dim, target_dim, edge_dim = 4, 3, EDGE_DIM

    def train_dataloader(self) -> DataLoader[HeteroData]:
        """A process's share of each batch."""
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        batches = []
        for step in range(3):
            graphs = [
                random_graph(step, pairs=12, dtype=torch.float),
                random_graph(step + 9, 20, 9, pairs=60, dtype=torch.float),
            ]
            mine = graphs[rank::world]
            batches.append(Batch.from_data_list(mine) if len(mine) > 1 else mine[0])
        assert world == 1 or batches[0][INTER].num_edges in (12, 60)
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
