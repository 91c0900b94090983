import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from rrnet_lightning.data.files.root import data_root
from rrnet_lightning.datamodules.batches import GraphBatches
from rrnet_lightning.datamodules.social import SocialDataModule
from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, validate
from tests.datamodules.seen import changed_where, differences
from tests.fake import USERS, rating_rows, write_filmtrust, write_lines, write_split

LEVELS = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]
SETTINGS: dict[str, dict[str, Any]] = {
    "full graph": {},
    "supports": {"supports": 2},
    "sampled": {"batch_size": 7, "fan_out": (3, 3)},
    "random attributes": {"attributes": "random", "random_dim": 5},
    "all pairs": {"candidates": "all"},
    "paper": {"candidates": "all", "attributes": "random", "random_dim": 5, "evidence": False},
}


def social(root: Path, **options: Any) -> SocialDataModule:
    data = SocialDataModule(root=str(root), **options)
    data.prepare_data()
    data.setup("fit")
    return data


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_filmtrust(tmp_path)
    return tmp_path


def changed_split(root: Path, *parts: str) -> str:
    """A copy of the split where every rating of these parts is another one."""
    folder = write_split(root / f"changed-{'-'.join(parts)}")
    for part in parts:
        rows = [line.split() for line in (folder / f"{part}.txt").read_text().splitlines()]
        write_lines(folder / f"{part}.txt", [(user, item, 4.5 - float(rating)) for user, item, rating in rows])
    return str(folder)


def batches(root: Path, split: str, stage: str, **options: Any) -> list[HeteroData]:
    return list(getattr(social(root, split_dir=split, **options), f"{stage}_dataloader")())


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("stage, secret", [("train", ("val", "test")), ("val", ("val", "test")), ("test", ("test",))])
def test_no_answer_reaches_the_network(root: Path, setting: str, stage: str, secret: tuple[str, ...]) -> None:
    """Change the answers that a stage may not know: inputs and outputs of the network stay bit-identical."""
    options = {"steps_per_epoch": 2, **SETTINGS[setting]}
    found = batches(root, str(write_split(root / "split")), stage, **options)
    assert differences(found, batches(root, changed_split(root, *secret), stage, **options)) == set()
    for batch in found:
        validate(batch)


def test_validation_answers_are_evidence_at_test_only(root: Path) -> None:
    split, changed = str(write_split(root / "split")), changed_split(root, "val")
    assert "output" in differences(batches(root, split, "test"), batches(root, changed, "test"))
    assert "output" in differences(batches(root, split, "val"), batches(root, changed_split(root, "train"), "val"))


@pytest.mark.parametrize("setting", ["full graph", "sampled", "all pairs"])
def test_a_rating_hidden_in_a_step_changes_nothing_seen(root: Path, setting: str) -> None:
    data = social(root, **SETTINGS[setting])
    for draw in range(10):
        task = GraphBatches(data, "train")
        inter, seeds = task.graph[INTER], task.seeds[draw : draw + 7]
        inter.row = torch.arange(len(inter.y))
        batch = task[draw, seeds]
        supervised = batch[INTER].supervised
        assert supervised.any() and batch[INTER].visible.any() and not (batch[INTER].visible & supervised).any()
        inter.y = changed_where(inter.y, torch.isin(inter.row, batch[INTER].row[supervised]))
        assert differences([batch], [task[draw, seeds]]) == set()


def test_stages_ask_for_their_part_and_no_pair_twice(root: Path) -> None:
    split = write_split(root / "split")
    for stage in ("val", "test", "predict"):
        data = social(root, split_dir=str(split), batch_size=4)
        rows = [
            f"{data.source_ids[batch[SOURCE].n_id[s]]} {data.target_ids[batch[TARGET].n_id[t]]} {y:g}"
            for batch in getattr(data, f"{stage}_dataloader")()
            for (s, t), y in zip(
                batch[INTER].edge_index[:, batch[INTER].supervised].T.tolist(),
                batch[INTER].y[batch[INTER].supervised].tolist(),
                strict=True,
            )
        ]
        lines = (split / f"{'val' if stage == 'val' else 'test'}.txt").read_text().splitlines()
        assert sorted(rows) == sorted(lines)


def test_trust_directions(root: Path) -> None:
    def links(trust: Any) -> set[tuple[str, str]]:
        data = social(root, trust=trust)
        edge_index = data.stage_graph("train")[SOURCE_INTRA].edge_index
        return {(data.source_ids[sender], data.source_ids[receiver]) for sender, receiver in edge_index.T.tolist()}

    rows = [line.split()[:2] for line in (root / "filmtrust" / "trust.txt").read_text().splitlines()]
    users = {str(number) for number in range(1, USERS + 1)}
    to_truster = {(trustee, truster) for truster, trustee in rows if trustee in users}
    assert links("truster") == to_truster
    assert links("both") == to_truster | {(receiver, sender) for sender, receiver in to_truster}
    assert links("none") == set()


def test_own_files_and_scale(tmp_path: Path) -> None:
    write_lines(tmp_path / "r.csv", [(f"u{u}", f"i{i}", r) for u, i, r in rating_rows(LEVELS)])
    write_lines(tmp_path / "t.csv", [("u1", "u2"), ("u2", "u3")])
    own = {"ratings_path": str(tmp_path / "r.csv"), "trust_path": str(tmp_path / "t.csv")}
    data = social(tmp_path, **own)
    assert data.ratings.scale == (0.5, 4) and data.ratings.trust.shape == (2, 2) and "u1" in data.source_ids
    assert social(tmp_path, **own, scale=(0.0, 10.0)).ratings.scale == (0, 10)
    with pytest.raises(DataError, match=r"r.csv, line \d+: found rating \S+, wanted 1 to 3.5. "):
        social(tmp_path, **own, scale=(1.0, 3.5))


def test_counts_are_logged(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        data = social(root)
    lines = (root / "filmtrust" / "ratings.txt").read_text().count("\n")
    assert f"{lines - 1} ratings of 30 users and 20 items" in caplog.text
    assert "dropped: 1 repeated pairs ('" in caplog.text and "1 trust links to unknown users ('1 130' in" in caplog.text
    assert f"test {len(data.split.test)}" in caplog.text


def bad_split(root: Path, part: str, line: str) -> dict[str, Any]:
    folder = write_split(root / "split")
    (folder / f"{part}.txt").write_text(f"{line}\n")
    return {"split_dir": str(folder)}


@pytest.mark.parametrize(
    "options, message",
    [
        (lambda root: {"fold": 5}, r"fold: found 5, wanted 0 to 4"),
        (
            lambda root: {"dataset": "movies"},
            r"dataset: found 'movies', wanted one of \['ciao', 'ciao_dense', 'filmtrust'\]",
        ),
        (lambda root: {"evidence": False}, r"attributes: found 'statistics' without evidence, wanted 'random'"),
        (lambda root: bad_split(root, "val", "999 1 3"), r"val.txt, line 1: found user '999', which has no rating"),
        (lambda root: bad_split(root, "test", "1 1 9"), r"test.txt, line 1: found rating 9, wanted 0.5 to 4"),
        (
            lambda root: {"root": str(root / "none")},
            r"no such folder. Wanted:\n.*filmtrust/\n    ratings.txt    <- miss",
        ),
        (lambda root: {"dataset": "ciao"}, r"'ciao'.*\n.*\n    rating_with_timestamp.mat(.|\n)*--data.url"),
        (lambda root: {"predict_path": str(root / "pairs.txt")}, r"pairs.txt, line 2: found item 'x'"),
    ],
)
def test_bad_input_is_named(root: Path, options: Callable[[Path], dict[str, Any]], message: str) -> None:
    write_lines(root / "pairs.txt", [(1, 1), (1, "x")])
    with pytest.raises(DataError, match=message):
        social(**{"root": root, **options(root)}).predict_dataloader()


@pytest.mark.parametrize("scale", [None, (1.0, 5.0)])
def test_constant_ratings_give_finite_numbers(tmp_path: Path, scale: tuple[float, float] | None) -> None:
    write_lines(tmp_path / "r.txt", [(u, i, 3) for u, i, _ in rating_rows(LEVELS)])
    data = social(tmp_path, ratings_path=str(tmp_path / "r.txt"), scale=scale, steps_per_epoch=2)
    for batch in [*data.train_dataloader(), *data.test_dataloader()]:
        validate(batch)
        assert batch[INTER].prior.isfinite().all()


def test_a_user_without_training_rating_is_still_predicted(root: Path) -> None:
    split = write_split(root / "split")
    for part in ("train", "val"):
        rows = (split / f"{part}.txt").read_text().splitlines(keepends=True)
        (split / f"{part}.txt").write_text("".join(row for row in rows if not row.startswith("1 ")))
    data = social(root, split_dir=str(split))
    (batch,) = data.test_dataloader()
    user = data.source_ids.index("1")
    asked = batch[INTER].supervised & (batch[INTER].edge_index[0] == user)
    validate(batch)
    assert asked.any() and not (batch[INTER].message & (batch[INTER].edge_index[0] == user)).any()


def test_wanted_pairs_are_asked_with_unknown_truth(root: Path) -> None:
    known = rating_rows(LEVELS)[0][:2]
    new = next((u, i) for u in (1, 2) for i in range(1, 21) if (u, i) not in {row[:2] for row in rating_rows(LEVELS)})
    write_lines(root / "pairs.txt", [known, new, new])
    for candidates in ("rated", "all"):
        data = social(root, predict_path=str(root / "pairs.txt"), candidates=candidates)
        (batch,) = data.predict_dataloader()
        inter = batch[INTER]
        pairs = [
            (int(data.source_ids[s]), int(data.target_ids[t]))
            for s, t in inter.edge_index[:, inter.supervised].T.tolist()
        ]
        assert sorted(pairs) == sorted([known, new])
        assert inter.y[inter.supervised].isnan().all() and not (inter.visible & inter.supervised).any()
        assert inter.visible.any() and inter.edge_attr.isfinite().all()


def test_paper_setting_on_real_filmtrust() -> None:
    root = data_root()
    if not (root / "filmtrust" / "ratings.txt").is_file():
        pytest.skip(f"real data absent: {root / 'filmtrust'}")
    data = social(root, candidates="all", attributes="random", evidence=False)
    graph = data.stage_graph("train")
    assert graph[INTER].edge_index.shape == (2, 3_123_068)  # 1,508 users x 2,071 items
    assert graph[SOURCE].x.shape == (1508, 128) and graph[TARGET].x.shape == (2071, 128)
    assert graph[SOURCE].x.min() >= 0 and graph[SOURCE].x.max() < 1
    assert int(graph[INTER].asked.sum()) == len(data.split.train) and not graph[INTER].observed.any()
