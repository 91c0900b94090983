from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks.common.jobs import BenchmarkError, Job
from benchmarks.ratings.peers import PEERS
from benchmarks.ratings.worker import arguments, check_split, errors, load_ratings, run_peer
from rrnet_lightning.data.ratings.reader import Ratings
from rrnet_lightning.data.splits import fold_split

CLOSED_FORM = ["global", "user", "item", "bias"]


@pytest.mark.parametrize(("part", "val_share"), [("test", 0.0), ("val", 0.1)])
def test_other_ratings_than_the_peers_are_refused(part: str, val_share: float, data: Path) -> None:
    ratings, _ = load_ratings("filmtrust")
    job = Job("rrnet", "filmtrust", 2, 1, 0, 0, "", "social.yaml", part=part)

    def module(fold: int, val_share: float) -> SimpleNamespace:
        split = fold_split(len(ratings.rating), 2, fold, 0, val_share)
        return SimpleNamespace(ratings_path=None, split_dir=None, dataset="filmtrust", ratings=ratings, split=split)

    check_split(job, module(1, val_share))
    for other in (module(0, val_share), module(1, 0.3)):
        with pytest.raises(BenchmarkError, match=r"social\.yaml: found other ratings"):
            check_split(job, other)


def test_errors_of_the_little_known_are_told_apart() -> None:
    user, item = torch.tensor([[0, 0], [0, 1], [1, 0], [2, 0], [2, 2]]).unbind(1)
    rating = torch.tensor([1.0, 2, 3, 4, 0])
    names = ["a", "b", "c"]
    ratings = Ratings(user, item, rating, torch.zeros(2, 0).long(), names, names, (0, 4), [])
    found = errors(ratings, torch.tensor([0, 1]), torch.tensor([2, 3, 4]), torch.tensor([3.0, 3, 2]))
    assert found["mae"] == pytest.approx(1) and found["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert found["slices"] == {
        "users of no rating": [3, 3.0, 5.0],
        "users of 1 to 4 ratings": [0, 0.0, 0.0],
        "items of no rating": [1, 2.0, 4.0],
        "items of 1 to 4 ratings": [2, 1.0, 1.0],
    }


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_peer_is_tested_on_its_fold(name: str, data: Path) -> None:
    ratings, _ = load_ratings("filmtrust")
    split = fold_split(len(ratings.rating), 3, 2, 7)
    seen = torch.cat([split.train, split.val]).sort().values
    predict = PEERS[name].fit(ratings, seen, 0)
    error = predict(ratings.user[split.test], ratings.item[split.test]) - ratings.rating[split.test]
    result = run_peer(Job(name, "filmtrust", 3, 2, 7, 0, ""))
    assert result["mae"] == pytest.approx(error.abs().mean().item())
    assert result["rmse"] == pytest.approx(error.square().mean().sqrt().item())


def test_overrides_come_last(tmp_path: Path) -> None:
    job = Job("rrnet", "filmtrust", 5, 3, 1, 2, "", "a.yaml", ("--trainer.logger=true",))
    found = arguments(job, tmp_path)
    assert {"--config=a.yaml", "--data.fold=3", "--data.seed=1", "--seed_everything=2"} <= set(found)
    assert found.index("--trainer.logger=false") < found.index("--trainer.logger=true") == len(found) - 1
