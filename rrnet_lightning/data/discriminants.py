"""Linear discriminants: a view's features -> the few directions in which its labelled samples' classes differ."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .candidates import TRAIN, Candidates
from .errors import DataError


def discriminants(view: Candidates, shrinkage: float) -> Tensor:
    """Return [N, min(C - 1, D)] float, all samples of a view in the space of scikit-learn's LDA of its TRAIN samples.

    Features are first scaled to length 1. Directions in which samples of one class differ weigh little afterwards, so
    that neighbours are alike in what tells classes apart. Labels of no other samples are read. Takes N D^2 + D^3 steps
    and D^2 memory.

    Args:
        view: the samples.
        shrinkage: share of the covariance within classes, 0 to 1, that is replaced by the same variance everywhere.

    Raises:
        DataError: a covariance that cannot be inverted, or fewer than two classes among the TRAIN samples.
    """
    from scipy.linalg import LinAlgError  # here: a second that other tasks need not wait
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    train = view.role == TRAIN
    x = normalize(view.features.double(), dim=1)
    analysis = LinearDiscriminantAnalysis(solver="eigen", shrinkage=shrinkage)
    try:
        analysis.fit(x[train].numpy(), view.label[train].numpy())
    except (LinAlgError, ValueError) as error:
        raise DataError(
            f"discriminants of {int(train.sum())} labelled samples with {x.size(1)} features and shrinkage "
            f"{shrinkage}: {error}. Choose a larger shrinkage (--data.relations.discriminant), or 0 for no analysis"
        ) from error
    return torch.from_numpy(analysis.transform(x.numpy())).float()
