"""What the visible ratings say of every candidate pair, written into a graph."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.ratings.scorer import Scorer
from rrnet_lightning.candidates.ratings.tables import TrainingRatings
from rrnet_lightning.evidence.paths import Paths, evidence_paths
from rrnet_lightning.evidence.similarity import co_rating_neighbors
from rrnet_lightning.evidence.statistics import RatingStatistics, rating_statistics
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET

Z = 1
"""Column of ``edge_attr`` that tells a visible rating, see :func:`write_evidence`."""


def rating_paths(data: HeteroData, rated: Tensor, neighbors: int, *, trust: bool) -> list[Paths]:
    """Return the paths on which ratings reach a pair: over its item's neighbours, over its user's, over trust.

    The first two are neighbours by co-rating, ``neighbors`` of each node; with 0 there are none. ``trust`` adds the
    third.

    Shapes:
        rated: [2, R] long, user and item of the training ratings, also of those that a step hides: who rated what
            makes neighbours, never how.
    """
    inter, trusted = data[INTER], data[SOURCE_INTRA].edge_index
    users, items = rated
    sizes = len(data[SOURCE].x), len(data[TARGET].x)
    links: list[tuple[Tensor, Tensor, int]] = []  # intra-edges, their weights, and whether of sources or targets
    if neighbors:
        links.append((*co_rating_neighbors(items, users, sizes[1], sizes[0], neighbors), 1))
        links.append((*co_rating_neighbors(users, items, sizes[0], sizes[1], neighbors), 0))
    if trust:
        links.append((trusted, torch.ones(trusted.shape[1]), 0))
    return [
        evidence_paths(inter.edge_index, intra, weight, side=side, observed=inter.observed)
        for intra, weight, side in links
    ]


def write_scores(data: HeteroData, scorer: Scorer, scale: tuple[float, float], seed: int, *, train: bool) -> None:
    """Write ``initial``: what a rating model fitted on the observed ratings estimates for each pair, [E].

    To train, one model is fitted for each of the scorer's V sets, without its ratings: ``initial`` is [E, V], and
    ``hidden`` [E, V] bool says which ratings are in which set.
    """
    inter = data[INTER]
    (user, item), observed = inter.edge_index, inter.observed
    sizes = len(data[SOURCE].x), len(data[TARGET].x)
    trust = data[SOURCE_INTRA].edge_index
    known = TrainingRatings(user[observed], item[observed], inter.y[observed], trust, *sizes, scale)
    if train:
        hidden, inter.initial = scorer.views(known, user, item, seed)
        inter.hidden = hidden.new_zeros(inter.initial.shape).masked_scatter_(observed.unsqueeze(1), hidden)
    else:
        inter.initial = scorer.score(known, user, item, seed)


def write_evidence(data: HeteroData, visible: Tensor, scale: tuple[float, float], *, statistics: bool) -> None:
    """Write ``message``, ``edge_attr``, ``prior`` and node attributes, from the visible ratings alone.

    :func:`rating_statistics` of the visible ratings gives their mean mu, the biases, b_ui = mu + b_u + b_i and the
    spread sigma. A rating r is told as z = (r - b_ui) / sigma.

    - ``message``: the visible edges pass messages.
    - ``edge_attr``: 1 and z where the rating is visible, else 0 and 0; (b_ui - mu) / sigma; for each of ``data.paths``
      the mean z that it brings and log(1 + its weight), see :meth:`Paths.gather`; where there is ``initial``, the
      scorer's estimate as (initial - b_ui) / sigma.
    - ``prior``: the logit of where b_ui lies on the scale, from 0 to 1, kept 2 % off both ends.
    - ``x`` of users and items, with ``statistics``: bias / sigma, log(1 + n) / 3, own spread / sigma - 1, 1 / (1 + n)
      for n visible ratings.

    Shapes:
        visible: [E] bool. Nothing written depends on ``y`` where it is False. ``data.paths`` and ``initial`` are
            taken out of ``data``.
    """
    inter = data[INTER]
    user, item = inter.edge_index
    low, high = scale
    sizes = len(data[SOURCE].x), len(data[TARGET].x)
    stats = rating_statistics(user[visible], item[visible], inter.y[visible], *sizes)
    sigma = stats.spread.clamp(min=1e-3 * max(high - low, 1e-3))  # equal ratings have none
    estimate = stats.estimate(user, item)
    z = torch.where(visible, (inter.y - estimate) / sigma, 0)
    columns = [visible.float(), z, (estimate - stats.mean) / sigma]
    for paths in data.paths:
        heard, weight = paths.gather(z, visible)
        columns += [heard, weight.log1p()]
    del data.paths
    if "initial" in inter:
        columns.append((inter.initial - estimate) / sigma)
        del inter.initial
    inter.message, inter.edge_attr = visible, torch.stack(columns, 1)
    inter.prior = ((estimate - low) / max(high - low, 1e-3)).clamp(0.02, 0.98).logit()
    if statistics:
        data[SOURCE].x, data[TARGET].x = _attributes(stats, sigma)


def _attributes(stats: RatingStatistics, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Node attributes of users and items, [N, 4], of order one."""

    def side(bias: Tensor, count: Tensor, spread: Tensor) -> Tensor:
        return torch.stack([bias / sigma, count.log1p() / 3, spread / sigma - 1, 1 / (1 + count)], 1)

    users = side(stats.user_bias, stats.user_count, stats.user_spread)
    return users, side(stats.item_bias, stats.item_count, stats.item_spread)
