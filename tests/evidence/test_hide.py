import pytest
import torch

from rrnet_lightning.errors import GraphError
from rrnet_lightning.evidence.hide import hide


def test_hide_takes_the_share_of_candidates() -> None:
    candidates = torch.arange(100) % 2 == 0
    hidden = hide(candidates, 0.3, torch.Generator().manual_seed(0))
    assert hidden.sum() == 15 and not (hidden & ~candidates).any()
    assert torch.equal(hidden, hide(candidates, 0.3, torch.Generator().manual_seed(0)))
    assert not torch.equal(hidden, hide(candidates, 0.3, torch.Generator().manual_seed(1)))
    assert torch.equal(hide(candidates, 1.0), candidates)
    assert hide(candidates, 1e-9).sum() == 1
    assert not hide(torch.zeros(4).bool(), 0.5).any()


def test_hide_keeps_groups_together() -> None:
    group = torch.tensor([9, 9, 9, 4, 4, 6, 6, 8])
    candidates = torch.tensor([1, 1, 0, 1, 1, 1, 1, 0]).bool()
    hidden = hide(candidates, 0.4, torch.Generator().manual_seed(0), group=group)
    chosen = torch.unique(group[hidden])
    assert len(chosen) == 1  # 0.4 of the three groups that have candidates, rounded
    assert torch.equal(hidden, candidates & torch.isin(group, chosen))


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan")])
def test_hide_wants_a_share(share: float) -> None:
    with pytest.raises(GraphError, match=r"share: found .*, wanted 0 < share <= 1"):
        hide(torch.ones(3).bool(), share)
