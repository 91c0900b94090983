"""A rating model as a generator: its estimate of each pair, from the visible ratings alone."""

from dataclasses import dataclass, replace

import torch
from lightning.pytorch.utilities import rank_zero_only
from rich.progress import track
from torch import Tensor

from rrnet_lightning.candidates.contract import cross_fit, random_folds
from rrnet_lightning.candidates.ratings.base import RatingBaseline
from rrnet_lightning.candidates.ratings.tables import TrainingRatings
from rrnet_lightning.errors import DataError


@dataclass
class Scorer:
    """Adds a rating model's estimate of each pair to the inter-edges, for RR-Net to read.

    A model fitted on a rating leaks it through its estimates of *other* pairs. So the training ratings are split into K
    folds. One model is fitted per fold, on all the others. Each training step hides one fold, asks for it, and reads
    the estimates of the one model that never saw it, for all pairs. Validation and test read one more model each,
    fitted on all ratings that may be shown there.

    Usual out-of-fold estimates would not do. There, each pair's estimate comes from the model that did not see that
    pair. But the estimate of a visible pair then comes from a model that saw the hidden ones.

    The folds are drawn and the models are started by the data's ``seed``, not by ``seed_everything``. So a checkpoint
    finds the same estimates again when it is tested.

    Cost: K · ``repeats`` fits to train, one for each other stage; K · ``repeats`` numbers kept for each inter-edge.

    Args:
        model: the rating model. It is fitted anew each time, on the CPU.
        epochs: passes over the ratings in a fit.
        folds: K. A step hides 1 / K of the training ratings; ``mask_ratio`` is not used.
        repeats: how many times the ratings are split into folds, each time at random.

    Raises:
        DataError: an argument outside its values, or a model that cannot be fitted.
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
        """Return which ratings each fold hides, [R, V] bool, and all pairs as rated without that fold, [E, V].

        V is the number of folds of all repeats together.

        Raises:
            DataError: fewer ratings than folds.
        """
        size = len(train.rating)
        if size < self.folds:
            raise DataError(f"scorer.folds: found {self.folds}, wanted at most {size}, the training ratings")
        hidden = random_folds(size, self.folds, self.repeats, seed)

        def generator(visible: Tensor) -> Tensor:
            return self.score(_only(train, visible), user, item, seed)

        first = getattr(rank_zero_only, "rank", 0) == 0
        fits = cross_fit(generator, hidden)
        scores = track(fits, "fitting the scorer", hidden.size(1), transient=True, disable=not first)
        return hidden, torch.stack(list(scores), 1)


def _only(train: TrainingRatings, visible: Tensor) -> TrainingRatings:
    return replace(train, user=train.user[visible], item=train.item[visible], rating=train.rating[visible])
