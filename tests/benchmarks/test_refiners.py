import pytest
import torch
from torch import Tensor

from benchmarks.refine.peers import (
    NO_WEIGHTS,
    PEERS,
    Question,
    adjacency,
    choose,
    correct_and_smooth,
    discriminant_analysis,
    ece,
    knn_mixture,
    knn_vote,
    label_propagation,
    nll,
    question,
    temperature_scaled,
)
from rrnet_lightning.candidates.samples import HELD, TRAIN, ScoredSamples

CLASSES = ("cat", "dog", "car crash")


def view(role: int = HELD, rows: int = 30, seed: int = 0) -> ScoredSamples:
    """Noisy clusters, scores that are half right, a third of the rows asked, the rest evidence."""
    torch.manual_seed(seed)
    label = torch.arange(rows) % 3
    features = torch.eye(3)[label] + 0.5 * torch.randn(rows, 3)
    log_probs = (torch.eye(3)[label] + torch.randn(rows, 3)).log_softmax(1)
    roles = torch.where(torch.arange(rows) < rows // 3, role, TRAIN)
    return ScoredSamples(features, log_probs, label, roles, CLASSES, [f"s{n}" for n in range(rows)])


def dense(q: Question, k: int, temperature: float) -> Tensor:
    """D^-1/2 A D^-1/2, degrees counted over a node's own edges, as PyG's gcn_norm does."""
    a = torch.zeros(len(q.label), len(q.label), dtype=torch.double)
    for node, near in enumerate(q.neighbours[:, :k].tolist()):
        for place, neighbour in enumerate(near):
            a[node, neighbour] = ((q.similarity[node, place] - 1) / temperature).exp()
    a = torch.maximum(a, a.T) if q.transductive else a
    scale = a.sum(1).rsqrt()
    return scale[:, None] * a * scale


def propagate(a: Tensor, y: Tensor, layers: int, alpha: float, low: float = 0.0) -> Tensor:
    start, out = (1 - alpha) * y, y
    for _ in range(layers):
        out = (alpha * a @ out + start).clamp(low, 1)
    return out


def evidence(q: Question) -> Tensor:
    return torch.eye(3, dtype=torch.double)[q.label.clamp(min=0)] * (q.label >= 0)[:, None]


def test_discriminant_analysis_is_the_gaussian_rule_of_the_evidence() -> None:
    q = question(view(rows=90), HELD)
    x, y = q.features[q.evidence], q.label[q.evidence]
    parts = [x[y == c] for c in range(3)]
    share = torch.tensor([len(part) / len(x) for part in parts], dtype=torch.double)
    covariances = [torch.cov(part.T, correction=0) for part in parts]
    shrunk = [0.7 * c + 0.3 * c.trace() / len(c) * torch.eye(len(c)) for c in covariances]
    within = sum((p * c for p, c in zip(share, shrunk, strict=True)), torch.zeros(3, 3))
    gap = q.features[q.asked][:, None] - torch.stack([part.mean(0) for part in parts])
    scores = share.log() - ((gap @ torch.linalg.inv(within)) * gap).sum(2) / 2
    assert torch.allclose(discriminant_analysis(q, 0.3), scores.softmax(1), atol=1e-6)


def test_a_question_holds_no_answer_and_inductive_neighbours_are_evidence() -> None:
    data = view()
    for transductive in (False, True):
        q = question(data, HELD, transductive=transductive, k=4)
        assert (q.label[q.asked] == -1).all() and q.asked.sum() == 10 and (q.label >= 0).sum() == 20
        assert q.evidence[q.neighbours].all() == (not transductive)
    assert torch.allclose(q.similarity.sort(dim=1, descending=True).values, q.similarity)


def test_temperature_keeps_the_ranking_and_1_changes_nothing() -> None:
    q = question(view(), HELD)
    assert torch.allclose(temperature_scaled(q, 1.0), q.log_probs[q.asked].exp())
    assert torch.equal(temperature_scaled(q, 4.0).argmax(1), q.log_probs[q.asked].argmax(1))
    assert temperature_scaled(q, 4.0).max() < temperature_scaled(q, 1.0).max()


def test_knn_votes_by_hand() -> None:
    features = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    log_probs = torch.tensor([[0.2, 0.8]] * 4).log()
    data = ScoredSamples(features, log_probs, torch.tensor([0, 0, 1, 1]), torch.tensor([HELD, 0, 0, 0]), "ab", "wxyz")
    q = question(data, HELD)
    assert knn_vote(q, 1, NO_WEIGHTS).tolist() == [[1, 0]]
    assert knn_vote(q, 2, NO_WEIGHTS).tolist() == [[0.5, 0.5]]
    near, far = 1 / 1.01**0.5, 0.1 / 1.01**0.5
    weight = torch.tensor([near / 0.1, far / 0.1]).softmax(0)
    assert torch.allclose(knn_vote(q, 2, 0.1).float(), weight[None])
    assert torch.allclose(knn_mixture(q, 1, NO_WEIGHTS, 0.25).float(), torch.tensor([[0.4, 0.6]]))


@pytest.mark.parametrize("transductive", [False, True])
@pytest.mark.parametrize("temperature", [NO_WEIGHTS, 0.1])
def test_graph_peers_are_their_dense_equations(transductive: bool, temperature: float) -> None:
    q = question(view(), HELD, transductive=transductive)
    a, y, labelled = dense(q, 4, temperature), evidence(q), q.label >= 0
    found = label_propagation(q, 4, temperature, 3, 0.8)
    assert torch.allclose(found, propagate(a, y, 3, 0.8)[q.asked])

    error = propagate(a, (y - q.base) * labelled[:, None], 3, 0.9, -1.0)
    sigma = (y - q.base)[labelled].abs().sum() / labelled.sum()
    smooth = torch.where(labelled[:, None], y, q.base + sigma / error.abs().sum(1, keepdim=True) * error)
    found = correct_and_smooth(q, 4, temperature, 3, 0.9, 0.5, True)
    assert torch.allclose(found, propagate(a, smooth, 3, 0.5)[q.asked])


def test_inductive_answers_do_not_depend_on_who_else_is_asked() -> None:
    data = view()
    alone = question(
        ScoredSamples(data.features[9:], data.log_probs[9:], data.label[9:], data.role[9:], CLASSES, data.ids[9:]), HELD
    )
    for name, peer in PEERS.items():
        if not peer.transductive:
            together = peer.answer(question(data, HELD), **peer.grid[0])
            assert torch.allclose(together[9:], peer.answer(alone, **peer.grid[0])), name
    assert (
        adjacency(question(data, HELD, transductive=True), 4, 0.1)
        .to_dense()
        .T.allclose(adjacency(question(data, HELD, transductive=True), 4, 0.1).to_dense())
    )


def test_likelihood_and_calibration_by_hand() -> None:
    p, truth = torch.tensor([[0.9, 0.1], [0.6, 0.4]]), torch.tensor([0, 1])
    assert nll(p, truth) == pytest.approx(-(torch.tensor(0.9 * 0.4).log().item()) / 2)
    assert ece(p, truth) == pytest.approx((0.1 + 0.6) / 2)


def test_settings_are_those_that_do_best_on_training_views() -> None:
    data = view()
    asked = [(question(data, HELD), data.label[data.role == HELD])]
    for name in ("knn", "temperature"):
        peer = PEERS[name]
        found = choose(peer, asked)
        worth = [
            -nll(peer.answer(asked[0][0], **s), asked[0][1])
            if peer.by_nll
            else (peer.answer(asked[0][0], **s).argmax(1) == asked[0][1]).double().mean().item()
            for s in peer.grid
        ]
        assert found == peer.grid[worth.index(max(worth))] and len(set(worth)) > 1
