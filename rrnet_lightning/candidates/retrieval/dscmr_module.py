"""DSCMRModule: deep supervised cross-modal retrieval for the command line, trained on paired mini-batches."""

from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn.functional import normalize

from rrnet_lightning.candidates.retrieval.dscmr import BETAS, PRESETS, DSCMRSpace
from rrnet_lightning.candidates.retrieval.space_module import Batch, SpaceModule
from rrnet_lightning.candidates.retrieval.supervised_loss import Norm, Similarity, supervised_terms
from rrnet_lightning.errors import DataError
from rrnet_lightning.metrics import average_precision
from rrnet_lightning.schedulers import WarmupCosineLR

OURS = PRESETS["ours"]


def adam(params: Any) -> torch.optim.Optimizer:
    """Return Adam, learning rate .001, β .5 and .999, as the preset ``ours`` of :class:`.dscmr.DSCMR` uses it."""
    return torch.optim.Adam(params, lr=OURS.lr, betas=BETAS)


class DSCMRModule(SpaceModule):
    """A :class:`SpaceModule` of a :class:`DSCMRSpace`; the defaults are the preset ``ours`` of :class:`.dscmr.DSCMR`.

    The loss is J of :func:`.supervised_loss.supervised_terms`. A batch ends with the classes of both ends of its pairs,
    ``(source_x, target_x, source_row, target_row, source_class, target_class)``, the last two [B, C] bool; those to
    predict may lack them.

    Logs ``val|test/map``, too: mean average precision by class within a batch, both ways together.

    Args:
        source_dim: widths D_s and D_t of the features.
        target_dim: see ``source_dim``.
        num_classes: C.
        hidden: see :class:`DSCMRSpace`.
        dim: see ``hidden``.
        lam: λ.
        eta: η.
        norm: see :func:`.supervised_loss.supervised_terms`.
        similarity: see ``norm``.
        standardize: features are standardised over the training pairs.
        optimizer: parameters -> optimiser.
        scheduler: optimiser -> learning-rate scheduler, see :class:`TrainableModule`; None keeps the rate.

    Raises:
        DataError: an option outside its values, no classes, or features of another width.
    """

    space: DSCMRSpace
    measured = ("recall@1", "map")

    def __init__(
        self,
        source_dim: int,
        target_dim: int,
        num_classes: int,
        hidden: int = OURS.hidden,
        dim: int = OURS.dim,
        lam: float = OURS.lam,
        eta: float = OURS.eta,
        norm: Norm = OURS.norm,
        similarity: Similarity = OURS.similarity,
        standardize: bool = OURS.standardize,
        optimizer: OptimizerCallable = adam,
        scheduler: LRSchedulerCallable | None = WarmupCosineLR,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.keep_plain()
        if num_classes < 2:
            raise DataError(
                f"source_labels, target_labels: found {num_classes} classes, wanted at least 2: DSCMR learns them"
            )
        if lam < 0 or eta < 0:
            raise DataError(f"DSCMR: found lam {lam}, eta {eta}, wanted at least 0")
        self.lam, self.eta, self.norm, self.similarity = lam, eta, norm, similarity
        space = DSCMRSpace(source_dim, target_dim, num_classes, hidden, dim)
        self.prepare(space, optimizer, scheduler, standardize)

    def learn(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return J, and the ends of the pairs."""
        if len(batch) < 6:
            raise DataError("source_labels, target_labels: found no classes, wanted both: DSCMR learns them")
        u, v = self.space.map(batch[0], "source"), self.space.map(batch[1], "target")
        logits, classes = (self.space.classifier(u), self.space.classifier(v)), torch.stack([*batch[4:6]])
        with torch.autocast(u.device.type, enabled=False):
            terms = supervised_terms((u, v), logits, classes, norm=self.norm, similarity=self.similarity)
            return terms.total(self.lam, self.eta), normalize(u, dim=1), normalize(v, dim=1)

    def measure(self, batch: Batch, scores: Tensor) -> dict[str, Tensor]:
        """Return the recall, and the average precision of each query of a batch."""
        alike = batch[4].float() @ batch[5].float().T > 0
        precision = torch.cat([average_precision(scores, alike), average_precision(scores.T, alike.T)])
        return super().measure(batch, scores) | {"map": precision.float()}
