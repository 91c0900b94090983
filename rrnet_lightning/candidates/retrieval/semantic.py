"""Semantic matching: the common space is that of the classes, one classifier for each table."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval.linear import LinearSpace, standardized
from rrnet_lightning.candidates.retrieval.space import SIDES, Side, Space, SpaceGenerator
from rrnet_lightning.errors import DataError


class SemanticSpace(LinearSpace):
    """Class probabilities less what is taken off them: softmax((x - m) A + b) - p.

    Args:
        source_dim: widths D_s and D_t.
        target_dim: see ``source_dim``.
        num_classes: C, which is H.
    """

    def __init__(self, source_dim: int, target_dim: int, num_classes: int) -> None:
        super().__init__(source_dim, target_dim, source_map=num_classes, target_map=num_classes)
        for side in SIDES:
            self.register_buffer(f"{side}_bias", torch.zeros(num_classes))
            self.register_buffer(f"{side}_prior", torch.zeros(num_classes))

    def map(self, x: Tensor, side: Side) -> Tensor:
        """Return [N, C] probabilities, less the prior."""
        bias, prior = getattr(self, f"{side}_bias"), getattr(self, f"{side}_prior")
        centred: Tensor = (super().map(x, side) + bias).softmax(1) - prior
        return centred


@dataclass
class SemanticMatching(SpaceGenerator):
    """Logistic regression for each table; a pair's score is the cosine of its ends' class probabilities.

    Semantic matching of Rasiwasia et al. (ACM Multimedia 2010). There probabilities are compared as they are. To take
    off the share of each class first is our own choice; it ranks better by class. So is that of a row of several
    classes: it counts as one row of each, and its weight is shared out among them. Columns are standardised over the
    known pairs. The probability of a class that no known row of a table has is 0 there.

        min over A, b:  ½ ‖A‖² + c · Σ_i w_i · mean over classes k of row i of -log softmax((x_i - m) / σ · A + b)_k

    Cost: some hundred products of the table with A, in float64, by scikit-learn.

    Args:
        inverse_penalty: c. The sum grows with the known pairs, and so the penalty matters less.
        center: take off the share of each class among the known rows.

    Raises:
        DataError: an option outside its values.
    """

    inverse_penalty: float = 0.01
    center: bool = True
    needs_labels = True

    def __post_init__(self) -> None:
        if not 0 < self.inverse_penalty < float("inf"):
            raise DataError(f"SemanticMatching: found inverse_penalty {self.inverse_penalty}, wanted a number above 0")

    def empty(self, source_dim: int, target_dim: int, num_classes: int = 0) -> Space:
        """Return a space in which all classes are equally likely."""
        return SemanticSpace(source_dim, target_dim, num_classes)

    def fit_rows(self, x: Tensor, y: Tensor, pairs: Tensor, weight: Tensor, classes: Tensor, seed: int) -> Space:
        """Fit both classifiers; nothing in it is random."""
        space = self.empty(x.size(1), y.size(1), classes.size(2)).to(x.device)
        for side, rows, member in zip(SIDES, (x, y), classes, strict=True):
            mean, rows, scale = standardized(rows, weight.double() / weight.double().sum(), True)
            target = member.double() * (weight.double() / member.sum(1))[:, None]
            matrix, bias = logistic_regression(rows, target, self.inverse_penalty)
            prior = target.sum(0) / target.sum() * self.center
            fitted = {"mean": mean, "map": matrix / scale[:, None], "bias": bias, "prior": prior}
            for name, value in fitted.items():
                setattr(space, f"{side}_{name}", value.to(x.device, torch.float32))
        return space


def logistic_regression(x: Tensor, target: Tensor, inverse_penalty: float) -> tuple[Tensor, Tensor]:
    """Return matrix [D, C] and bias [C] whose softmax says best what share each class has of each row.

    A class without any share gets the bias -inf, and so the probability 0.

    Shapes:
        x: [P, D] double. target: [P, C] double, how much each row counts for each class; two classes at least do.
    """
    from sklearn.linear_model import LogisticRegression  # here: a second that other tasks need not wait
    from threadpoolctl import threadpool_limits

    row, label = target.nonzero(as_tuple=True)
    present = label.unique()
    model = LogisticRegression(C=inverse_penalty, max_iter=1000)
    with threadpool_limits(torch.get_num_threads()):
        model.fit(x[row].cpu().numpy(), label.cpu().numpy(), sample_weight=target[row, label].cpu().numpy())
    coefficients, bias = torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_)
    if len(present) == 2:  # scikit-learn fits one column, the logit of the second class
        coefficients = torch.cat([torch.zeros_like(coefficients), coefficients])
        bias = torch.cat([torch.zeros_like(bias), bias])
    matrix = x.new_zeros(x.size(1), target.size(1))
    offset = x.new_full((target.size(1),), -torch.inf)
    matrix[:, present], offset[present] = coefficients.T.to(x), bias.to(x)
    return matrix, offset
