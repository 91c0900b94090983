"""Social recommendation: users -> items, ratings on the inter-edges, trust links inside the users."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.data import RATING_SETS, DataError, Ratings, Split, data_root, dataset_folder, fold_split, read_ratings, read_split_dir
from rrnet_lightning.data.statistics import rating_statistics
from rrnet_lightning.datamodules.base import GraphDataModule, Stage
from rrnet_lightning.graph import INTER, SOURCE, TARGET, build_graph, given_edges, given_pairs


class SocialDataModule(GraphDataModule):
    """FilmTrust, Ciao, or ratings and trust links of your own."""

    def __init__(
        self,
        dataset: str = "filmtrust",
        root: str | None = None,
        *,
        fold: int = 0,
        folds: int = 5,
        val_share: float = 0.1,
        candidates: Literal["rated", "all"] = "rated",
        attributes: Literal["statistics", "random"] = "statistics",
        random_dim: int = 128,
        evidence: bool = True,
        mask_ratio: float = 0.2,
        batch_size: int | None = None,
        fan_out: Sequence[int] = (10, 10),
        eval_fan_out: Sequence[int] | None = None,
        steps_per_epoch: int = 20,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            evidence=evidence, mask_ratio=mask_ratio, batch_size=batch_size, fan_out=fan_out, eval_fan_out=eval_fan_out,
            steps_per_epoch=steps_per_epoch, num_workers=num_workers, seed=seed,
        )
        self.dataset, self.root, self.fold, self.folds, self.val_share = dataset, root, fold, folds, val_share
        self.candidates, self.attributes, self.random_dim = candidates, attributes, random_dim

    @property
    def source_dim(self) -> int:
        return 4 if self.attributes == "statistics" else self.random_dim

    @property
    def target_dim(self) -> int:
        return self.source_dim

    @property
    def edge_dim(self) -> int:
        return 3 if self.evidence else 0

    def setup(self, stage: str = "") -> None:
        known = RATING_SETS[self.dataset]
        self.ratings = known.read(dataset_folder(self.dataset, known.files, self.root))
        self.split = fold_split(len(self.ratings.rating), self.folds, self.fold, self.seed, self.val_share)

    def stage_graph(self, stage: Stage) -> HeteroData:
        r, split = self.ratings, self.split
        shown, asked = {"train": ([split.train], split.train), "val": ([split.train], split.val)}.get(stage, ([split.train, split.val], split.test))
        rows = torch.cat([*shown] if stage == "train" else [*shown, asked])
        is_asked, is_shown = torch.zeros(len(r.rating), dtype=torch.bool), torch.zeros(len(r.rating), dtype=torch.bool)
        is_asked[asked] = True
        is_shown[torch.cat(shown)] = self.evidence
        pairs, order = given_pairs(torch.stack([r.user[rows], r.item[rows]]), r.num_users, r.num_items)
        rows = rows[order]
        zeros = torch.zeros(r.num_users, self.source_dim), torch.zeros(r.num_items, self.target_dim)
        data = build_graph(*zeros, pairs, y=r.rating[rows], source_intra=given_edges(r.trust.flip(0), r.num_users, symmetric=True))
        data[INTER].observed, data[INTER].asked = is_shown[rows], is_asked[rows]
        return data

    def reveal(self, data: HeteroData, visible: Tensor) -> None:
        inter = data[INTER]
        user, item = inter.edge_index
        r = self.ratings
        s = rating_statistics(user[visible], item[visible], inter.y[visible], r.num_users, r.num_items)
        low, high = r.scale
        data[SOURCE].x = torch.stack([s.user_bias / s.spread, s.user_count.log1p() / 3, s.user_spread / s.spread - 1, 1 / (1 + s.user_count)], 1)
        data[TARGET].x = torch.stack([s.item_bias / s.spread, s.item_count.log1p() / 3, s.item_spread / s.spread - 1, 1 / (1 + s.item_count)], 1)
        estimate = s.estimate(user, item)
        share = ((estimate - low) / (high - low)).clamp(0.02, 0.98)
        known = visible.float()
        inter.edge_attr = torch.stack([known, known * (inter.y - estimate) / s.spread, (estimate - s.mean) / s.spread], 1)
        inter.prior = share.logit()
        inter.message = visible if self.evidence else torch.ones_like(visible)
