from dataclasses import replace

import pytest
import torch

from rrnet_lightning.candidates.samples import HELD, TRAIN, UNLABELLED, ScoredSamples
from rrnet_lightning.errors import DataError


def test_unlabelled_samples_can_be_left_out() -> None:
    role = torch.tensor([HELD, UNLABELLED, TRAIN, UNLABELLED])
    whole = ScoredSamples(torch.rand(4, 2), torch.rand(4, 2), torch.tensor([0, 1, 1, 0]), role, "ab", "wxyz")
    part = whole.without_unlabelled()
    assert part.row is not None and part.row.tolist() == [0, 2] and list(part.ids) == ["w", "y"]
    for field in ("features", "log_probs", "label", "role"):
        assert getattr(part, field).equal(getattr(whole, field)[[0, 2]])
    assert replace(whole, row=torch.tensor([5, 6, 7, 8])).without_unlabelled().row.tolist() == [5, 7]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("label", torch.tensor([0, 1, 2]), r"label: found 2 in row 2, wanted 0 to 1"),
        ("role", torch.tensor([0, 5, 0]), r"role: found 5 in row 1, wanted 0 to 4"),
        ("ids", ["a"], "ids: found 1 rows, wanted 3"),
        ("log_probs", torch.zeros(3, 5), r"log_probs: found shape \[3, 5\], wanted \[3, 2\]"),
        ("features", torch.full((3, 1), torch.nan), "features: found 3 NaN"),
    ],
)
def test_fields_that_do_not_fit_are_named(field: str, value: object, message: str) -> None:
    good = ScoredSamples(
        torch.zeros(3, 4), torch.zeros(3, 2), torch.zeros(3).long(), torch.zeros(3).long(), "ab", "xyz"
    )
    with pytest.raises(DataError, match=message):
        replace(good, **{field: value})  # type: ignore[arg-type]
