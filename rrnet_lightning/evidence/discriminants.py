"""Linear discriminants: the few directions in which the classes of a view's labelled samples differ most."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from rrnet_lightning.candidates.samples import TRAIN, ScoredSamples
from rrnet_lightning.errors import DataError


def discriminants(view: ScoredSamples, shrinkage: float) -> Tensor:
    """Return [N, min(C - 1, D)] float: all samples of a view, projected by scikit-learn's LDA of its TRAIN samples.

    Directions in which samples of one class differ weigh little afterwards, so near samples are alike in what tells
    classes apart. Features are scaled to length 1 first, and not centred: cosines are still measured from the origin of
    the features. No other labels than those of TRAIN samples are read. Takes N D^2 + D^3 steps and D^2 memory.

    Args:
        view: the samples.
        shrinkage: share of the covariance within classes, 0 to 1, that is replaced by the same variance everywhere.

    Raises:
        DataError: fewer than two classes or no two samples of any among the TRAIN samples; a covariance that cannot be
            inverted.
    """
    from scipy.linalg import LinAlgError  # here: a second that other tasks need not wait
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    train = view.role == TRAIN
    counts = view.label[train].bincount()
    if (counts > 0).sum() < 2 or counts.max() < 2:
        raise DataError(
            f"discriminants: found {int(train.sum())} labelled samples of {int((counts > 0).sum())} classes, wanted "
            "two classes or more and several samples of each. Set --data.relations.discriminant 0, or complete the data"
        )
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
