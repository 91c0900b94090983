from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from rrnet_lightning.data.files.root import dataset_folder
from rrnet_lightning.data.ratings.reader import Ratings, in_words, read_ciao, read_filmtrust, read_ratings
from rrnet_lightning.data.ratings.sets import RATING_SETS
from rrnet_lightning.errors import DataError
from tests.fake import rating_rows, trust_rows, write_ciao, write_filmtrust


def dropped(ratings: Ratings) -> dict[str, int]:
    return {one.what: one.rows for one in ratings.dropped}


def real(name: str) -> Path:
    try:
        return dataset_folder(RATING_SETS[name].folder, RATING_SETS[name].files)
    except DataError as error:
        pytest.skip(f"real data absent: {error}")


def check_invariants(ratings: Ratings) -> None:
    """What every Ratings promises."""
    pairs = set(zip(ratings.user.tolist(), ratings.item.tolist(), strict=True))
    assert len(pairs) == len(ratings.user) == len(ratings.item) == len(ratings.rating)
    assert len(set(map(tuple, ratings.trust.T.tolist()))) == ratings.trust.shape[1]
    assert (ratings.trust[0] != ratings.trust[1]).all()
    assert set(ratings.user.tolist()) == set(range(ratings.num_users))
    assert set(ratings.item.tolist()) == set(range(ratings.num_items))
    assert ratings.scale[0] <= ratings.rating.min() and ratings.rating.max() <= ratings.scale[1]
    assert (ratings.user.dtype, ratings.trust.dtype, ratings.rating.dtype) == (torch.long, torch.long, torch.float32)


def test_real_filmtrust() -> None:
    ratings = read_filmtrust(real("filmtrust"))
    check_invariants(ratings)
    assert (len(ratings.rating), ratings.num_users, ratings.num_items) == (35494, 1508, 2071)
    assert dropped(ratings)["repeated pairs"] == 3
    assert ratings.trust.shape == (2, 1632) and dropped(ratings)["trust links to unknown users"] == 1853 - 1632
    assert set(ratings.rating.tolist()) == {0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0}


def test_real_ciao() -> None:
    folder = real("ciao")
    ratings = read_ciao(folder)
    check_invariants(ratings)
    assert (len(ratings.rating), ratings.num_users, ratings.num_items) == (282619, 7375, 105096)
    assert dropped(ratings)["ratings outside the scale"] == 34
    assert dropped(ratings)["repeated pairs"] == 284086 - 34 - 282619
    assert ratings.trust.shape == (2, 111781)
    whole = read_ciao(folder, scale=(0, 5), outside="error")
    assert (len(whole.rating), whole.num_items, dropped(whole)["ratings outside the scale"]) == (282650, 105114, 0)


@pytest.mark.parametrize(
    "name, write, levels",
    [("filmtrust", write_filmtrust, [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]), ("ciao", write_ciao, [1, 2, 3, 4, 5])],
)
def test_fake_sets_read_back(tmp_path: Path, name: str, write: Callable[[Path], Path], levels: list[float]) -> None:
    write(tmp_path)
    ratings = RATING_SETS[name].read(dataset_folder(RATING_SETS[name].folder, RATING_SETS[name].files, tmp_path))
    check_invariants(ratings)
    triples = zip(ratings.user, ratings.item, ratings.rating.tolist(), strict=True)
    rows = [(int(ratings.user_ids[u]), int(ratings.item_ids[i]), r) for u, i, r in triples]
    assert rows == rating_rows(levels)
    assert [(int(ratings.user_ids[a]), int(ratings.user_ids[b])) for a, b in ratings.trust.T] == trust_rows()
    assert dropped(ratings)["repeated pairs"] == 1
    assert dropped(ratings)["ratings outside the scale"] == (name == "ciao")
    assert dropped(ratings)["trust links to unknown users"] == (name == "filmtrust")


def test_own_files_any_ids_and_separators(tmp_path: Path) -> None:
    path, trust = tmp_path / "r.csv", tmp_path / "t.txt"
    path.write_bytes("\ufeffzoë, b, 3\r\n\r\nann\tb  4\nzoë,a,5\nzoë,b,1\n".encode())
    trust.write_text("zoë ann 0.5\nann ann 1\nann bob 1\nann zoë -1\nzoë ann 1\n")
    ratings = read_ratings(path, trust)
    assert (ratings.user_ids, ratings.item_ids, ratings.scale) == (["ann", "zoë"], ["a", "b"], (1.0, 5.0))
    assert (ratings.user.tolist(), ratings.item.tolist()) == ([1, 0, 1], [1, 1, 0])
    assert ratings.rating.tolist() == [3.0, 4.0, 5.0]  # of the repeated pair, the first row
    assert ratings.trust.tolist() == [[1], [0]]
    assert dropped(ratings) == {
        "ratings outside the scale": 0,
        "repeated pairs": 1,
        "trust links of weight 0 or less": 1,
        "self trust": 1,
        "trust links to unknown users": 1,
        "repeated trust links": 1,
    }
    assert in_words(ratings.dropped) == (
        f"1 repeated pairs ('zoë b' in {path}, line 5), "
        f"1 trust links of weight 0 or less ('ann zoë' in {trust}, line 4), "
        f"1 self trust ('ann ann' in {trust}, line 2), 1 trust links to unknown users ('ann bob' in {trust}, line 3), "
        f"1 repeated trust links ('zoë ann' in {trust}, line 5)"
    )


@pytest.mark.parametrize(
    ("links", "found"),
    [
        ("7a 8a\n9a 7a\n", "2 trust links to unknown users ('7a 8a' in"),
        ("1 1 1\n1 2 0\n", "1 trust links of weight 0 or less ('1 2' in"),
    ],
)
def test_links_of_which_none_can_be_used(tmp_path: Path, links: str, found: str) -> None:
    path, trust = tmp_path / "r.txt", tmp_path / "t.txt"
    path.write_text("7 1 3\n1 1 3\n2 1 3\n")
    trust.write_text(links)
    with pytest.raises(DataError) as error:
        read_ratings(path, trust)
    assert str(error.value).startswith(f"{trust}: found no link") and found in str(error.value)
    assert "such as '1'" in str(error.value)


@pytest.mark.parametrize("ids, order", [("10 9 -1", ["-1", "9", "10"]), ("10 9 x", ["10", "9", "x"])])
def test_ids_sort_as_numbers_only_if_all_are(tmp_path: Path, ids: str, order: list[str]) -> None:
    path = tmp_path / "r.txt"
    path.write_text("".join(f"{user} 7 3\n" for user in ids.split()))
    ratings = read_ratings(path)
    assert ratings.user_ids == order
    assert [ratings.user_ids[user] for user in ratings.user] == ids.split()
    assert ratings.trust.shape == (2, 0) and ratings.scale == (3.0, 3.0)


def test_outside_the_scale(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_text("1 1 3\n\n1 2 9\n1 2 4\n")
    with pytest.raises(DataError, match=r"r.txt, line 3: found rating 9, wanted 1 to 5.*outside: drop"):
        read_ratings(path, scale=(1, 5))
    ratings = read_ratings(path, scale=(1, 5), outside="drop")
    assert ratings.rating.tolist() == [3.0, 4.0] and dropped(ratings)["ratings outside the scale"] == 1
    with pytest.raises(DataError, match=r"no rating inside the scale 6 to 7"):
        read_ratings(path, scale=(6, 7), outside="drop")
    with pytest.raises(DataError, match=r"scale: found \(5, 1\), wanted .* the lower one first"):
        read_ratings(path, scale=(5, 1))


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", r"r.txt, line 1: found an empty file, wanted one `user item rating` a line"),
        (b"\n \n", r"empty file"),
        (
            b"1 1 3\n\n1 2\n",
            r"r.txt, line 3: found 2 columns, wanted 3 columns as in the first line: `user item rating`",
        ),
        (b"1 1 3 99\n", r"r.txt, line 1: found 4 columns, wanted the columns `user item rating`"),
        (b"1::1::3\n", r"line 1: found 1 columns"),
        (b"user item rating\n1 1 3\n", r"line 1: found rating 'rating', wanted a finite number.*header"),
        (b"1 1 3\n1 2 nan\n", r"line 2: found rating 'nan', wanted a finite number"),
        (b"1 1 3\n1 2 1e39\n", r"line 2: found rating '1e39'"),
        (b"1 1 3\n1 2 1_0\n", r"line 2: found rating '1_0'"),
        (b"1 1 3\n1 2 3\n\xff 1 3\n", r"line 3: found byte 0xff, wanted UTF-8"),
        (b"1 1 3\n\x00\x01", r"line 2: found binary data"),
        ("1 1 3\n".encode("utf-16"), r"line 1: found binary data"),
    ],
)
def test_bad_text_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "r.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_ratings(path)


def test_bad_trust_and_missing_file(tmp_path: Path) -> None:
    path, trust = tmp_path / "r.txt", tmp_path / "t.txt"
    with pytest.raises(DataError, match=r"r.txt: cannot be read \(No such file"):
        read_ratings(path)
    path.write_text("1 1 3\n2 1 3\n")
    trust.write_text("1 2 1\n1 2 much\n")
    with pytest.raises(DataError, match=r"t.txt, line 2: found weight 'much'"):
        read_ratings(path, trust)


def test_bad_mat(tmp_path: Path) -> None:
    folder = write_ciao(tmp_path)
    path = folder / "rating_with_timestamp.mat"
    whole = path.read_bytes()
    for damaged in (b"", b"junk", whole[:40], whole[: len(whole) // 2], whole[:128] + b"\xff" * 64):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"rating_with_timestamp.mat: not a readable MATLAB file"):
            read_ciao(folder)
    savemat(path, {"rating": np.ones((3, 4)), "other": np.ones((2, 2))})
    with pytest.raises(
        DataError, match=r"found rating \(3, 4\), other \(2, 2\); wanted exactly one matrix of 6 columns"
    ):
        read_ciao(folder)
    savemat(path, {"rating": np.array([[1, 1, 1, 3, 4, 9], [1, 2, 1, np.nan, 4, 9]])})
    with pytest.raises(DataError, match=r"variable rating, row 2: found rating 'nan'"):
        read_ciao(folder)
