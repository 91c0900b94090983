"""Which rows train, validate and test: shuffled folds, or lists in files."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.files.columns import Ints, Table, read_table
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.data.ratings.reader import Dropped, Ratings, first_rows, rating_column, refuse_outside
from rrnet_lightning.errors import DataError

PARTS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of each part, long, ascending, without a common row.

    Attributes:
        train: [N_train] rows to learn from.
        val: [N_val] rows to choose by.
        test: [N_test] rows to report on.
    """

    train: Tensor
    val: Tensor
    test: Tensor


def fold_split(n: int, folds: int, fold: int, seed: int, val_share: float = 0.1, of: str = "rows") -> Split:
    """Split n rows for one of several shuffled folds.

    Over all folds of one seed, every row is tested once. A random `val_share` of a fold's other rows validates; each
    fold draws them anew.

    Args:
        n: number of rows.
        folds: number of folds, 2 to n.
        fold: the one to test on, 0 to folds - 1.
        seed: of the shuffle, 0 or more.
        val_share: part of the training rows held out for validation, 0 <= val_share < 1.
        of: what the rows are, for messages.

    Raises:
        DataError: an argument out of range, or no training row left.
    """
    if n < 2:
        raise DataError(f"folds: found {n} {of}, too few to split, wanted at least 2. Check the data.")
    if not 2 <= folds <= n:
        raise DataError(f"folds: found {folds} for {n} {of}, wanted 2 to {n}. Set fewer folds, or check the data.")
    if not 0 <= fold < folds:
        raise DataError(f"fold: found {fold}, wanted 0 to {folds - 1}, as there are {folds} folds counted from 0.")
    if not 0 <= seed < 2**63:
        raise DataError(f"seed: found {seed}, wanted a whole number from 0 to 2**63 - 1.")
    if not 0 <= val_share < 1:
        raise DataError(f"val_share: found {val_share}, wanted at least 0 and less than 1, such as 0.1.")
    chunks = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tensor_split(folds)
    rest = torch.cat(chunks[fold + 1 :] + chunks[:fold])  # shuffled, so its head is a random part of it
    num_val = max(1, round(val_share * len(rest))) if val_share else 0
    if num_val == len(rest):
        raise DataError(
            f"val_share: found {val_share}, which leaves none of {len(rest)} training rows to train on. Set it lower."
        )
    return Split(rest[num_val:].sort().values, rest[:num_val].sort().values, chunks[fold].sort().values)


def read_split_dir(split_dir: str | Path, ratings: Ratings) -> tuple[Ratings, Split]:
    """Read a published split: `train.txt`, `val.txt` and `test.txt`, each of `user item rating` a line.

    Args:
        split_dir: folder with the three files.
        ratings: the data set that the users and items belong to.

    Returns:
        The data set with the rows of the three files in place of its own, and the split of these rows. Users, items,
        scale and trust stay. Of a pair that is repeated inside one file the first row is kept.

    Raises:
        DataError: names file and line of a user, item or rating outside the data, or of a pair that is in two files; or
            no pair has a rating in the data.
    """
    tables = [read_table(user_path(split_dir) / f"{part}.txt", "user item rating", (3,)) for part in PARTS]
    users = _number_column(tables, 0, ratings.user_ids, "user")
    items = _number_column(tables, 1, ratings.item_ids, "item")
    values = []
    for table in tables:
        rating, scale, inside = rating_column(table, 2, ratings.scale)
        refuse_outside(table, rating, scale, inside, "Correct it, or set the true scale of the ratings.")
        values.append(rating)
    part = np.repeat(np.arange(len(tables)), [len(rating) for rating in values])
    key = users * ratings.num_items + items
    first = first_rows(key)
    _refuse_overlap(tables, key, part)
    known = (ratings.user * ratings.num_items + ratings.item).numpy()
    _refuse_unknown(tables[0], ratings, np.isin(key, known))
    rows = replace(
        ratings,
        user=torch.from_numpy(users[first]),
        item=torch.from_numpy(items[first]),
        rating=torch.from_numpy(np.concatenate(values)[first].astype(np.float32)),
        dropped=[
            *(one for one in ratings.dropped if one.what != "repeated pairs"),
            Dropped(len(key) - len(first), "repeated pairs"),
            Dropped(int((~np.isin(known, key)).sum()), "ratings in no file of the split"),
        ],
    )
    train, val, test = (torch.from_numpy(np.flatnonzero(part[first] == number)) for number in range(len(PARTS)))
    return rows, Split(train, val, test)


def read_pairs(path: str | Path, ratings: Ratings) -> Tensor:
    """Read `user item` pairs to predict, in the ids of the data set: [2, P] long, each distinct pair once, in order.

    Raises:
        DataError: names file and line of a user or item outside the data.
    """
    tables = [read_table(path, "user item", (2,))]
    users, items = (
        _number_column(tables, 0, ratings.user_ids, "user"),
        _number_column(tables, 1, ratings.item_ids, "item"),
    )
    first = first_rows(users * ratings.num_items + items)
    return torch.from_numpy(np.stack([users[first], items[first]]))


def _number_column(tables: list[Table], column: int, ids: list[str], what: str) -> Ints:
    """Numbers of the users or items of all tables, one after the other."""
    number = {text: row for row, text in enumerate(ids)}
    numbers = []
    for table in tables:
        found = table.columns[column]
        rows = np.array([number.get(text, -1) for text in found], dtype=np.int64)
        if (rows < 0).any():
            row = int(np.argmax(rows < 0))
            raise DataError(
                f"{table.where(row)}: found {what} {found[row]!r}, which has no rating in the data set. "
                f"Wanted one of its {len(ids)} {what}s, such as {ids[0]!r}. Is this file of another data set?"
            )
        numbers.append(rows)
    return np.concatenate(numbers)


def _refuse_unknown(table: Table, ratings: Ratings, rated: NDArray[np.bool_]) -> None:
    """DataError where no pair of the split has a rating. rated: [N] of the rows of all tables; table: the first."""
    if not rated.any():
        user, item = ratings.user_ids[int(ratings.user[0])], ratings.item_ids[int(ratings.item[0])]
        raise DataError(
            f"{table.source}: found user {table.columns[0][0]!r} with item {table.columns[1][0]!r}, and no "
            f"pair in these files that has a rating in the data set. Wanted pairs such as {user!r} with {item!r}. Is "
            "this split of another data set?"
        )


def _refuse_overlap(tables: list[Table], key: Ints, part: Ints) -> None:
    """DataError for the first pair that stands in two parts. key, part: [N] of the rows of all tables."""
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    earlier = first[inverse]
    clash = np.flatnonzero(part[earlier] != part)
    if len(clash):
        starts = np.searchsorted(part, np.arange(len(tables)))
        here, there = (tables[part[row]].where(row - starts[part[row]]) for row in (clash[0], earlier[clash[0]]))
        raise DataError(f"{here}: found a pair that also stands in {there}; wanted each pair in one file. Remove one.")
