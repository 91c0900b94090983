"""The contract of stage one: a generator is fitted on the answers it may see and scores every candidate pair.

A generator leaks the answers it was fitted on, also through its scores of *other* pairs. So whoever is asked in
training must be as new to the generator as a test sample is:

    the known answers are split into K folds; a generator fitted without fold f scores all pairs;
    a step hides fold f and reads that generator, for the pairs hidden and for the visible ones alike.

Usual out-of-fold scores, where each fold is scored by the generator that did not see it, are not enough: a visible
pair's score then comes from a generator that was fitted on the hidden ones.

Everything in stage one goes this way. Ratings (:class:`.ratings.Scorer`), digits and common spaces of two tables
(:mod:`.retrieval`) are fitted in memory, by :func:`cross_fit`. Backbones take hours each: ``cli.crossfit`` trains them
in processes of their own, and a feature file (:mod:`.features`) holds what one of them says.
"""

from collections.abc import Iterator
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from rrnet_lightning.errors import DataError

Fitted = TypeVar("Fitted", covariant=True)
"""What is read of a fitted generator: the scores of all pairs, or what computes them, such as a common space."""


class Generator(Protocol[Fitted]):
    """Stage one of a task, with its known answers, R of them, and the pairs it is to score."""

    def __call__(self, visible: Tensor) -> Fitted:
        """Fit anew on the ``visible`` [R] bool answers alone and return all pairs' scores, or what scores them."""


def cross_fit(generator: Generator[Fitted], hidden: Tensor) -> Iterator[Fitted]:
    """Yield, for each set of answers, what a generator says that saw none of the set and all others.

    Takes one fit a set, each when it is asked for.

    Shapes:
        hidden: [R, V] bool, a set in each column.
    """
    for column in hidden.unbind(1):
        yield generator(~column)


def random_folds(size: int, folds: int, repeats: int, seed: int) -> Tensor:
    """Cut R = ``size`` answers into equal folds at random, ``repeats`` times over: [R, repeats · folds] bool."""
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randperm(size, generator=generator) % folds for _ in range(repeats)]
    return torch.stack([part == fold for part in parts for fold in range(folds)], 1)


def stratified_folds(label: Tensor, folds: int, seed: int) -> Tensor:
    """Cut samples into folds at random, each class shared out equally: [R, folds] bool.

    Shapes:
        label: [R] long.

    Raises:
        DataError: a class of fewer samples than folds.
    """
    classes, counts = label.unique(return_counts=True)
    if not 2 <= folds <= int(counts.min()):
        raise DataError(
            f"folds: found {folds}, wanted 2 to {int(counts.min())}, the training samples of class "
            f"{int(classes[counts.argmin()])}"
        )
    from sklearn.model_selection import StratifiedKFold  # here: a second that other tasks need not wait

    hidden = torch.zeros(len(label), folds, dtype=torch.bool)
    split = StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(label)), label.numpy())
    for fold, (_, held) in enumerate(split):
        hidden[held, fold] = True
    return hidden
