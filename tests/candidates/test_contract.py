import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.contract import cross_fit, random_folds, stratified_folds
from rrnet_lightning.errors import DataError


def test_each_set_is_scored_by_a_generator_that_saw_all_others() -> None:
    hidden = torch.tensor([[True, False], [False, False], [False, True]])

    def generator(visible: Tensor) -> Tensor:
        return visible.float()

    assert torch.stack(list(cross_fit(generator, hidden)), 1).equal((~hidden).float())


@pytest.mark.parametrize(("size", "folds"), [(20, 4), (7, 3), (3, 3)])
def test_random_folds_are_equal_and_cut_anew(size: int, folds: int) -> None:
    hidden = random_folds(size, folds, 3, seed=0)
    repeats = hidden.view(size, 3, folds)
    assert (repeats.sum(2) == 1).all()
    counts = repeats.sum(0)
    assert counts.max() - counts.min() <= 1
    assert hidden.equal(random_folds(size, folds, 3, seed=0)) and not hidden.equal(random_folds(size, folds, 3, seed=1))
    assert size < 20 or not repeats[:, 0].equal(repeats[:, 1])


def test_stratified_folds_share_out_every_class() -> None:
    label = torch.arange(40) % 2 + (torch.arange(40) % 4 == 1)  # 20 of class 0, 10 each of the others
    hidden = stratified_folds(label, 5, seed=0)
    assert (hidden.sum(1) == 1).all()
    for number, each in ((0, 4), (1, 2), (2, 2)):
        assert hidden[label == number].sum(0).tolist() == [each] * 5


@pytest.mark.parametrize("folds", [1, 14])
def test_folds_that_some_class_cannot_fill_are_refused(folds: int) -> None:
    with pytest.raises(DataError, match=f"folds: found {folds}, wanted 2 to 13, the training samples of class 1"):
        stratified_folds(torch.arange(40) % 3, folds, seed=0)
