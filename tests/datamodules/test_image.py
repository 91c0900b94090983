from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.samples import TEST, TRAIN, VAL, ScoredSamples
from rrnet_lightning.datamodules.batches import GraphBatches
from rrnet_lightning.datamodules.image import ImageDataModule
from rrnet_lightning.datamodules.mapping import MappingDataModule
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.labels import Relations, neighbour_votes
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, validate
from tests.datamodules.seen import differences

NAMES = ("red", "green", "blue", "grey")
SAMPLES = 60
SETTINGS: dict[str, dict[str, Any]] = {
    "inductive": {},
    "transductive": {"transductive": True},
    "sampled": {"batch_size": 7, "fan_out": (3, 3)},
    "sampled, transductive": {"batch_size": 7, "fan_out": (3, 3), "transductive": True},
    "without evidence": {"evidence": False},
    "without votes": {"relations": Relations(votes=False)},
}


class Colours(MappingDataModule):
    """Random candidates: 30 samples to train, 10 to validate, 20 to test."""

    feature_dim, class_names = 5, NAMES

    def __init__(self, samples: ScoredSamples, **options: Any) -> None:
        super().__init__(**{"source_k": 4, "target_k": 2, "top_k": 3, "steps_per_epoch": 3, **options})
        self.given = samples

    def views(self) -> list[ScoredSamples]:
        return [self.given]


def colours(**fields: Any) -> ScoredSamples:
    rng = torch.Generator().manual_seed(0)
    samples = ScoredSamples(
        features=torch.randn(SAMPLES, 5, generator=rng),
        log_probs=torch.randn(SAMPLES, len(NAMES), generator=rng).log_softmax(1),
        label=torch.randint(len(NAMES), (SAMPLES,), generator=rng),
        role=torch.tensor([TRAIN] * 3 + [VAL] + [TEST] * 2).repeat(10),
        names=NAMES,
        ids=[f"colour-{row}" for row in range(SAMPLES)],
    )
    return replace(samples, **fields)


def relabelled(rows: Tensor) -> ScoredSamples:
    """The same samples, another class where ``rows``."""
    samples = colours()
    return replace(samples, label=torch.where(rows, (samples.label + 1) % len(NAMES), samples.label))


def batches(samples: ScoredSamples, stage: str, **options: Any) -> list[HeteroData]:
    torch.manual_seed(0)  # masks and sampled neighbours
    data = Colours(samples, **options)
    data.setup("fit")
    return list(getattr(data, f"{stage}_dataloader")())


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("stage", ["train", "val", "test"])
def test_no_validation_or_test_label_reaches_the_network(stage: str, setting: str) -> None:
    """Change all of them: what the network sees and answers stays bit-identical in every stage."""
    options = SETTINGS[setting]
    found = batches(colours(), stage, **options)
    changed = relabelled(colours().role != TRAIN)
    # A sample asked in another batch may be a neighbour in this one; the network does not read its y.
    assert differences(found, batches(changed, stage, **options)) <= {f"{INTER}.y"}
    for batch in found:
        validate(batch)
        assert batch[INTER].supervised.any()


@pytest.mark.parametrize("setting", SETTINGS)
def test_training_labels_hidden_in_a_step_change_nothing_seen(setting: str) -> None:
    for step, batch in enumerate(batches(colours(), "train", **SETTINGS[setting])):
        asked = batch[SOURCE].n_id[batch[INTER].edge_index[0, batch[INTER].supervised]]
        hidden = torch.zeros(SAMPLES, dtype=torch.bool).index_fill_(0, asked, True)
        again = batches(relabelled(hidden), "train", **SETTINGS[setting])[step]
        assert differences([batch], [again]) == set()


@pytest.mark.parametrize("setting", ["inductive", "without votes"])
def test_training_labels_are_evidence_at_test(setting: str) -> None:
    found, other = (batches(samples, "test", **SETTINGS[setting]) for samples in (colours(), relabelled(all_train())))
    assert "output" in differences(found, other)


def all_train() -> Tensor:
    return colours().role == TRAIN


def test_a_label_is_hidden_on_all_edges_or_none() -> None:
    for batch in batches(colours(), "train", mask_ratio=0.5):
        source, known = batch[INTER].edge_index[0], batch[INTER].visible
        share = torch.zeros(len(batch[SOURCE].x)).scatter_reduce(0, source, known.float(), "mean", include_self=False)
        assert set(share.tolist()) == {0.0, 1.0}
        assert (batch[INTER].supervised == ~known).all()


def test_neighbours_are_other_training_samples() -> None:
    data = Colours(colours(), source_k=5)
    data.setup()
    neighbour, node = data.parts[0].intra
    assert len(node) == 5 * SAMPLES
    assert (colours().role[neighbour] == TRAIN).all()
    assert (neighbour != node).all()


def test_transductive_lets_unlabelled_samples_take_part() -> None:
    (inductive,), (transductive,) = (batches(colours(), "test", transductive=flag) for flag in (False, True))
    assert len(inductive[SOURCE].x) == 50 and len(transductive[SOURCE].x) == SAMPLES
    assert (inductive[INTER].message == inductive[INTER].visible).all()
    assert transductive[INTER].message.all() and not transductive[INTER].visible.all()
    role = colours().role[transductive[SOURCE].n_id]
    assert set(role[transductive[SOURCE_INTRA].edge_index[0]].tolist()) == {TRAIN, VAL, TEST}


def test_a_test_sample_changes_no_other_output_when_inductive() -> None:
    """Other features of one unlabelled sample: only its own node differs, and nobody listens to it."""
    row = int((colours().role == TEST).nonzero()[0])
    moved = colours().features.clone()
    moved[row] += 3
    (one,), (other,) = (batches(samples, "test") for samples in (colours(), colours(features=moved)))
    local = int((one[SOURCE].n_id == row).nonzero())
    assert one[SOURCE].x.ne(other[SOURCE].x).any(1).nonzero().tolist() == [[local]]
    assert local not in one[SOURCE_INTRA].edge_index[0] and local not in other[SOURCE_INTRA].edge_index[0]
    assert not one[INTER].message[one[INTER].edge_index[0] == local].any()


def test_votes_are_shares_of_the_visible_labelled_neighbours() -> None:
    data = Colours(colours(), top_k=4)
    data.setup()
    batch = data.stage_graph("val")
    inter, label = batch[INTER], colours().label[batch[SOURCE].n_id]
    visible = inter.observed & (torch.arange(len(inter.observed)) % 8 < 4)  # every other source's label
    votes = neighbour_votes(batch, visible)
    shown = set(inter.edge_index[0, visible].tolist())
    for source, target, vote in zip(*inter.edge_index.tolist(), votes.tolist(), strict=True):
        neighbours, nodes = batch[SOURCE_INTRA].edge_index
        labels = [int(label[n]) for n in neighbours[nodes == source].tolist() if n in shown]
        assert vote == pytest.approx(labels.count(target) / len(labels) if labels else 0)


@pytest.mark.parametrize("mask_ratio", [0.4, 0.8])
def test_similarities_are_scaled_by_what_is_visible_when_training_samples_ask_themselves(mask_ratio: float) -> None:
    """Many labels or few: what those asked can see of the others has mean 0 and deviation 1 over the steps."""
    relations = Relations(nearest=True, prototypes=True)
    found = batches(colours(), "train", relations=relations, mask_ratio=mask_ratio, steps_per_epoch=200, top_k=4)
    asked = torch.cat([batch[INTER].edge_attr[batch[INTER].supervised] for batch in found])
    for column in (4, 5):  # the nearest, the prototype
        assert asked[:, column].mean() == pytest.approx(0, abs=0.1)
        assert asked[:, column].std() == pytest.approx(1, abs=0.1)


def test_truth_is_added_for_training_samples_only() -> None:
    samples = colours()
    for add_truth in (False, True):
        data = Colours(samples, top_k=1, add_truth=add_truth)
        data.setup()
        count = data.parts[0].pairs[0].bincount(minlength=SAMPLES)
        missed = samples.log_probs.argmax(1) != samples.label
        assert (count == 1 + (missed & (samples.role == TRAIN) & add_truth)).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"top_k": 5}, "top_k: found 5, wanted 1 to 4, the classes"),
        ({"top_k": 0}, "top_k: found 0"),
        ({"source_k": 30}, "source_k: found 30, wanted 0 to 29, the neighbours that a training sample has"),
        ({"target_k": 4}, "target_k: found 4, wanted 0 to 3, the other classes"),
    ],
)
def test_more_than_there_are_is_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Colours(colours(), **options).setup()


@pytest.mark.parametrize("options", [{"features": "x"}, {"backbone": "x"}, {"checksum": "x"}, {"cross_fit": False}])
def test_what_digits_cannot_use_is_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(DataError, match=f"{name}: found .* for the digits, wanted "):
        ImageDataModule("digits", **options)


@pytest.mark.parametrize("options", [{}, {"evidence": False}, {"relations": Relations(votes=False)}])
def test_digits_have_the_widths_promised_before_any_file_is_read(options: dict[str, bool]) -> None:
    data = ImageDataModule(**options)  # type: ignore[arg-type]
    promised = data.source_dim, data.target_dim, data.edge_dim
    data.prepare_data()
    data.setup("fit")
    batch = GraphBatches(data, "test")[0, torch.empty(0).long()]
    assert (batch[SOURCE].x.size(1), batch["target"].x.size(1), batch[INTER].edge_attr.size(1)) == promised
    assert len(data.source_ids) == 1797 and data.target_ids[7] == "seven"


def test_width_of_word_vectors_in_the_collection_needs_no_download() -> None:
    assert ImageDataModule(word_vectors="glove-wiki-gigaword-100").target_dim == 100
