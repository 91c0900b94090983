"""A built-in task and the path of two tables measure alike: the same scores give the same figures."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torchmetrics.retrieval import RetrievalHitRate, RetrievalMAP, RetrievalMRR, RetrievalNormalizedDCG

from rrnet_lightning.candidates.digits import digit_views
from rrnet_lightning.candidates.retrieval import Cosine
from rrnet_lightning.candidates.samples import TEST, TRAIN, VAL
from rrnet_lightning.data.files.root import dataset_folder
from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.data.tables.pairs import as_pairs
from rrnet_lightning.datamodules import ImageDataModule, SocialDataModule, TablesDataModule
from rrnet_lightning.datamodules.tables.blocks import Blocks
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.bridge import unit
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.graph.schema import INTER
from rrnet_lightning.module import asked_of
from rrnet_lightning.objectives import MappingObjective, Objective, RankingObjective

CLOSE = 1e-6  # figures are float32 at the end


def tables(source: Tensor, target: Tensor, pairs: Tensor, part: list[str], top_k: int) -> list[HeteroData]:
    """The test graphs of two tables whose candidates are the nearest by cosine."""
    data = TablesDataModule.of(
        as_features(source),
        as_features(target),
        as_pairs(pairs, split=part, num_sources=len(source), num_targets=len(target)),
        generator=Cosine(center=False),
        relations=Bridges(supports=0),
        order="cosine",
        top_k=top_k,
        split="pairs",
    )
    blocks = Blocks(data, "test", scaled=False)
    return [blocks[(0, torch.tensor([number]))] for number in range(len(blocks))]


def said(objective: Objective, graphs: list[HeteroData], scores: Tensor) -> dict[str, float]:
    """Metrics of the scores [N_s, N_t] of the pairs that the graphs ask."""
    metrics = objective.metrics("")
    for graph in graphs:
        asked = asked_of(graph, torch.float32)
        assert asked.rows is not None
        objective.update(metrics, scores[asked.rows[0], asked.rows[1]], asked)
    return {name: float(value) for name, value in metrics.compute().items()}


@pytest.fixture(scope="module")
def digits() -> tuple[HeteroData, HeteroData, Tensor]:
    """The test of images -> class names, built in and as two tables, and scores of all pairs.

    The features of the tables are what the built-in task's candidates are chosen by, and the axes of its classes.
    """
    view = digit_views(0)[-1]
    data = ImageDataModule(dataset="digits", top_k=2)
    data.setup()
    (built_in,) = data.test_dataloader()
    names = {TRAIN: "train", VAL: "val", TEST: "test"}
    pairs = torch.stack([torch.arange(len(view.label)), view.label])
    part = [names[role] for role in view.role.tolist()]
    ours = tables(view.log_probs, torch.eye(10), pairs, part, top_k=2)[0]
    noise = torch.randn(view.log_probs.shape, generator=torch.Generator().manual_seed(0))
    return built_in, ours, view.log_probs + 3 * noise


def test_classes_are_measured_alike(digits: tuple[HeteroData, HeteroData, Tensor]) -> None:
    built_in, ours, scores = digits
    mapping = said(MappingObjective(recall_at=(2,)), [built_in], scores)
    ranking = said(RankingObjective(k=(1, 2)), [ours], scores)
    assert 0.3 < mapping["accuracy"] < mapping["recall@2"] == mapping["candidate_recall"] < 1
    assert ranking["source/recall@1"] == pytest.approx(mapping["accuracy"], abs=CLOSE)
    assert ranking["source/recall@2"] == pytest.approx(mapping["recall@2"], abs=CLOSE)
    assert ranking["source/candidate_recall"] == pytest.approx(mapping["candidate_recall"], abs=CLOSE)


def test_classes_have_the_same_loss_and_probabilities(digits: tuple[HeteroData, HeteroData, Tensor]) -> None:
    loss, probability = [], []
    for graph, objective in zip(digits[:2], (MappingObjective(), RankingObjective()), strict=True):
        asked = asked_of(graph, torch.float32)
        assert asked.rows is not None
        logits = digits[2][asked.rows[0], asked.rows[1]]
        loss.append(float(objective.loss(logits, asked)))
        table = torch.zeros(digits[2].shape)
        table[asked.rows[0], asked.rows[1]] = objective.predict(logits, asked)
        probability.append(table)
    assert loss[0] == pytest.approx(loss[1], rel=1e-6)
    assert torch.allclose(probability[0], probability[1], atol=1e-6)


def test_equal_scores_count_against_a_mapping_and_half_in_a_ranking(
    digits: tuple[HeteroData, HeteroData, Tensor],
) -> None:
    """The one difference: of two that tie, an accuracy has no hit and a recall half of one."""
    built_in, ours, scores = digits
    none = torch.zeros_like(scores)
    found = said(MappingObjective(), [built_in], none)
    assert found["accuracy"] == 0
    ranking = said(RankingObjective(), [ours], none)
    assert ranking["source/recall@1"] == pytest.approx(found["candidate_recall"] / 2, abs=CLOSE)


@pytest.fixture(scope="module")
def filmtrust(tmp_path_factory: pytest.TempPathFactory) -> tuple[HeteroData, list[HeteroData], Tensor]:
    """Who rated what, of the first 3,000 ratings: the built-in graph of all pairs, two tables, and scores."""
    try:
        folder = dataset_folder("filmtrust", ("ratings.txt",), None, "")
    except DataError as error:
        pytest.skip(f"real data absent: {error}")
    file: Path = tmp_path_factory.mktemp("filmtrust") / "ratings.txt"
    file.write_text("\n".join((folder / "ratings.txt").read_text().splitlines()[:3000]) + "\n")
    data = SocialDataModule(ratings_path=str(file), candidates="all", trust="none")
    data.setup()
    graph = data.stage_graph("test")
    inter = graph[INTER]
    known, asked = inter.observed, inter.asked
    inter.supervised, inter.y = ~known, asked.float()  # all that is not known is asked: was it rated?
    part = ["train"] * len(data.ratings.rating)
    for name in ("val", "test"):
        for row in getattr(data.split, name).tolist():
            part[row] = name
    pairs = torch.stack([data.ratings.user, data.ratings.item])
    seen = torch.zeros(data.ratings.num_users, data.ratings.num_items)
    seen[tuple(inter.edge_index[:, known])] = 1
    left, values, right = torch.linalg.svd(seen, full_matrices=False)
    noise = torch.Generator().manual_seed(0)  # rows without a known pair would tie: missed ones go by row then
    source, target = (
        x * values[:16] + 0.01 * torch.randn(len(x), 16, generator=noise) for x in (left[:, :16], right[:16].T)
    )
    return graph, tables(source, target, pairs, part, top_k=20), unit(source) @ unit(target).T


def test_known_pairs_are_measured_alike_whether_candidates_or_missed(
    filmtrust: tuple[HeteroData, list[HeteroData], Tensor],
) -> None:
    """Twenty candidates and the ranks of those missed say as much as all pairs do."""
    graph, ours, scores = filmtrust
    objective = RankingObjective()
    built_in, ranking = said(objective, [graph], scores), said(objective, ours, scores)
    assert 0.05 < ranking.pop("source/candidate_recall") < built_in.pop("source/candidate_recall") == 1
    assert 0.05 < ranking.pop("target/candidate_recall") < built_in.pop("target/candidate_recall") == 1
    assert ranking == pytest.approx(built_in, abs=CLOSE)


@pytest.mark.parametrize("side", ["source", "target"])
def test_known_pairs_are_measured_as_by_torchmetrics(
    filmtrust: tuple[HeteroData, list[HeteroData], Tensor], side: str
) -> None:
    graph, ours, scores = filmtrust
    asked = asked_of(graph, torch.float32)
    assert asked.rows is not None
    place = scores[asked.rows[0], asked.rows[1]].argsort().argsort()
    # above 0, as torchmetrics leaves out of a mean precision what scores less
    batch = place.float() + 1, asked.y > 0, asked.rows[int(side == "target")]
    found = said(RankingObjective(), ours, scores)
    wanted = {
        "map": RetrievalMAP(empty_target_action="skip"),
        "mrr": RetrievalMRR(empty_target_action="skip"),
        "ndcg": RetrievalNormalizedDCG(empty_target_action="skip"),
        "recall@5": RetrievalHitRate(empty_target_action="skip", top_k=5),
    }
    for name, metric in wanted.items():
        assert found[f"{side}/{name}"] == pytest.approx(float(metric(*batch)), abs=CLOSE), name
