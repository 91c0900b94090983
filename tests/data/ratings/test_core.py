from pathlib import Path

import pytest
import torch

from rrnet_lightning.data.files.root import data_root, dataset_folder
from rrnet_lightning.data.ratings.core import k_core
from rrnet_lightning.data.ratings.reader import read_ciao
from rrnet_lightning.data.ratings.sets import RATING_SETS
from rrnet_lightning.errors import DataError
from tests.fake import write_ciao


def test_core_is_what_one_by_one_removal_leaves(tmp_path: Path) -> None:
    """Against plain sets: drop a user or item of too few ratings, again and again."""
    ratings = read_ciao(write_ciao(tmp_path))
    names = zip(ratings.user.tolist(), ratings.item.tolist(), ratings.rating.tolist(), strict=True)
    left = {(ratings.user_ids[u], ratings.item_ids[i]): r for u, i, r in names}
    k = 8
    while True:
        ends = [[pair[side] for pair in left] for side in (0, 1)]
        weak = [(side, name) for side in (0, 1) for name in set(ends[side]) if ends[side].count(name) < k][:1]
        if not weak:
            break
        left = {pair: r for pair, r in left.items() if pair[weak[0][0]] != weak[0][1]}
    core = k_core(ratings, k)
    triples = zip(core.user.tolist(), core.item.tolist(), core.rating.tolist(), strict=True)
    assert {(core.user_ids[u], core.item_ids[i]): r for u, i, r in triples} == left
    assert 0 < len(left) < len(ratings.rating)
    dropped = {one.what: one.rows for one in core.dropped}
    assert dropped["ratings outside the 8-core"] == len(ratings.rating) - len(left) > 0
    assert dropped["trust links outside the 8-core"] == ratings.trust.shape[1] - core.trust.shape[1] > 0
    old = {(ratings.user_ids[u], ratings.user_ids[v]) for u, v in ratings.trust.T.tolist()}
    assert {(core.user_ids[u], core.user_ids[v]) for u, v in core.trust.T.tolist()} <= old
    assert torch.equal(k_core(core, k).user, core.user)


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of 21 ratings or more"):
        k_core(read_ciao(write_ciao(tmp_path)), 21)


def test_real_dense_ciao() -> None:
    try:
        folder = dataset_folder("ciao", RATING_SETS["ciao_dense"].files, data_root())
    except DataError as error:
        pytest.skip(str(error))
    core = RATING_SETS["ciao_dense"].read(folder)
    assert (len(core.rating), core.num_users, core.num_items) == (71_646, 2_540, 3_018)
    assert min(core.user.bincount().min(), core.item.bincount().min()) == 10
