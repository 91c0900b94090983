from pathlib import Path
from typing import Any

import pytest
import torch

from rrnet_lightning.data.ratings.reader import Dropped, Ratings, read_filmtrust
from rrnet_lightning.data.splits import fold_split, read_split_dir
from rrnet_lightning.errors import DataError
from tests.fake import write_filmtrust, write_lines, write_split


def test_folds_partition_the_rows() -> None:
    splits = [fold_split(103, 5, fold, seed=7, val_share=0.1) for fold in range(5)]
    assert torch.equal(torch.cat([split.test for split in splits]).sort().values, torch.arange(103))
    for split in splits:
        parts = torch.cat([split.train, split.val, split.test])
        assert torch.equal(parts.sort().values, torch.arange(103))
        assert len(split.test) in (20, 21) and len(split.val) == 8
    assert len(set(torch.cat([split.val for split in splits]).tolist())) == 40  # every fold validates on other rows


def test_folds_are_shuffled_and_repeatable() -> None:
    first, again, other = (fold_split(1000, 5, 1, seed) for seed in (0, 0, 1))
    assert torch.equal(first.test, again.test) and torch.equal(first.val, again.val)
    assert not torch.equal(first.test, other.test) and not torch.equal(first.test, torch.arange(200, 400))
    assert len(fold_split(10, 2, 0, seed=0, val_share=0).val) == 0
    assert len(fold_split(10, 2, 0, seed=0, val_share=0.01).val) == 1


@pytest.mark.parametrize(
    "change, message",
    [
        ({"folds": 1}, r"folds: found 1 for 10 rows, wanted 2 to 10"),
        ({"folds": 11}, r"folds: found 11 for 10 rows"),
        ({"n": 1, "of": "ratings of a.txt"}, r"folds: found 1 ratings of a.txt, too few to split, wanted at least 2"),
        ({"fold": 5}, r"fold: found 5, wanted 0 to 4"),
        ({"fold": -1}, r"fold: found -1"),
        ({"seed": -1}, r"seed: found -1"),
        ({"val_share": 1.0}, r"val_share: found 1.0, wanted at least 0 and less than 1"),
        ({"val_share": float("nan")}, r"val_share: found nan"),
        ({"val_share": 0.99}, r"val_share: found 0.99, which leaves none of 8 training rows"),
    ],
)
def test_fold_arguments_out_of_range(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fold_split(**{"n": 10, "folds": 5, "fold": 0, "seed": 0, **change})


@pytest.fixture
def ratings(tmp_path: Path) -> Ratings:
    return read_filmtrust(write_filmtrust(tmp_path))


def test_split_dir_holds_the_rows_of_its_files(tmp_path: Path, ratings: Ratings) -> None:
    folder = write_split(tmp_path / "split")
    rows, split = read_split_dir(folder, ratings)
    assert rows.user_ids == ratings.user_ids and rows.trust is ratings.trust
    for part in ("train", "val", "test"):
        index = getattr(split, part)
        triples = zip(rows.user[index], rows.item[index], rows.rating[index].tolist(), strict=True)
        lines = "".join(f"{rows.user_ids[u]} {rows.item_ids[i]} {r:g}\n" for u, i, r in triples)
        assert lines == (folder / f"{part}.txt").read_text()
    assert len(split.train) + len(split.val) + len(split.test) == len(rows.rating) == len(ratings.rating)


def test_pair_repeated_in_one_split_file_is_kept_once(tmp_path: Path, ratings: Ratings) -> None:
    folder = write_split(tmp_path / "split")
    lines = (folder / "train.txt").read_text()
    (folder / "train.txt").write_text(lines + lines.split("\n")[0] + "\n")
    rows, split = read_split_dir(folder, ratings)
    assert Dropped(1, "repeated pairs") in rows.dropped and len(split.train) == lines.count("\n")
    assert len(split.train) + len(split.val) + len(split.test) == len(rows.rating)


@pytest.mark.parametrize(
    "line, message",
    [
        ("999 1 3", r"val.txt, line 1: found user '999', which has no rating.*Wanted one of its 30 users"),
        ("1 film 3", r"val.txt, line 1: found item 'film'.*Wanted one of its 20 items"),
        ("1 1 5", r"val.txt, line 1: found rating 5, wanted 0.5 to 4"),
    ],
)
def test_split_line_outside_the_data(tmp_path: Path, ratings: Ratings, line: str, message: str) -> None:
    folder = write_split(tmp_path / "split")
    (folder / "val.txt").write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        read_split_dir(folder, ratings)


def test_pair_in_two_split_files(tmp_path: Path, ratings: Ratings) -> None:
    folder = write_split(tmp_path / "split")
    taken = (folder / "train.txt").read_text().split("\n")[1]
    with (folder / "test.txt").open("a") as file:
        file.write(taken + "\n")
    line = (folder / "test.txt").read_text().count("\n")
    with pytest.raises(
        DataError, match=rf"test.txt, line {line}: found a pair that also stands in \S*train.txt, line 2"
    ):
        read_split_dir(folder, ratings)


def test_split_of_another_data_set(tmp_path: Path, ratings: Ratings) -> None:
    """Ids may look alike where no pair is the same; pairs that no file names are counted."""
    rated = set(zip(ratings.user.tolist(), ratings.item.tolist(), strict=True))
    others = [(u + 1, i + 1, 3) for u in range(30) for i in range(20) if (u, i) not in rated]
    folder = write_split(tmp_path / "split")
    rows, _ = read_split_dir(folder, ratings)
    assert Dropped(0, "ratings in no file of the split") in rows.dropped
    for number, part in enumerate(("train", "val", "test")):
        write_lines(folder / f"{part}.txt", others[number::3])
    with pytest.raises(DataError, match=r"train.txt: found user '1' with item .* Wanted pairs such as '1' with"):
        read_split_dir(folder, ratings)
    first = (folder / "test.txt").read_text().split("\n")[0].split()
    user, item = min(rated)
    write_lines(folder / "test.txt", [first, (user + 1, item + 1, 3)])
    rows, _ = read_split_dir(folder, ratings)
    assert Dropped(len(rated) - 1, "ratings in no file of the split") in rows.dropped


def test_split_file_missing(tmp_path: Path, ratings: Ratings) -> None:
    folder = write_split(tmp_path / "split")
    (folder / "val.txt").unlink()
    with pytest.raises(DataError, match=r"val.txt: cannot be read"):
        read_split_dir(folder, ratings)
