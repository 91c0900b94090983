from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from rrnet_lightning.candidates.retrieval import DualEncoder, DualEncoderModule, DualEncoderSpace, rank_of
from rrnet_lightning.candidates.retrieval.contrast import info_nce, known_by, known_in_batch
from rrnet_lightning.errors import CheckpointError, DataError
from tests.candidates.retrieval.tables import scores, tables

PAIRS = torch.tensor([[0, 0, 1, 2, 3], [0, 1, 1, 2, 3]])  # joins 0, 1 with 0, 1, but (1, 0) is not known
WEIGHT = torch.tensor([1.0, 0.5, 2, 1, 3])
SMALL = DualEncoder(hidden=32, dim=8, epochs=30, batch_size=32, lr=5e-3, dropout=0.0)


def ends(rows: int = 5) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    source, target = (F.normalize(torch.randn(rows, 4, generator=draw), dim=1) for _ in range(2))
    return source, target


def plain_loss(source: Tensor, target: Tensor, temperature: float, known: Tensor, weight: Tensor) -> Tensor:
    total, size = torch.tensor(0.0), len(source)
    for i in range(size):
        for one, other, mask in ((source, target, known), (target, source, known.T)):
            exps = {j: (one[i] @ other[j] / temperature).exp() for j in range(size) if j == i or not mask[i, j]}
            total = total - weight[i] * (exps[i] / torch.stack(list(exps.values())).sum()).log() / 2
    return total / weight.sum()


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_loss_is_that_of_a_loop(weight: Tensor | None) -> None:
    source, target = ends()
    known = known_by(PAIRS, *PAIRS)
    wanted = plain_loss(source, target, 0.2, known, torch.ones(5) if weight is None else weight)
    torch.testing.assert_close(info_nce(source, target, 0.2, known, weight), wanted)


def test_known_pairs_are_no_negatives() -> None:
    """The loss and its gradient do not depend on scores of known pairs, which may lie outside the mini-batch."""
    source, target = ends(2)
    assert info_nce(source, target, 0.2, torch.tensor([[True, True], [True, True]])) == pytest.approx(0, abs=1e-6)
    rows = PAIRS[:, [0, 2]]  # sources 0, 1 and targets 0, 1; (0, 1) is known from the pair that is left out
    assert known_by(PAIRS, *rows).tolist() == [[True, True], [False, True]]
    assert known_in_batch(*rows).tolist() == [[True, False], [False, True]]
    assert known_in_batch(*PAIRS).equal(known_by(PAIRS, *PAIRS))
    together = known_in_batch(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]))
    assert together.tolist() == [[True, True, False], [True, True, True], [True, True, True]]


def test_fit_finds_new_pairs_and_depends_on_the_seed() -> None:
    source, target, pairs = tables(400, 340, noise=0.01)
    new = torch.arange(340, 400).repeat(2, 1)
    space = SMALL.fit(source, target, pairs)
    with torch.inference_mode():
        ranks = rank_of(space.source(source), space.target(target), new)
    assert ranks.float().median() <= 5  # of 400
    other = SMALL.fit(source, target, pairs, seed=1)
    assert not scores(other, source, target).equal(scores(space, source, target))


def test_inputs_are_standardised_by_the_known_rows() -> None:
    source, target, pairs = tables()
    weight = torch.linspace(0, 1, 40)
    space = DualEncoder(hidden=4, dim=2, epochs=1).fit(source, target, pairs, weight)
    share = weight / weight.sum()
    mean = share @ source[:40]
    torch.testing.assert_close(space.get_buffer("source_mean"), mean)
    torch.testing.assert_close(space.get_buffer("source_scale"), (share @ (source[:40] - mean).square()).sqrt())


def test_temperature_is_learnt_where_asked_and_kept_from_zero() -> None:
    source, target, pairs = tables()
    for learnt in (False, True):
        space = DualEncoder(hidden=4, dim=2, epochs=3, learn_temperature=learnt).fit(source, target, pairs)
        assert isinstance(space, DualEncoderSpace)
        assert (space.temperature.item() != pytest.approx(0.1, rel=1e-5)) == learnt
    cold = module().space
    torch.nn.init.constant_(cold.log_temperature, -100)
    assert cold.temperature.item() == pytest.approx(0.01)


def loader(known: int = 40, shuffle: bool = False) -> DataLoader[tuple[Tensor, ...]]:
    source, target, pairs = tables()
    rows = pairs[:, :known]
    return DataLoader(TensorDataset(source[rows[0]], target[rows[1]], *rows), 16, shuffle=shuffle)


def module(**options: Any) -> DualEncoderModule:
    torch.manual_seed(0)
    return DualEncoderModule(6, 4, **{"hidden": 32, "dim": 8, "dropout": 0.0, **options})


def trainer(tmp_path: Path, **options: Any) -> L.Trainer:
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return L.Trainer(accelerator="cpu", default_root_dir=tmp_path, **{**off, **options})


def test_module_trains_and_measures(tmp_path: Path) -> None:
    ours, fit = module(), trainer(tmp_path, max_epochs=40)
    fit.fit(ours, loader(shuffle=True), loader())
    assert fit.callback_metrics["train/loss"] < 1.5
    assert fit.callback_metrics["val/recall@1"] > 0.5
    (result,) = trainer(tmp_path).test(ours, loader(), verbose=False)
    assert set(result) == {"test/loss", "test/recall@1"}
    batch = next(iter(loader()))
    with torch.inference_mode():
        found, wanted = ours.predict_step(batch, 0), ours(*batch[:2])
    assert found["source"].tolist() == [row for row in range(16) for _ in range(16)] and found["y"].isnan().all()
    assert torch.equal(found["score"], wanted[found["source"], found["target"]])
    assert found["score"].view(16, 16).diff(dim=1).max() <= 0 and wanted.shape == (16, 16)
    with torch.inference_mode():
        assert len(ours.predict_step((*tables(200)[:2], torch.arange(200), torch.arange(200)), 0)["y"]) == 200 * 100


def test_module_standardises_by_its_training_pairs(tmp_path: Path) -> None:
    source, target, _ = tables()
    ours = module()
    trainer(tmp_path, max_epochs=1).fit(ours, loader())
    for side, table in (("source", source), ("target", target)):
        torch.testing.assert_close(ours.space.get_buffer(f"{side}_mean"), table[:40].mean(0))
        torch.testing.assert_close(ours.space.get_buffer(f"{side}_scale"), table[:40].std(0, correction=0))
    kept = ours.space.get_buffer("source_mean").clone()
    trainer(tmp_path, max_epochs=1).fit(ours, loader(known=20))
    assert ours.space.get_buffer("source_mean").equal(kept)


def test_module_loads_from_its_checkpoint_and_refuses_another(tmp_path: Path) -> None:
    ours, fit = module(), trainer(tmp_path, max_epochs=1)
    fit.fit(ours, loader())
    fit.save_checkpoint(tmp_path / "own.ckpt")
    again = DualEncoderModule.load_from_checkpoint(tmp_path / "own.ckpt", weights_only=True)
    source, target, _ = tables()
    assert scores(again.space.eval(), source, target).equal(scores(ours.space.eval(), source, target))
    with pytest.raises(CheckpointError, match=r"found space.networks.*, wanted"):
        trainer(tmp_path).test(module(dim=9), loader(), ckpt_path=tmp_path / "own.ckpt", weights_only=True)
    with pytest.raises(DataError, match=r"DualEncoder: found hidden 32, dim 8, dropout 0\.0, temperature 0"):
        module(temperature=0)


def test_weight_decay_spares_biases_and_temperature() -> None:
    decayed, spared = module(learn_temperature=True).space.parameter_groups(0.5)
    assert isinstance(decayed["params"], list) and isinstance(spared["params"], list)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.5, 0.0)
    assert [len(decayed["params"]), len(spared["params"])] == [4, 5]
