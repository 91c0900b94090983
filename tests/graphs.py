"""Small random cross-modal graphs, every field of the contract filled."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.graph.build import build_graph, given_edges, given_pairs

EDGE_DIM = 2


def random_graph(
    seed: int = 0,
    num_sources: int = 8,
    num_targets: int = 6,
    *,
    pairs: int = 20,
    source_intra: int = 14,
    target_intra: int = 9,
    source_dim: int = 4,
    target_dim: int = 3,
    dtype: torch.dtype = torch.double,
) -> HeteroData:
    """A graph with so many candidate pairs and at most so many intra edges (self loops drawn are dropped).

    About 70 percent of the pairs pass messages; the others are supervised.
    """
    rng = torch.Generator().manual_seed(seed)

    def draw(rows: int, columns: int, count: int) -> Tensor:
        flat = torch.randperm(rows * columns, generator=rng)[:count]
        return torch.stack([flat // columns, flat % columns])

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng, dtype=torch.double).to(dtype)

    message = torch.rand(pairs, generator=rng) < 0.7
    data = build_graph(
        normal(num_sources, source_dim),
        normal(num_targets, target_dim),
        given_pairs(draw(num_sources, num_targets, pairs), num_sources, num_targets)[0],
        source_intra=given_edges(draw(num_sources, num_sources, source_intra), num_sources),
        target_intra=given_edges(draw(num_targets, num_targets, target_intra), num_targets),
        edge_attr=normal(pairs, EDGE_DIM),
        prior=normal(pairs),
        message=message,
        supervised=~message,
        y=torch.randint(2, (pairs,), generator=rng).to(dtype),
    )
    return of_type(data, dtype)


def of_type(data: HeteroData, dtype: torch.dtype) -> HeteroData:
    """All floats as ``dtype``."""
    return data.apply(lambda value: value.to(dtype) if value.is_floating_point() else value)
