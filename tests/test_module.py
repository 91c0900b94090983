import copy
import math
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import ReduceLROnPlateau

from rrnet_lightning.datamodules.social import SocialDataModule
from rrnet_lightning.errors import CheckpointError, DataError
from rrnet_lightning.module import RRNetModule, paper_sgd
from rrnet_lightning.objectives import MappingObjective, RatingObjective, rebuild
from rrnet_lightning.schedulers import WarmupCosineLR
from tests.fake import write_filmtrust
from tests.graphs import EDGE_DIM, random_graph

WIDTHS = 4, 3, EDGE_DIM  # of random_graph


def social(tmp_path: Path, **options: Any) -> SocialDataModule:
    if not (tmp_path / "filmtrust").exists():
        write_filmtrust(tmp_path)
    return SocialDataModule(root=str(tmp_path), **options)


def rating_module(data: SocialDataModule, **options: Any) -> RRNetModule:
    torch.manual_seed(0)
    widths = data.source_dim, data.target_dim, data.edge_dim
    return RRNetModule(*widths, 8, ("intra", "inter"), objective=RatingObjective(0.5, 4), **options)


def quiet(tmp_path: Path, **options: Any) -> L.Trainer:
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return L.Trainer(accelerator="cpu", default_root_dir=tmp_path, **{**off, **options})


def test_metrics_do_not_depend_on_batches(tmp_path: Path) -> None:
    """With all neighbours, for as many hops as there are units, mini-batches see what the full graph sees."""
    found = []
    for batch_size in (None, 1, 4, 100):
        data = social(tmp_path, batch_size=batch_size, fan_out=(-1, -1))
        found.append(quiet(tmp_path).validate(rating_module(data), data, verbose=False)[0])
    assert set(found[0]) == {"val/loss", "val/mae", "val/rmse"}
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-6)


def test_training_learns_and_logs(tmp_path: Path) -> None:
    """Also after ``validate``, whose inference mode must not spoil the metrics for ``fit``."""
    data = social(tmp_path, steps_per_epoch=10)
    module = rating_module(data, optimizer=lambda params: torch.optim.Adam(params, lr=0.01))
    quiet(tmp_path).validate(module, data, verbose=False)
    losses = []
    for epochs in (1, 15):
        trainer = quiet(tmp_path, max_epochs=epochs)
        trainer.fit(module, data)
        losses.append(trainer.callback_metrics["train/loss"].item())
    assert {"train/loss", "val/loss", "val/mae", "val/rmse"} <= trainer.callback_metrics.keys()
    assert losses[1] < 0.95 * losses[0]


def test_prediction_rows_are_the_supervised_pairs() -> None:
    data = random_graph(dtype=torch.float)
    data["source"].n_id, data["target"].n_id = torch.arange(8) + 100, torch.arange(6) + 200
    module = RRNetModule(*WIDTHS, prior=True, objective=MappingObjective("per_edge")).eval()
    rows = module.predict_step(data, 0)
    inter = data["source", "inter", "target"]
    assert torch.equal(rows["source"] - 100, inter.edge_index[0, inter.supervised])
    assert torch.equal(rows["target"] - 200, inter.edge_index[1, inter.supervised])
    assert torch.equal(rows["y"], inter.y[inter.supervised])
    torch.testing.assert_close(rows["score"], module(data)[inter.supervised].sigmoid())


def test_optimizer_and_scheduler() -> None:
    module = RRNetModule(*WIDTHS)
    (group,) = module.configure_optimizers().param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.01, 0.9, 5e-4)
    assert len(group["params"]) == len(list(module.parameters()))
    module = RRNetModule(*WIDTHS, scheduler=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 3))
    found = module.configure_optimizers()
    assert found["lr_scheduler"]["interval"] == "epoch" and found["lr_scheduler"]["scheduler"].step_size == 3


def plateau(optimizer: torch.optim.Optimizer) -> Any:
    return ReduceLROnPlateau(
        optimizer, monitor="val/loss", factor=0.1, patience=0, threshold=10.0
    )  # nothing is ever better


def test_a_scheduler_that_watches_a_metric_is_told_it(tmp_path: Path) -> None:
    data = social(tmp_path, steps_per_epoch=1)
    module = rating_module(data, scheduler=plateau)
    trainer = quiet(tmp_path, max_epochs=3)
    trainer.fit(module, data)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01 * 0.1**3)


def test_a_scheduler_that_does_not_say_what_it_watches_is_refused() -> None:
    module = RRNetModule(*WIDTHS, scheduler=torch.optim.lr_scheduler.ReduceLROnPlateau)
    with pytest.raises(MisconfigurationException, match=r"cli\.ReduceLROnPlateau with monitor"):
        module.configure_optimizers()


def test_a_schedule_over_the_training_is_stepped_every_step(tmp_path: Path) -> None:
    data = social(tmp_path, steps_per_epoch=4)
    trainer = quiet(tmp_path, max_epochs=2, max_steps=7)
    trainer.fit(rating_module(data, scheduler=WarmupCosineLR), data)
    done = 7.5 / 7  # the rate of the step after the last
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.005 * (1 + math.cos(math.pi * min(1, done))))
    with pytest.raises(MisconfigurationException, match=r"Set --trainer\.max_epochs"):
        quiet(tmp_path, max_epochs=-1).fit(rating_module(data, scheduler=WarmupCosineLR), data)


def test_features_of_any_width_of_number_are_read(tmp_path: Path) -> None:
    module = RRNetModule(*WIDTHS)
    narrow, exact = random_graph(dtype=torch.float), random_graph(dtype=torch.double)
    torch.testing.assert_close(module(exact), module(narrow))
    assert exact["source"].x.dtype == torch.double  # the user's graph stays as it is


def test_checkpoint_of_a_module_built_in_python(tmp_path: Path) -> None:
    """It loads with weights_only; the objective is in it by name and options, and no other object is."""
    data, trainer = social(tmp_path, steps_per_epoch=1), quiet(tmp_path, max_epochs=1)
    module = rating_module(data, optimizer=paper_sgd)
    trainer.fit(module, data)
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    loaded = RRNetModule.load_from_checkpoint(tmp_path / "own.ckpt", weights_only=True)
    assert isinstance(loaded.objective, RatingObjective) and loaded.hparams["hidden_dim"] == 8
    assert loaded.objective.options() == module.objective.options() and "optimizer" not in loaded.hparams
    (batch,) = data.test_dataloader()
    rows, wanted = (each.eval().predict_step(batch, 0) for each in (loaded, module))
    assert torch.equal(rows["score"], wanted["score"])
    objective = RatingObjective(0.5, 4, "mse")
    given = RRNetModule.load_from_checkpoint(tmp_path / "own.ckpt", weights_only=True, objective=objective)
    assert given.objective is objective


class OwnObjective(MappingObjective):
    """A user's: it does not say its options."""

    def options(self) -> Any:
        return None


def test_an_objective_that_cannot_be_made_anew_is_asked_for(tmp_path: Path) -> None:
    module = RRNetModule(*WIDTHS, objective=OwnObjective())
    kept = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    torch.save({**kept, "pytorch-lightning_version": L.__version__}, tmp_path / "own.ckpt")
    with pytest.raises(CheckpointError, match=r"OwnObjective, which does not say its options.*objective="):
        RRNetModule.load_from_checkpoint(tmp_path / "own.ckpt", weights_only=True)
    with pytest.raises(CheckpointError, match=r"found a\.Stranger, which is not imported"):
        rebuild({"class_path": "a.Stranger", "init_args": {}})


def test_other_weights_are_named() -> None:
    module, wider = RRNetModule(*WIDTHS), RRNetModule(*WIDTHS, hidden_dim=17)
    deeper = RRNetModule(*WIDTHS, units=("intra", "inter", "inter"))
    with pytest.raises(CheckpointError, match=r"found network.* \(17, .*wanted \(16, .*use the config.yaml beside it"):
        module.on_load_checkpoint({"state_dict": wider.state_dict()})
    with pytest.raises(CheckpointError, match=r"found network\S+ missing, wanted \("):
        deeper.on_load_checkpoint({"state_dict": module.state_dict()})
    with pytest.raises(CheckpointError, match=r"found network\S+ \(.*\), wanted none"):
        module.on_load_checkpoint({"state_dict": deeper.state_dict()})


def test_an_empty_stage_ends_before_training(tmp_path: Path) -> None:
    data = social(tmp_path, val_share=0.0)
    with pytest.raises(DataError, match="val: no pair is to be predicted"):
        quiet(tmp_path, max_epochs=1).fit(rating_module(data), data)


def test_a_copy_shares_what_makes_its_optimizer() -> None:
    """Weight averaging copies the module: what the command line hangs on to its callables must stay behind."""

    class Maker:  # an instance, as the command line's are: functions are never copied
        def __call__(self, parameters: object) -> None: ...

    model = RRNetModule(2, 2, optimizer=Maker())  # type: ignore[arg-type]
    twin = copy.deepcopy(model)
    assert twin.optimizer is model.optimizer and twin.network is not model.network
    assert all(torch.equal(a, b) for a, b in zip(twin.parameters(), model.parameters(), strict=True))
