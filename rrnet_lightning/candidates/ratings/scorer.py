"""Initial scores for RR-Net: a rating model's estimate of each pair, from the visible ratings alone."""

from dataclasses import dataclass, replace

import torch
from lightning.pytorch.utilities import rank_zero_only
from rich.progress import track
from torch import Tensor

from rrnet_lightning.candidates.ratings.base import RatingBaseline
from rrnet_lightning.candidates.ratings.tables import TrainingRatings
from rrnet_lightning.errors import DataError


@dataclass
class Scorer:
    """A rating model whose estimates RR-Net reads on its inter-edges.

    The model must have seen just the ratings that RR-Net sees: one that saw a rating estimates it, and through its
    other estimates tells the network of it, far better than it can a rating to come. So hidden ratings are not drawn
    anew at each training step: they are cut into ``folds``, ``repeats`` times over, each of these V = folds · repeats
    sets gets a model fitted on all others, and a step hides one set and reads its model. (Usual cross-fitted scores,
    each rating's by a model that did not see that rating, tell of the hidden ratings through the visible ones' scores.)

    Args:
        model: the rating model, fitted afresh each time, on the CPU.
        epochs: passes over the ratings.
        folds: K; a step hides 1 / K of the training ratings, in the place of ``mask_ratio``.
        repeats: how often they are cut anew.

    Raises:
        DataError: an argument outside its values, or a model that cannot be fitted.

    Starts and cuts follow from the data's ``seed``, not from ``seed_everything``: a checkpoint finds its scores again
    when it is tested, and the spread over seeds of RR-Net is that of the network alone.

    Costs V fits to train, and one for each other stage; keeps V numbers for each inter-edge.
    """

    model: RatingBaseline
    epochs: int = 16
    folds: int = 5
    repeats: int = 2

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.folds < 2 or self.repeats < 1:
            found = f"epochs {self.epochs}, folds {self.folds}, repeats {self.repeats}"
            raise DataError(f"scorer: found {found}, wanted at least 1, 2 and 1")

    def score(self, train: TrainingRatings, user: Tensor, item: Tensor, seed: int) -> Tensor:
        """Return [E] ratings of pairs, on the scale, by a model fitted on all of ``train``."""
        name = type(self.model).__name__
        try:
            self.model.learn(train, self.epochs, seed)
        except (ValueError, ArithmeticError) as error:
            raise DataError(f"scorer: {name} cannot be fitted ({error}). Correct its optimizer or scheduler") from error
        with torch.no_grad():
            rated = self.model.rate(user, item).clamp(*train.scale)
        if not rated.isfinite().all():
            raise DataError(f"scorer: found estimates of {name} that are not finite, wanted numbers. Lower its lr")
        return rated

    def views(self, train: TrainingRatings, user: Tensor, item: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Return the sets, [R, V] bool, and what the model that saw none of a set rates the pairs, [E, V].

        Raises:
            DataError: fewer ratings than folds.
        """
        size = len(train.rating)
        if size < self.folds:
            raise DataError(f"scorer.folds: found {self.folds}, wanted at most {size}, the training ratings")
        generator = torch.Generator().manual_seed(seed)
        parts = [torch.randperm(size, generator=generator) % self.folds for _ in range(self.repeats)]
        hidden = torch.stack([part == fold for part in parts for fold in range(self.folds)], 1)
        first = getattr(rank_zero_only, "rank", 0) == 0
        columns = track(hidden.unbind(1), "fitting the scorer", transient=True, disable=not first)
        scores = [self.score(_without(train, column), user, item, seed) for column in columns]
        return hidden, torch.stack(scores, 1)


def _without(train: TrainingRatings, hidden: Tensor) -> TrainingRatings:
    return replace(train, user=train.user[~hidden], item=train.item[~hidden], rating=train.rating[~hidden])
