"""Tables as users have them: what works, and what is refused in one line."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval import Cosine
from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.data.tables.pairs import as_pairs
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.blocks import Blocks
from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.schema import INTER, validate
from tests.candidates.retrieval.tables import tables


def task(source: Any, target: Any, index: Tensor, **options: Any) -> TablesDataModule:
    pairs = as_pairs(index, num_sources=len(source), num_targets=len(target))
    data = TablesDataModule.of(as_features(source), as_features(target), pairs, **{"top_k": 4, "folds": 3} | options)
    data.setup()
    return data


def priors(data: TablesDataModule) -> list[Tensor]:
    """Of all stages; each graph keeps the contract, finite numbers among it."""
    found = []
    for stage in ("train", "val", "test"):
        blocks = Blocks(data, stage)
        for number in range(len(blocks)):
            graph = blocks[(0, torch.tensor([number]))]
            validate(graph)
            found.append(graph[INTER].prior)
    return found


def test_zero_rows_under_cosine() -> None:
    source, target, index = tables(widths=(5, 5))
    source[[0, 39]], target[[1, 38]] = 0, 0
    assert priors(task(source, target, index, generator=Cosine(center=False)))


@pytest.mark.parametrize("split", ["both", "sources", "targets", "pairs"])
def test_tables_of_other_sizes_and_rows_without_a_partner(split: Any) -> None:
    source, target, index = tables(60, 40)
    shifted = torch.stack([index[0] + 11, index[1]])  # sources 0 to 10 and 51 to 59, targets 40 and more, have none
    data = task(source, target[:45], shifted, split=split)
    views = [view for stage in ("train", "val", "test") for view in data.views(stage)]
    assert priors(data) and all(
        view.queries["source"].numel() == 0 or view.queries["source"][0] >= 11 for view in views
    )


def test_float64_and_fortran_order_are_as_float32() -> None:
    source, target, index = tables()
    usual = priors(task(source, target, index))
    other = np.asfortranarray(source.double().numpy()), np.asfortranarray(target.numpy())
    for one, two in zip(usual, priors(task(*other, index)), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("rows", "known", "options", "message"),
    [
        (1, 1, {"split": "pairs"}, "split: found 1 pairs for validation"),
        (1, 1, {}, "split: found 100% of the pairs connected"),
        (4, 4, {}, "folds: found 3, wanted at most 2, what training has to cut"),
        (60, 40, {"generator": Cosine()}, "Cosine: found source and target features of widths 6 and 4"),
    ],
)
def test_too_little_is_refused_in_one_line(rows: int, known: int, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        task(*tables(rows, known), **options)
    assert "\n" not in str(caught.value)
