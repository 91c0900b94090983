"""Several generators at once."""

import pytest
import torch

from rrnet_lightning.candidates.retrieval import CCA, Ridge, SemanticMatching, Several
from rrnet_lightning.errors import DataError
from tests.candidates.retrieval.tables import labels, scores, tables


def test_a_score_is_the_weighted_mean_of_their_cosines() -> None:
    source, target, pairs = tables()
    parts = [CCA(dim=2), Ridge(), SemanticMatching()]
    cosines = [scores(each.fit(source, target, pairs, labels=labels()), source, target) for each in parts]
    both = Several(parts, [2, 1, 1]).fit(source, target, pairs, labels=labels())
    wanted = (2 * cosines[0] + cosines[1] + cosines[2]) / 4
    torch.testing.assert_close(scores(both, source, target), wanted, atol=1e-6, rtol=0)


def test_classes_are_wanted_where_one_of_them_learns_from_them() -> None:
    source, target, pairs = tables()
    Several([CCA(), Ridge()]).fit(source, target, pairs)
    with pytest.raises(DataError, match="label"):
        Several([CCA(), SemanticMatching()]).fit(source, target, pairs)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0]])
def test_each_has_a_weight(weights: list[float]) -> None:
    with pytest.raises(
        DataError, match=r"Several: found 2 generators and weights .*, wanted some, and a weight above 0"
    ):
        Several([CCA(), Ridge()], weights)
