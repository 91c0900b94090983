import torch

from rrnet_lightning.datamodules.tables.rows import place, within


def test_rows_and_pairs_are_placed_among_others() -> None:
    some, none = torch.tensor([2, 5, 9]), torch.empty(0, dtype=torch.long)
    rows = torch.tensor([5, 1, 9, 11])
    assert place(rows, some).tolist() == [1, -1, 2, -1] and place(rows, none).tolist() == [-1] * 4
    places, which = within(torch.tensor([[2, 9, 3], [7, 8, 7]]), some, torch.tensor([7]))
    assert places.tolist() == [[0], [0]] and which.tolist() == [0]
