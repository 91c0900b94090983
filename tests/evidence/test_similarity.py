"""Co-rating neighbours against a dense reference."""

import torch

from rrnet_lightning.evidence.similarity import co_rating_neighbors


def test_neighbors_equal_a_dense_reference() -> None:
    rated = torch.rand(12, 20, generator=torch.Generator().manual_seed(0)) < 0.25
    node, other = rated.nonzero().T
    edge_index, weight = co_rating_neighbors(node, other, 12, 20, k=3, shrink=2.0)
    common = rated.double() @ rated.double().T
    count = common.diagonal()
    dense = common / (count[:, None] * count).sqrt().clamp(min=1) * common / (common + 2.0)
    dense.fill_diagonal_(0)
    expected = []
    for i in range(12):
        order = sorted(range(12), key=lambda j: (-round(float(dense[i, j]), 9), j))
        expected += [(j, i) for j in order[:3] if dense[i, j] > 0]
    assert edge_index.T.tolist() == [list(pair) for pair in expected]
    torch.testing.assert_close(weight, torch.stack([dense[i, j] for j, i in expected]).float())


def test_nodes_with_nothing_in_common_are_not_linked() -> None:
    edge_index, weight = co_rating_neighbors(torch.tensor([0, 1]), torch.tensor([0, 1]), 3, 2, k=2)
    assert edge_index.shape == (2, 0)
    assert weight.shape == (0,)
