"""DSCMR as a module: what it learns, logs and refuses."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from rrnet_lightning.candidates.retrieval import DSCMR, DSCMRModule
from rrnet_lightning.candidates.retrieval.trained import Known
from rrnet_lightning.errors import DataError
from tests.candidates.retrieval.tables import labels, scores, tables


def loader(rows: slice, shuffle: bool = False) -> DataLoader[tuple[Tensor, ...]]:
    source, target, pairs = tables(120, 120)
    member = labels(120)
    parts = source, target, *pairs, member["source"], member["target"]
    return DataLoader(TensorDataset(*(part[rows] for part in parts)), 40, shuffle=shuffle)


def module(**options: Any) -> DSCMRModule:
    torch.manual_seed(0)
    return DSCMRModule(6, 4, **{"num_classes": 3, "hidden": 32, "dim": 8, **options})


def quick(params: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(params, lr=1e-2)


def trainer(tmp_path: Path, **options: Any) -> L.Trainer:
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return L.Trainer(accelerator="cpu", default_root_dir=tmp_path, **{**off, **options})


def test_module_ranks_new_rows_by_class(tmp_path: Path) -> None:
    ours, new = module(standardize=True, optimizer=quick), loader(slice(80, None))
    (before,) = trainer(tmp_path).test(ours, new, verbose=False)
    trainer(tmp_path, max_epochs=40).fit(ours, loader(slice(80), shuffle=True), new)
    (after,) = trainer(tmp_path).test(ours, new, verbose=False)
    assert set(after) == {"test/loss", "test/recall@1", "test/map"}
    assert after["test/map"] > 0.7 > before["test/map"] and after["test/loss"] < before["test/loss"]
    source, target, *rows = next(iter(new))[:4]
    assert len(ours.predict_step((source, target, *rows), 0)["score"]) == 40 * 40


def test_features_come_as_they_are_unless_asked(tmp_path: Path) -> None:
    for standardize in (False, True):
        ours = module(standardize=standardize)
        trainer(tmp_path, max_epochs=1).fit(ours, loader(slice(80)))
        assert bool(ours.space.get_buffer("source_mean").any()) is standardize


def test_loss_is_that_of_the_generator() -> None:
    ours, (source, target, pairs), member = module(), tables(), labels()
    classes = torch.stack([member["source"][:40], member["target"][:40]])
    known = Known(source[:40], target[:40], pairs, torch.ones(40), classes)
    wanted = DSCMR().loss(ours.space, known, torch.arange(40))
    found, u, v = ours.learn((source[:40], target[:40], *pairs, *classes))
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(u @ v.T, scores(ours.space, source[:40], target[:40]))


def test_module_loads_from_its_checkpoint(tmp_path: Path) -> None:
    ours, fit = module(), trainer(tmp_path, max_epochs=1)
    fit.fit(ours, loader(slice(80)))
    fit.save_checkpoint(tmp_path / "own.ckpt")
    again = DSCMRModule.load_from_checkpoint(tmp_path / "own.ckpt", weights_only=True)
    source, target, _ = tables()
    assert scores(again.space.eval(), source, target).equal(scores(ours.space.eval(), source, target))


def test_what_it_cannot_learn_from_is_named() -> None:
    with pytest.raises(DataError, match="source_labels, target_labels: found 0 classes, wanted at least 2"):
        module(num_classes=0)
    with pytest.raises(DataError, match="source_labels, target_labels: found no classes, wanted both"):
        module().learn(next(iter(loader(slice(80))))[:4])
    with pytest.raises(DataError, match=r"DSCMR: found lam -1, eta 0.1, wanted at least 0"):
        module(lam=-1)
