"""Ratings of items by users, with trust between users: FilmTrust, Ciao, and anyone's own text files."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.files.columns import Floats, Ints, Strings, Table, read_matrix, read_table
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import DataError

Scale = tuple[float, float]
Outside = Literal["error", "drop"]


class Dropped(NamedTuple):
    """Rows of a file that were left out: how many, what they are, and one of them with its place."""

    rows: int
    what: str
    example: str = ""


def in_words(dropped: Iterable[Dropped]) -> str:
    """Say what was left out, such as "3 repeated pairs ('7 12' in ratings.txt, line 40)"; "nothing" without rows."""
    some = [f"{one.rows:,} {one.what}" + f" ({one.example})" * bool(one.example) for one in dropped if one.rows]
    return ", ".join(some) or "nothing"


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings and trust links, with users and items numbered from 0.

    Attributes:
        user: [E] long, row in `user_ids`.
        item: [E] long, row in `item_ids`.
        rating: [E] float32, inside `scale`. Pairs (user, item) are distinct: of repeated ones the first row is kept.
        trust: [2, L] long, truster -> trustee, distinct, without self trust, both ends have ratings.
        user_ids: ids as the files have them, sorted: as numbers if all are whole numbers, else as text.
        item_ids: likewise.
        scale: lowest and highest rating possible.
        dropped: what was left out of the files.
    """

    user: Tensor
    item: Tensor
    rating: Tensor
    trust: Tensor
    user_ids: list[str]
    item_ids: list[str]
    scale: Scale
    dropped: list[Dropped]

    @property
    def num_users(self) -> int:
        """Number of users with at least one rating."""
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        """Number of items with at least one rating."""
        return len(self.item_ids)

    def sorted(self) -> "Ratings":
        """Return the same ratings by user, then by item: an order that the file's lines have no say in."""
        order = (self.user * self.num_items + self.item).argsort()
        return replace(self, user=self.user[order], item=self.item[order], rating=self.rating[order])


def read_ratings(
    ratings_path: str | Path,
    trust_path: str | Path | None = None,
    scale: Scale | None = None,
    outside: Outside = "error",
) -> Ratings:
    """Read `user item rating` and, if given, `truster trustee [weight]` text files.

    Columns are separated by white space, tabs or commas; ids are any strings; UTF-8; no header line.

    Args:
        ratings_path: `user item rating` a line.
        trust_path: `truster trustee [weight]` a line. Links of weight 0 or less, of users without ratings, of a user
            to itself and repeated links are dropped and counted; at least one link must be left.
        scale: lowest and highest rating possible; None takes those found.
        outside: ratings outside the scale are an "error", or "drop" them and count them.

    Raises:
        DataError: names file and line, what was found and what was wanted.
    """
    ratings = read_table(ratings_path, "user item rating", (3,))
    trust = read_table(trust_path, "truster trustee [weight]", (2, 3)) if trust_path is not None else None
    return _assemble(ratings, 2, trust, scale, outside)


def read_filmtrust(folder: str | Path, outside: Outside = "error") -> Ratings:
    """Read FilmTrust (`ratings.txt`, `trust.txt`): ratings of films, 0.5 to 4 in steps of 0.5."""
    return read_ratings(user_path(folder) / "ratings.txt", user_path(folder) / "trust.txt", (0.5, 4.0), outside)


def read_ciao(folder: str | Path, scale: Scale = (1.0, 5.0), outside: Outside = "drop") -> Ratings:
    """Read Ciao (`rating_with_timestamp.mat`, `trustnetwork.mat`): ratings of products, 1 to 5.

    Columns of the first: user, item, category, rating, helpfulness, time. Ratings of 0 lie outside the scale. They are
    dropped first, then repeated pairs: a pair rated 0 and later 3 keeps the 3.
    """
    ratings = read_matrix(user_path(folder) / "rating_with_timestamp.mat", 6)
    return _assemble(ratings, 3, read_matrix(user_path(folder) / "trustnetwork.mat", 2), scale, outside)


def rating_column(table: Table, column: int, scale: Scale | None) -> tuple[Floats, Scale, NDArray[np.bool_]]:
    """Ratings of a table, [N] float64, their scale (that found, if None is given), and [N] bool: inside the scale."""
    rating = table.floats(column, "rating")
    low, high = scale if scale is not None else (float(rating.min()), float(rating.max()))
    if not -np.inf < low <= high < np.inf:
        raise DataError(f"scale: found ({low}, {high}), wanted two finite numbers, the lower one first.")
    return rating, (low, high), (rating >= low) & (rating <= high)


def refuse_outside(table: Table, rating: Floats, scale: Scale, inside: NDArray[np.bool_], advice: str) -> None:
    """DataError for the first rating that is not inside the scale."""
    if not inside.all():
        row = int(np.argmin(inside))
        raise DataError(
            f"{table.where(row)}: found rating {rating[row]:g}, wanted {scale[0]:g} to {scale[1]:g}. {advice}"
        )


def _assemble(table: Table, column: int, trust: Table | None, scale: Scale | None, outside: Outside) -> Ratings:
    rating, scale, inside = rating_column(table, column, scale)
    if outside == "error":
        refuse_outside(
            table,
            rating,
            scale,
            inside,
            "Correct it, set the true scale (`scale`), or drop such ratings (`outside: drop`).",
        )
    if not inside.any():
        raise DataError(f"{table.source}: found no rating inside the scale {scale[0]:g} to {scale[1]:g}. Set another.")
    user_ids, user = _number_ids(table.columns[0][inside])
    item_ids, item = _number_ids(table.columns[1][inside])
    first = first_rows(user * len(item_ids) + item)
    repeated = inside.copy()
    repeated[np.flatnonzero(inside)[first]] = False
    dropped = [_count(table, "ratings outside the scale", ~inside), _count(table, "repeated pairs", repeated)]
    links = np.zeros((2, 0), dtype=np.int64)
    if trust is not None:
        links, unused = _links(trust, user_ids)
        dropped += unused
        if not links.shape[1] and len(user_ids) > 1:  # one user has no one to trust
            raise DataError(
                f"{trust.source}: found no link that joins two users of {table.source}: {in_words(unused)}. Wanted ids "
                f"of users with ratings, such as {user_ids[0]!r}. Give both files the same ids, or leave out the links."
            )
    return Ratings(
        user=torch.from_numpy(user[first]),
        item=torch.from_numpy(item[first]),
        rating=torch.from_numpy(rating[inside][first].astype(np.float32)),
        trust=torch.from_numpy(links),
        user_ids=user_ids,
        item_ids=item_ids,
        scale=scale,
        dropped=dropped,
    )


def first_rows(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows that hold a key for the first time, ascending. key: [N]."""
    return np.sort(np.unique(key, return_index=True)[1])


def _number_ids(ids: Strings) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct ids in order, and the number of every id, [N]."""
    distinct: list[str] = sorted(set(ids))
    if all(len(text) < 19 and text.isascii() and text.removeprefix("-").isdigit() for text in distinct):
        distinct.sort(key=int)
    number = {text: row for row, text in enumerate(distinct)}
    return distinct, np.array([number[text] for text in ids], dtype=np.int64)


def _links(trust: Table, user_ids: list[str]) -> tuple[Ints, list[Dropped]]:
    """Trust links between numbered users, [2, L], and what was left out."""
    number = {text: row for row, text in enumerate(user_ids)}
    ids = trust.columns[:2]
    ends = np.array([[number.get(text, -1) for text in column] for column in ids], dtype=np.int64)
    weight = trust.floats(2, "weight") if len(trust.columns) == 3 else np.ones(ends.shape[1])
    weak = weight <= 0
    own = (ids[0] == ids[1]) & ~weak
    unknown = (ends < 0).any(axis=0) & ~weak & ~own
    good = ~(weak | own | unknown)
    first = np.flatnonzero(good)[first_rows(ends[0, good] * len(user_ids) + ends[1, good])]
    good[first] = False  # what is left are repetitions
    return ends[:, first], [
        _count(trust, "trust links of weight 0 or less", weak),
        _count(trust, "self trust", own),
        _count(trust, "trust links to unknown users", unknown),
        _count(trust, "repeated trust links", good),
    ]


def _count(table: Table, what: str, rows: NDArray[np.bool_]) -> Dropped:
    """Say how many rows were left out and where the first of them stands. rows: [N] of the table."""
    if not rows.any():
        return Dropped(0, what)
    row = int(np.argmax(rows))
    return Dropped(int(rows.sum()), what, f"'{table.columns[0][row]} {table.columns[1][row]}' in {table.where(row)}")
