"""The leak tests of the social task once more, with a scorer: a model that was fitted on ratings speaks for pairs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.ratings.factorisation import BiasedMF
from rrnet_lightning.candidates.ratings.scorer import Scorer
from rrnet_lightning.candidates.ratings.tables import TrainingRatings
from rrnet_lightning.datamodules.batches import GraphBatches
from rrnet_lightning.datamodules.social import SocialDataModule
from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.schema import INTER, SOURCE, TARGET, validate
from tests.datamodules.seen import differences
from tests.datamodules.test_social import batches, changed_split, social
from tests.fake import write_filmtrust, write_lines, write_split

SETTINGS: dict[str, dict[str, Any]] = {
    "full graph": {},
    "sampled": {"batch_size": 7, "fan_out": (3, 3)},
    "all pairs": {"candidates": "all"},
}
Pair = tuple[str, str]


def scorer(batch_size: int = 50) -> Scorer:
    model = BiasedMF(rank=2, batch_size=batch_size, optimizer=lambda params: torch.optim.Adam(params, lr=0.02))
    return Scorer(model, epochs=2, folds=3, repeats=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_filmtrust(tmp_path)
    write_split(tmp_path / "split")
    return tmp_path


def pairs(data: SocialDataModule, batch: HeteroData, edges: Tensor) -> set[Pair]:
    """The user and item of some edges, by their ids."""
    source, target = batch[INTER].edge_index[:, edges]
    users, items = batch[SOURCE].n_id[source].tolist(), batch[TARGET].n_id[target].tolist()
    return {(data.source_ids[user], data.target_ids[item]) for user, item in zip(users, items, strict=True)}


def with_other_ratings(file: Path, of: set[Pair], folder: Path) -> Path:
    """A copy of a ratings file in another folder, where these pairs have other ratings."""
    rows = [line.split() for line in file.read_text().splitlines()]
    assert of <= {(user, item) for user, item, _ in rows}
    folder.mkdir(exist_ok=True)
    write_lines(folder / file.name, [(u, i, 4.5 - float(r) if (u, i) in of else r) for u, i, r in rows])
    return folder


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("stage, secret", [("train", ("val", "test")), ("val", ("val", "test")), ("test", ("test",))])
def test_no_answer_reaches_the_network(root: Path, setting: str, stage: str, secret: tuple[str, ...]) -> None:
    options = {"steps_per_epoch": 3, "scorer": scorer(), **SETTINGS[setting]}
    found = batches(root, str(root / "split"), stage, **options)
    assert differences(found, batches(root, changed_split(root, *secret), stage, **options)) == set()
    for batch in found:
        validate(batch)


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_rating_of_the_set_a_step_hides_is_seen(root: Path, setting: str) -> None:
    """Change the supervised ratings of a step in the file and fit the scorer anew: the step sees the same bits."""
    options = {"scorer": scorer(), **SETTINGS[setting]}
    for draw in range(2):
        data = social(root, split_dir=str(root / "split"), **options)
        task = GraphBatches(data, "train")
        batch = task[draw, task.seeds[draw : draw + 7]]
        supervised = pairs(data, batch, batch[INTER].supervised)
        folder = write_split(root / f"other-{draw}")
        with_other_ratings(root / "split" / "train.txt", supervised, folder)
        other = GraphBatches(social(root, split_dir=str(folder), **options), "train")
        assert supervised and not torch.equal(task.graph[INTER].y, other.graph[INTER].y)
        assert differences([batch], [other[draw, other.seeds[draw : draw + 7]]]) == set()


def test_a_rating_shown_changes_the_scores(root: Path) -> None:
    """The counterpart, without which the tests above could pass on scores that nothing reaches."""
    split = root / "split"
    data = social(root, split_dir=str(split), scorer=scorer())
    task = GraphBatches(data, "train")
    batch = task[0, task.seeds]
    shown = pairs(data, batch, batch[INTER].visible)
    folder = write_split(root / "other")
    with_other_ratings(split / "train.txt", {min(shown)}, folder)
    other = GraphBatches(social(root, split_dir=str(folder), scorer=scorer()), "train")
    columns = zip(task.graph[INTER].initial.T, other.graph[INTER].initial.T, task.graph[INTER].hidden.T, strict=True)
    hides = [min(shown) in pairs(data, task.graph, hidden) for _, _, hidden in columns]
    assert sum(hides) == 2  # once in each repeat
    same = (task.graph[INTER].initial == other.graph[INTER].initial).all(0)
    assert same.tolist() == hides
    assert "output" in differences([batch], [other[0, other.seeds]])


@pytest.mark.parametrize("setting", ["full graph", "all pairs"])
def test_a_step_asks_for_exactly_one_set(root: Path, setting: str) -> None:
    data = social(root, scorer=scorer(), **SETTINGS[setting])
    task = GraphBatches(data, "train")
    hidden, observed = task.graph[INTER].hidden, task.graph[INTER].observed
    assert (hidden.sum(1)[observed] == 2).all() and not hidden[~observed].any()
    drawn = set()
    for draw in range(40):
        inter = task[draw, task.seeds][INTER]
        (view,) = (hidden == inter.supervised.unsqueeze(1)).all(0).nonzero().squeeze(1).tolist()
        assert torch.equal(inter.visible, observed & ~inter.supervised)
        assert "hidden" not in inter and "initial" not in inter
        drawn.add(view)
    assert drawn == set(range(6))


def test_a_sampled_step_hides_the_set_of_all_users_and_asks_its_own(root: Path) -> None:
    data = social(root, scorer=scorer(), batch_size=7, fan_out=(-1, -1))
    task = GraphBatches(data, "train")
    whole = GraphBatches(social(root, scorer=scorer()), "train")
    for draw in range(5):
        seeds = task.seeds[draw : draw + 7]
        batch, full = task[draw, seeds], whole[draw, seeds]
        asked, known = pairs(data, batch, batch[INTER].supervised), pairs(data, batch, batch[INTER].visible)
        users = {data.source_ids[row] for row in seeds.tolist()}
        assert asked == pairs(data, full, full[INTER].supervised) and {user for user, _ in asked} <= users
        assert known <= pairs(data, full, full[INTER].visible)


@pytest.mark.parametrize("stage, secret", [("val", "test"), ("test", "test"), ("test", "val")])
def test_the_scores_of_a_stage_follow_from_the_ratings_it_may_show(root: Path, stage: Any, secret: str) -> None:
    found = [
        social(root, split_dir=split, scorer=scorer()).stage_graph(stage)[INTER].initial
        for split in (str(root / "split"), changed_split(root, secret))
    ]
    assert torch.equal(*found) == ((stage, secret) != ("test", "val"))


def test_validation_scores_are_those_of_a_model_fitted_on_the_training_ratings(root: Path) -> None:
    data = social(root, scorer=scorer(batch_size=1000))  # one mini-batch: the order of the ratings does not count
    inter = data.stage_graph("val")[INTER]
    user, item = inter.edge_index
    wanted = scorer(batch_size=1000).score(TrainingRatings.of(data), user, item, data.seed)
    torch.testing.assert_close(inter.initial, wanted)


def test_the_scores_are_one_more_attribute(root: Path) -> None:
    plain, scored = social(root), social(root, scorer=scorer())
    (batch,) = scored.val_dataloader()
    (without,) = plain.val_dataloader()
    inter = batch[INTER]
    assert scored.edge_dim == plain.edge_dim + 1 == inter.edge_attr.size(1)
    assert torch.equal(inter.edge_attr[:, :-1], without[INTER].edge_attr)
    estimate = 0.5 + 3.5 * inter.prior.sigmoid()  # b_ui: none lies at the ends
    score = scored.stage_graph("val")[INTER].initial
    spread = (score - estimate) / inter.edge_attr[:, -1]  # sigma, the same at every edge
    torch.testing.assert_close(spread, spread.median().expand_as(spread), rtol=1e-2, atol=0)


def test_a_scorer_needs_evidence(root: Path) -> None:
    with pytest.raises(DataError, match="scorer: found one without evidence, wanted null"):
        SocialDataModule(root=str(root), attributes="random", evidence=False, scorer=scorer())


@pytest.mark.parametrize("candidates", ["rated", "all"])
def test_a_wanted_pair_is_rated_as_if_its_rating_were_not_known(root: Path, candidates: str) -> None:
    data = social(root)
    users, items = (ends[data.split.train[-2:]].tolist() for ends in (data.ratings.user, data.ratings.item))
    train = [(data.source_ids[user], data.target_ids[item]) for user, item in zip(users, items, strict=True)]
    write_lines(root / "pairs.txt", [*train, ("1", "20"), ("2", "1")])
    with_other_ratings(root / "filmtrust" / "ratings.txt", set(train), root / "own")
    found = [
        list(
            social(
                root,
                ratings_path=str(path),
                trust_path=str(root / "filmtrust" / "trust.txt"),
                scale=(0.5, 4.0),
                predict_path=str(root / "pairs.txt"),
                candidates=candidates,
                scorer=scorer(),
            ).predict_dataloader()
        )
        for path in (root / "filmtrust" / "ratings.txt", root / "own" / "ratings.txt")
    ]
    assert differences(*found) == set()
    assert set(train) <= pairs(data, found[0][0], found[0][0][INTER].supervised)
