"""Peers of RR-Net: what a user would do with the same features, scores and evidence, each a function of one question.

A question is one view (``ScoredSamples``) without the answers: the labels of its evidence, and rows
that are asked. Settings of a peer are the best of a small grid on the *training views*, where rows are asked that their
backbone has not seen either; the test fold's labels are not even part of a question.

Inductive peers see the evidence and the asked sample alone: neighbours are evidence. Transductive ones, named so, see
all samples asked at once, without labels, in a symmetric graph of all rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.refine.smooth import adjacency as sparse_adjacency
from benchmarks.refine.smooth import correct_and_smooth as smooth_scores
from rrnet_lightning.candidates.samples import TRAIN, ScoredSamples
from rrnet_lightning.evidence.discriminants import discriminants
from rrnet_lightning.graph.knn import knn_edges

MAX_K = 60  # RR-Net's
SHRINKAGE = 0.3  # RR-Net's, of the covariance that linear discriminants are made of
NO_WEIGHTS = float("inf")  # temperature at which all neighbours weigh alike
Setting = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Question:
    """Rows of a view that a peer may see, M of them.

    Attributes:
        features: [M, D] double, of length 1. log_probs: [M, C] double, scores of the backbone.
        label: [M] long, -1 outside the evidence. asked: [M] bool.
        neighbours: [M, K] long, nearest first, never the row itself. similarity: [M, K] double, cosine.
        transductive: unlabelled rows are among the neighbours.
    """

    features: Tensor
    log_probs: Tensor
    label: Tensor
    asked: Tensor
    neighbours: Tensor
    similarity: Tensor
    transductive: bool

    @property
    def base(self) -> Tensor:
        """[M, C], the backbone's probabilities."""
        return F.softmax(self.log_probs, 1)

    @property
    def evidence(self) -> Tensor:
        """[M] bool, labelled rows."""
        return self.label >= 0


class Peer(NamedTuple):
    """A way to answer.

    Attributes:
        title: name in the table.
        answer: (question, **setting) -> scores [A, C] of the rows asked, in their order.
        grid: settings to choose from.
        probabilities: the scores are probabilities of all classes, which a likelihood may be taken of.
        by_nll: choose by the likelihood, not by accuracy.
        transductive, discriminant: which question it is asked.
    """

    title: str
    answer: Callable[..., Tensor]
    grid: Sequence[Setting] = ({},)
    probabilities: bool = False
    by_nll: bool = False
    transductive: bool = False
    discriminant: float | None = None


def question(
    view: ScoredSamples, role: int, *, transductive: bool = False, discriminant: float | None = None, k: int = MAX_K
) -> Question:
    """Ask the rows of a role, with the rows of role TRAIN as evidence; k neighbours a row, or as many as there are.

    With ``discriminant`` features are those of :func:`rrnet_lightning.evidence.discriminants`, as RR-Net may see them.
    """
    evidence, asked = view.role == TRAIN, view.role == role
    present = torch.ones_like(asked) if transductive else evidence | asked
    x = view.features if discriminant is None else discriminants(view, discriminant)
    x, evidence, asked = x[present], evidence[present], asked[present]
    pool = torch.ones_like(evidence) if transductive else evidence
    k = min(k, int(pool.sum()) - 1)
    neighbours = knn_edges(x, k, pool=pool)[0].view(-1, k)
    unit = F.normalize(x.double(), dim=1)
    rows = range(0, len(x), 1024)
    close = [(unit[i : i + 1024, None] * unit[neighbours[i : i + 1024]]).sum(2) for i in rows]
    label = view.label[present].where(evidence, -1)
    return Question(unit, view.log_probs[present].double(), label, asked, neighbours, torch.cat(close), transductive)


def backbone(q: Question) -> Tensor:
    """Probabilities as they come."""
    return q.base[q.asked]


def temperature_scaled(q: Question, temperature: float) -> Tensor:
    """softmax(log p / T): the same ranking, other confidence."""
    return F.softmax(q.log_probs[q.asked] / temperature, 1)


def knn_vote(q: Question, k: int, temperature: float) -> Tensor:
    """Labels of the k nearest, weighted by softmax(cosine / T)."""
    near = q.neighbours[q.asked, :k]
    weight = F.softmax(q.similarity[q.asked, :k] / temperature, 1)
    return weight.new_zeros(len(near), q.log_probs.size(1)).scatter_add_(1, q.label[near], weight)


def knn_mixture(q: Question, k: int, temperature: float, alpha: float) -> Tensor:
    """alpha * kNN vote + (1 - alpha) * backbone."""
    return alpha * knn_vote(q, k, temperature) + (1 - alpha) * q.base[q.asked]


def discriminant_analysis(q: Question, shrinkage: float) -> Tensor:
    """Class probabilities of scikit-learn's LDA, fitted on the evidence."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    analysis.fit(q.features[q.evidence].numpy(), q.label[q.evidence].numpy())
    return torch.from_numpy(analysis.predict_proba(q.features[q.asked].numpy()))


def label_propagation(q: Question, k: int, temperature: float, layers: int, alpha: float) -> Tensor:
    """PyG's LabelPropagation from the labels of the evidence."""
    from torch_geometric.nn import LabelPropagation

    scores: Tensor = LabelPropagation(layers, alpha)(_one_hot(q), adjacency(q, k, temperature), mask=q.evidence)
    return scores[q.asked]


def correct_and_smooth(
    q: Question, k: int, temperature: float, layers: int, correct: float, smooth: float, autoscale: bool
) -> Tensor:
    """PyG's CorrectAndSmooth of the backbone's probabilities.

    As published, residuals are those on labelled rows, whose scores come from a backbone that learnt from them.
    """
    scores = smooth_scores(
        q.base,
        q.label,
        adjacency(q, k, temperature),
        layers=layers,
        correct=correct,
        smooth=smooth,
        autoscale=autoscale,
    )
    return scores[q.asked]


@lru_cache(maxsize=32)  # eight a question, four training views
def adjacency(q: Question, k: int, temperature: float) -> Tensor:
    """[M, M] sparse, row: node, column: neighbour, exp((cosine - 1) / T); PyG normalises it by degree.

    Symmetric in a transductive question; else as found, so that no message starts at an asked row.
    """
    k = min(k, q.neighbours.size(1))
    edges = torch.stack([q.neighbours[:, :k].reshape(-1), torch.arange(len(q.label)).repeat_interleave(k)])
    weight = ((q.similarity[:, :k].reshape(-1) - 1) / temperature).exp()
    if q.transductive:
        from torch_geometric.utils import to_undirected

        edges, weight = to_undirected(edges, weight, num_nodes=len(q.label), reduce="max")
    return sparse_adjacency(edges, weight, len(q.label))


def _one_hot(q: Question) -> Tensor:
    return F.one_hot(q.label.clamp(min=0), q.log_probs.size(1)).double() * q.evidence[:, None]


def _grid(**values: Sequence[Any]) -> list[Setting]:
    return [dict(zip(values, found, strict=True)) for found in product(*values.values())]


_KNN = {"k": (3, 5, 10, 20, 40, MAX_K), "temperature": (NO_WEIGHTS, 0.1, 0.03)}
_GRAPH = {"k": (5, 10, 20, 40, MAX_K), "temperature": (NO_WEIGHTS, 0.1, 0.03)}
_LP = _grid(**_GRAPH, layers=(1, 2, 5, 20), alpha=(0.5, 0.8, 0.95))
_CS = _grid(**_GRAPH, layers=(3, 20), correct=(0.5, 0.9), smooth=(0.3, 0.5, 0.8), autoscale=(True, False))
PEERS = {
    "backbone": Peer("backbone", backbone, probabilities=True),
    "temperature": Peer(
        "backbone, temperature-scaled",
        temperature_scaled,
        _grid(temperature=[round(2 ** (n / 4), 4) for n in range(-8, 13)]),
        probabilities=True,
        by_nll=True,
    ),
    "knn": Peer("kNN vote", knn_vote, _grid(**_KNN)),
    "knn+backbone": Peer(
        "kNN vote + backbone", knn_mixture, _grid(**_KNN, alpha=(0.1, 0.25, 0.5, 0.75)), probabilities=True
    ),
    "lda": Peer(
        "linear discriminant analysis",
        discriminant_analysis,
        _grid(shrinkage=(0.03, 0.1, 0.3, 0.5, 0.7, 0.9)),
        probabilities=True,
    ),
    "lp": Peer("label propagation", label_propagation, _LP),
    "lp-transductive": Peer("label propagation, transductive", label_propagation, _LP, transductive=True),
    "cs": Peer("Correct&Smooth", correct_and_smooth, _CS),
    "cs-transductive": Peer("Correct&Smooth, transductive", correct_and_smooth, _CS, transductive=True),
}
PEERS |= {
    f"{name}-discriminant": PEERS[name]._replace(
        title=f"{PEERS[name].title}, in linear discriminants", discriminant=SHRINKAGE
    )
    for name in ("knn", "knn+backbone", "lp", "cs")
}


def accuracy(scores: Tensor, truth: Tensor) -> float:
    """Share of rows whose highest score [A, C] is that of their class [A]."""
    return (scores.argmax(1) == truth).double().mean().item()


def nll(probabilities: Tensor, truth: Tensor) -> float:
    """Mean negative log-likelihood, natural logarithm."""
    return -probabilities[torch.arange(len(truth)), truth].clamp(min=1e-12).log().mean().item()


def ece(probabilities: Tensor, truth: Tensor, bins: int = 15) -> float:
    """Expected calibration error: |accuracy - confidence| in bins of equal width, weighted by their size."""
    confidence, best = probabilities.max(1)
    number = (confidence * bins).long().clamp(max=bins - 1)
    gap = torch.zeros(bins, dtype=torch.double).index_add_(0, number, (best == truth).double() - confidence.double())
    return gap.abs().sum().item() / len(truth)


def choose(peer: Peer, asked: Sequence[tuple[Question, Tensor]]) -> Setting:
    """Return the setting of the grid with the best mean over questions with their truth; the first of equals."""
    if len(peer.grid) == 1:
        return peer.grid[0]

    def worth(setting: Setting) -> float:
        found = [(peer.answer(q, **setting), truth) for q, truth in asked]
        return sum(-nll(*pair) if peer.by_nll else accuracy(*pair) for pair in found) / len(found)

    return max(peer.grid, key=worth)
