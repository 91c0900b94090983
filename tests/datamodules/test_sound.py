from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.features import keep_features, read_features
from rrnet_lightning.candidates.samples import TRAIN
from rrnet_lightning.datamodules.image import ImageDataModule
from rrnet_lightning.datamodules.sound import SoundDataModule
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.labels import Relations, nearest_labelled, neighbour_votes, prototypes
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, validate
from tests.candidates.test_views import EACH, NAMES, SAMPLES, WIDTH, keep
from tests.datamodules.seen import differences
from tests.fake import write_word_vectors

FOLD = torch.arange(SAMPLES) // EACH + 1
LABEL = torch.arange(SAMPLES) % 3
SMALL: dict[str, Any] = {"fold": 2, "val_fold": 3, "source_k": 3, "target_k": 1, "top_k": 2, "steps_per_epoch": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keep(tmp_path_factory.mktemp("features"))


def sounds(folder: Path, **options: Any) -> SoundDataModule:
    data = SoundDataModule("esc50", str(folder), **{"root": str(folder), **SMALL, **options})
    data.setup("fit")
    return data


def batches(folder: Path, stage: str, **options: Any) -> list[HeteroData]:
    torch.manual_seed(0)
    return list(getattr(sounds(folder, **options), f"{stage}_dataloader")())


def asked(batch: HeteroData) -> Tensor:
    """Rows in the full data of the samples asked, [A], once a view."""
    rows: Tensor = batch[SOURCE].n_id[batch[INTER].edge_index[0, batch[INTER].supervised].unique()]
    return rows


@pytest.mark.parametrize("transductive", [False, True])
def test_training_asks_each_held_fold_in_a_view_of_its_own(folder: Path, transductive: bool) -> None:
    for batch in batches(folder, "train", transductive=transductive):
        validate(batch)
        assert "place" not in batch[SOURCE] and "cosine" not in batch[SOURCE_INTRA]  # read before the batch leaves
        assert asked(batch).tolist() == [row for row in range(SAMPLES) if FOLD[row] in (1, 4)]  # all, at each step
        present = SAMPLES if transductive else 2 * EACH  # of a view: evidence of one fold, and one asked
        assert len(batch[SOURCE].x) == 2 * present and len(batch[TARGET].x) == 2 * len(NAMES)
        assert batch[TARGET].n_id.tolist() == [0, 1, 2] * 2
        for edges, nodes in ((batch[SOURCE_INTRA].edge_index, present), (batch[INTER].edge_index[:1], present)):
            assert edges.unique().max() < 2 * nodes
        sender, receiver = batch[SOURCE_INTRA].edge_index
        assert (sender // present == receiver // present).all()
        source, target = batch[INTER].edge_index
        assert (source // present == target // len(NAMES)).all()
        known = batch[INTER].visible
        assert set(FOLD[batch[SOURCE].n_id[source[known]]].tolist()) == {1, 4}  # without 2 and 3: no answer of theirs
        assert not known[batch[INTER].supervised].any()
        assert batch[INTER].y.equal(
            (LABEL[batch[SOURCE].n_id[source]] == target % 3).float()
            * batch[INTER].y.new_tensor([known[e] or batch[INTER].supervised[e] for e in range(len(known))])
        )


def test_neighbours_are_evidence_never_those_asked(folder: Path) -> None:
    for part in sounds(folder).parts:
        neighbour, node = part.intra
        assert (part.samples.role[neighbour] == TRAIN).all()
        assert set(part.samples.role[node].tolist()) > {TRAIN}


@pytest.mark.parametrize(("stage", "fold", "evidence"), [("val", 3, {1, 4}), ("test", 2, {1, 3, 4})])
def test_one_view_asks_in_validation_and_test(folder: Path, stage: str, fold: int, evidence: set[int]) -> None:
    (batch,) = batches(folder, stage)
    validate(batch)
    assert FOLD[asked(batch)].tolist() == [fold] * EACH
    known = batch[SOURCE].n_id[batch[INTER].edge_index[0, batch[INTER].visible].unique()]
    assert set(FOLD[known].tolist()) == evidence


ALL = Relations(temperature=0.1, nearest=True, prototypes=True, discriminant=0.5)
EVIDENCE = {"relations": ALL, "attributes": "profile"}


@pytest.mark.parametrize("options", [{}, {"transductive": True}, {"batch_size": 4}, EVIDENCE])
@pytest.mark.parametrize("stage", ["train", "val", "test"])
def test_no_later_answer_reaches_the_network(folder: Path, tmp_path: Path, stage: str, options: dict[str, Any]) -> None:
    """Other test answers change nothing in any stage, other validation answers nothing before the test."""
    hidden = (FOLD == 2) | ((FOLD == 3) & (stage != "test"))
    other = keep(tmp_path, label=torch.where(hidden, (LABEL + 1) % 3, LABEL))
    found = batches(folder, stage, **options)
    assert differences(found, batches(other, stage, **options)) <= {f"{INTER}.y"}


def test_paper_setting_asks_what_the_backbone_saw(folder: Path) -> None:
    options = {"cross_fit": False, "val_fold": None, "evidence": False, "attributes": "features"}
    (train, _), (test,) = batches(folder, "train", **options), batches(folder, "test", **options)
    assert FOLD[asked(train)].ne(2).all() and len(asked(train)) == 3 * EACH
    assert train[INTER].edge_attr.shape[1] == 1 and not train[INTER].visible.any()
    assert FOLD[asked(test)].eq(2).all()


@pytest.mark.parametrize(("attributes", "width"), [("scores", 3), ("profile", 3), ("features", WIDTH)])
def test_width_of_the_attributes_is_known_before_setup(folder: Path, attributes: Any, width: int) -> None:
    options = {"attributes": attributes, "cross_fit": False, "val_fold": None}
    assert SoundDataModule("esc50", str(folder), root=str(folder), fold=2, attributes=attributes).source_dim == width
    assert batches(folder, "test", **options)[0][SOURCE].x.shape[1] == width


def test_profile_is_the_largest_scores_in_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rrnet_lightning.datamodules.mapping.PROFILE", 2)
    part = sounds(folder, attributes="profile").parts[-1]
    largest = part.samples.log_probs.sort(1, descending=True).values[:, :2]
    shift, scale = (largest - largest.mean()) / largest.std(), (part.x - part.x.mean()) / part.x.std()
    assert torch.allclose(shift, scale, atol=1e-5)


def test_features_of_several_spaces_are_no_attributes(folder: Path) -> None:
    with pytest.raises(DataError, match=r"attributes: found 'features' for 4 views.*--data.attributes scores"):
        sounds(folder, attributes="features")


def test_features_of_another_set_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="found features of esc50, wanted esc10"):
        SoundDataModule("esc10", str(folder)).setup()


def test_class_words_of_the_data_root_are_the_default(folder: Path, tmp_path: Path) -> None:
    write_word_vectors(tmp_path / "word_vectors/googlenews300_class_words.txt", ["dog", "rain"], "text")
    with pytest.raises(DataError, match="no word of these class names: 'sea'"):
        sounds(folder, root=str(tmp_path))
    assert sounds(folder, root=str(tmp_path), unknown="spelling").target_dim == 5


def test_votes_weigh_labelled_neighbours_by_their_cosine(folder: Path) -> None:
    graph = sounds(folder, top_k=3).stage_graph("test")
    inter, intra = graph[INTER], graph[SOURCE_INTRA]
    votes = neighbour_votes(graph, inter.observed, temperature=0.01)
    features = sounds(folder).parts[-1].samples.features[graph[SOURCE].n_id]
    labelled = torch.zeros(SAMPLES, dtype=torch.bool)
    labelled[inter.edge_index[0, inter.observed]] = True
    for source, target, vote in zip(*inter.edge_index.tolist(), votes.tolist(), strict=True):
        near = [n for n in intra.edge_index[0, intra.edge_index[1] == source].tolist() if labelled[n]]
        cosine = torch.cosine_similarity(features[near].double(), features[source : source + 1].double())
        share = (cosine / 0.01).softmax(0)[LABEL[graph[SOURCE].n_id[near]] == target].sum()
        assert vote == pytest.approx(float(share), abs=1e-3)


def test_nearest_is_the_closest_labelled_neighbour_of_the_class(folder: Path) -> None:
    graph = sounds(folder, top_k=3).stage_graph("test")
    inter, intra = graph[INTER], graph[SOURCE_INTRA]
    known = set(inter.edge_index[0, inter.observed].tolist())
    for source, target, found in zip(*inter.edge_index.tolist(), nearest_labelled(graph, inter.observed), strict=True):
        own = intra.edge_index[1] == source
        near = list(zip(intra.edge_index[0, own].tolist(), intra.cosine[own].tolist(), strict=True))
        of_class = [cos for n, cos in near if n in known and LABEL[graph[SOURCE].n_id[n]] == target]
        assert found == (max(of_class) if of_class else min(cos for _, cos in near))


def test_prototype_is_the_mean_of_the_labelled_samples_of_a_class(folder: Path) -> None:
    graph = sounds(folder, top_k=3).stage_graph("test")
    place = sounds(folder).parts[-1].samples.features[graph[SOURCE].n_id]
    label, labelled = LABEL[graph[SOURCE].n_id], FOLD[graph[SOURCE].n_id] != 2
    found = prototypes(graph, graph[INTER].observed)
    for source, target, cosine in zip(*graph[INTER].edge_index.tolist(), found, strict=True):
        mean = place[labelled & (label == target)].mean(0)
        assert cosine == pytest.approx(float(torch.cosine_similarity(place[source], mean, dim=0)), abs=1e-6)
    assert prototypes(graph, torch.zeros_like(graph[INTER].observed)).eq(0).all()


@pytest.mark.parametrize(("field", "value"), [("temperature", 0), ("discriminant", -0.1), ("discriminant", 1.5)])
def test_relations_outside_their_range_are_named(field: str, value: float) -> None:
    with pytest.raises(DataError, match=f"{field}: found {value}"):
        Relations(**{field: value})  # type: ignore[arg-type]


def test_discriminants_want_held_out_samples(folder: Path) -> None:
    with pytest.raises(DataError, match="discriminant: found no held-out samples"):
        sounds(folder, cross_fit=False, val_fold=None, relations=Relations(discriminant=0.1))
    with pytest.raises(DataError, match="discriminant: found with evidence off"):
        sounds(folder, evidence=False, relations=Relations(discriminant=0.1))


def test_similarities_are_scaled_by_those_of_the_samples_asked_in_training(folder: Path) -> None:
    options = {"relations": Relations(nearest=True, prototypes=True), "attributes": "profile"}
    batch = batches(folder, "train", top_k=2, **options)[0]
    asked = batch[INTER].edge_attr[batch[INTER].supervised]
    for column in (0, 4, 5):  # the score, the nearest, the prototype
        assert asked[:, column].mean() == pytest.approx(0, abs=1e-5)
        assert asked[:, column].std() == pytest.approx(1, abs=1e-5)
    profile = batch[SOURCE].x[batch[INTER].edge_index[0, batch[INTER].supervised].unique()]
    assert profile.mean() == pytest.approx(0, abs=1e-5) and profile.std() == pytest.approx(1, abs=1e-5)


def test_samples_without_neighbours_leave_finite_evidence(folder: Path) -> None:
    (batch,) = batches(folder, "test", source_k=0, relations=Relations(nearest=True, prototypes=True))
    assert batch[INTER].edge_attr.isfinite().all()


def test_test_samples_reach_neither_training_nor_each_other(folder: Path, tmp_path: Path) -> None:
    """Not even unlabelled: with other features and scores of some, all else stays as it was."""
    options = {**EVIDENCE, "top_k": 3, "val_fold": None}
    changed = (FOLD == 2) & (torch.arange(SAMPLES) % EACH > 1)
    for file in folder.glob("*.npy"):
        found = read_features(file)
        noise = torch.randn(SAMPLES, WIDTH, generator=torch.Generator().manual_seed(1))
        other = torch.where(changed[:, None], noise, found.features)
        logits = torch.where(changed[:, None], noise[:, :3] * 9, found.logits)
        keep_features(tmp_path / file.name, replace(found, features=other, logits=logits))
    assert differences(batches(folder, "train", **options), batches(tmp_path, "train", **options)) == set()
    (one,), (two,) = batches(folder, "test", **options), batches(tmp_path, "test", **options)
    kept = {tuple(row) for row in one[INTER].edge_index.T.tolist() if not changed[one[SOURCE].n_id[row[0]]]}
    for batch in (one, two):
        order = [n for n, row in enumerate(batch[INTER].edge_index.T.tolist()) if tuple(row) in kept]
        batch.kept = torch.cat([batch[INTER].edge_attr, batch[INTER].prior[:, None]], 1)[order]
    assert torch.equal(one.kept, two.kept) and len(one.kept) > 0


def test_images_ask_held_fold_one_and_test_fold_three(tmp_path: Path) -> None:
    fold = torch.arange(SAMPLES) // EACH
    keep(tmp_path, (1, 2, 3), fold=fold, dataset="cifar10")
    data = ImageDataModule("cifar10", str(tmp_path), root=str(tmp_path), source_k=3, target_k=1, top_k=3)
    data.setup("fit")
    for stage, number in (("train", 1), ("val", 2), ("test", 3)):
        batch = next(iter(getattr(data, f"{stage}_dataloader")()))
        assert fold[asked(batch)].tolist() == [number] * EACH
        assert set(fold[batch[SOURCE].n_id].tolist()) == {0, number}
    assert data.source_dim == WIDTH and (data.parts[0].samples.role == TRAIN).sum() == EACH


def test_images_want_a_folder() -> None:
    with pytest.raises(DataError, match="features: found nothing, wanted the folder of the feature file of cifar10"):
        ImageDataModule("cifar10")
