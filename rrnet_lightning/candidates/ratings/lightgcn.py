"""LightGCN read out as a rating."""

import warnings

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch_geometric.nn import LGConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import to_torch_csr_tensor

from rrnet_lightning.candidates.ratings.factorisation import BiasedMF
from rrnet_lightning.candidates.ratings.tables import TrainingRatings
from rrnet_lightning.errors import DataError


class LightGCN(BiasedMF):
    """LightGCN (He et al., SIGIR 2020) with a rating as its answer; the paper ranks items.

    e_u^(k+1) = Σ_(i in N(u)) e_i^(k) / sqrt(|N(u)| |U_i|), e_i^(k+1) likewise    (PyG's ``LGConv``)
    e = 1/(K+1) Σ_(k = 0..K) e^(k)    r_ui = μ + b_u + b_i + e_u · e_i

    The loss is that of :class:`BiasedMF`, with e^(0) in the place of p and q. N(u) are the items that u rated in the
    training part, U_i the users who rated i there.

    Args:
        rank: width of the vectors.
        decay: weight λ of the penalties.
        layers: K, how many steps away in the graph a vector hears from.
        batch_size: ratings in a mini-batch.
        optimizer: parameters -> optimiser.
        scheduler: optimiser -> learning-rate scheduler; None keeps the rate.

    Raises:
        DataError: ``layers`` is below 1.
    """

    adjacency: Tensor

    def __init__(
        self,
        rank: int = 10,
        decay: float = 0.05,
        layers: int = 2,
        batch_size: int = 256,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(rank, decay, batch_size, optimizer, scheduler)
        if layers < 1:
            raise DataError(f"LightGCN: found {layers} layers, wanted at least 1")
        self.layers = layers
        self.convolve = LGConv(normalize=False)  # the weights never change: they are made once

    def build(self, train: TrainingRatings) -> None:
        """Make the graph of who rated what, as a sparse matrix: several times faster than a list of edges."""
        super().build(train)
        item, nodes = train.item + train.num_users, train.num_users + train.num_items
        pairs = torch.stack([torch.cat([train.user, item]), torch.cat([item, train.user])])
        edges, weight = gcn_norm(pairs, num_nodes=nodes, add_self_loops=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse ", UserWarning)  # in beta; entries are not checked
            adjacency = to_torch_csr_tensor(edges, weight, size=(nodes, nodes))
        self.register_buffer("adjacency", adjacency, persistent=False)

    def rate(self, user: Tensor, item: Tensor) -> Tensor:
        """r_ui of the equation above."""
        nodes = self.embed()
        users, items = nodes.index_select(0, user), nodes.index_select(0, item + len(self.user.rows))
        return self.bias(user, item) + (users * items).sum(1)

    def embed(self) -> Tensor:
        """e of all users, then of all items, [num_users + num_items, rank]."""
        nodes = total = torch.cat([self.user.rows, self.item.rows])
        for _ in range(self.layers):
            nodes = self.convolve(nodes, self.adjacency)
            total = total + nodes
        return total / (self.layers + 1)
