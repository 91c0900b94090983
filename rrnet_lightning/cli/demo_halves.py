"""Which right half belongs to this left one? RR-Net on halves of handwritten digits, beside what it starts from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.retrieval import CCA, DualEncoder
from rrnet_lightning.candidates.retrieval.space import SIDES, SpaceGenerator
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.view import Order
from rrnet_lightning.datamodules.tables.whole import whole_metrics
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.graph.schema import INTER
from rrnet_lightning.module import RRNetModule
from rrnet_lightning.objectives import RankingObjective

EPOCHS = 8
DATA: dict[str, Any] = dict(val_share=0.06, test_share=0.4, top_k=200, folds=3)
MODEL: dict[str, Any] = dict(hidden_dim=32, units=["inter", "inter"], residual=True, prior=True)
OPTIMIZER: dict[str, Any] = dict(lr=6e-3, weight_decay=0.01)
METRICS = ("recall@1", "recall@10", "map")
ROWS = (
    "CCA",
    "dual encoder (proposes the candidates)",
    "dual encoder, CSLS among known halves",
    "dual encoder, the bridge of known halves",
    "linear sum of what the edges carry",
    "RR-Net on the same edges",
)
SHOWN = 5


@dataclass(frozen=True)
class Compared:
    """Metrics [ROWS, METRICS] of one split, and what ten left halves are answered.

    Attributes:
        metrics: shares, the mean of both directions.
        query: [10] long, a left half of each digit. before, after: [10, SHOWN] long, the right halves that the dual
            encoder and RR-Net put first.
    """

    metrics: Tensor
    query: Tensor
    before: Tensor
    after: Tensor


class LinearSum(nn.Module):
    """A linear sum of what the edges carry: no pair hears of another."""

    def __init__(self, edge_dim: int) -> None:
        super().__init__()
        self.sum = nn.Linear(edge_dim, 1)

    def forward(self, data: HeteroData) -> Tensor:
        """Score every pair."""
        scores: Tensor = self.sum(data[INTER].edge_attr).squeeze(1)
        return scores


def halves(seed: int, generator: SpaceGenerator) -> TablesDataModule:
    """Left and right halves, 8 x 4 pixels, of scikit-learn's 1,797 digits; those of 719 digits are new in the test."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    left, right = (half.reshape(len(half), -1) / 16 for half in np.split(digits.images, 2, axis=2))
    pairs = np.stack([np.arange(len(left))] * 2)
    classes = Labels(tuple("0123456789"), one_hot(torch.from_numpy(digits.target).long()).bool())
    labels = {"source": classes, "target": classes}
    relations = Bridges(classes=True, supports=0)
    options = dict(DATA, seed=seed, generator=generator, relations=relations)
    return TablesDataModule.of(left, right, pairs, labels, **options)  # type: ignore[arg-type]


def train(
    data: TablesDataModule, folds: Iterable[HeteroData], network: nn.Module | None = None
) -> tuple[Tensor, RRNetModule]:
    """Train RR-Net, or another network in its place, on graphs of the folds; return its METRICS on the test, and it."""
    model = RRNetModule(
        data.source_dim,
        data.target_dim,
        data.edge_dim,
        **MODEL,
        objective=RankingObjective(class_share=0.2),
        optimizer=lambda params: torch.optim.AdamW(params, **OPTIMIZER),
        scheduler=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS),
    )
    if network is not None:
        model.network = network  # type: ignore[assignment]
    trainer = L.Trainer(
        max_epochs=EPOCHS,
        limit_val_batches=0,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, folds)
    [metrics] = trainer.test(model, data, verbose=False)
    return torch.tensor([metrics[f"test/{name}"] for name in METRICS]), model


def order(data: TablesDataModule, by: Order) -> tuple[Tensor, Tensor]:
    """METRICS of a score that is not trained, and the scores [Q, B] of the test's left halves."""
    view = replace(data.views("test")[0], order=by)
    scores = {side: view.scores(side, view.look(side, view.queries[side])) for side in SIDES}
    found = whole_metrics(view, scores).compute()
    return torch.stack([found[name] for name in METRICS]), scores["source"]


def compare(seed: int) -> Compared:
    """Compare ROWS on the split of one seed."""
    cca, data = halves(seed, CCA()), halves(seed, DualEncoder())
    L.seed_everything(seed, verbose=False)
    data.setup("fit")
    folds = data.train_dataloader()  # it keeps the graphs, for both
    rrnet, model = train(data, folds)
    linear, _ = train(data, folds, LinearSum(data.edge_dim))
    (encoder, scores), (csls, _), (bridge, _) = (order(data, by) for by in ("cosine", "csls", "bridge"))
    metrics = torch.stack([order(cca, "cosine")[0], encoder, csls, bridge, linear, rrnet])
    return Compared(metrics, *answers(data, scores, model))


@torch.no_grad()
def answers(data: TablesDataModule, scores: Tensor, model: RRNetModule) -> tuple[Tensor, Tensor, Tensor]:
    """Query, before and after of :class:`Compared`, for the first left half of each digit in the test."""
    view = data.views("test")[0]
    queries, base = view.queries["source"], view.base["target"]
    assert view.member is not None
    first = view.member["source"][queries].int().argmax(0)
    before = base[scores[first].argsort(descending=True, stable=True)[:, :SHOWN]]
    found = model.eval().predict_step(next(iter(data.test_dataloader())), 0)
    after = [_best(found["target"][own], found["measured"][own]) for own in found["source"] == queries[first, None]]
    return queries[first], before, torch.stack(after)


def _best(rows: Tensor, scores: Tensor) -> Tensor:
    return rows[scores.argsort(descending=True, stable=True)[:SHOWN]]
