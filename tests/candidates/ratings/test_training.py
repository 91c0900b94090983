from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.cli import ReduceLROnPlateau
from torch import Tensor

from rrnet_lightning.candidates.ratings.base import RatingBaseline
from rrnet_lightning.candidates.ratings.factorisation import BiasedMF, SVDpp
from rrnet_lightning.candidates.ratings.lightgcn import LightGCN
from rrnet_lightning.candidates.ratings.social import SocialMF, SoReg, TrustMF, TrustSVD
from rrnet_lightning.datamodules.social import SocialDataModule
from rrnet_lightning.errors import CheckpointError, DataError, OptionError
from tests.fake import write_filmtrust, write_lines

MODELS = [BiasedMF, SVDpp, SoReg, SocialMF, TrustMF, TrustSVD, LightGCN]


def social(tmp_path: Path, **options: Any) -> SocialDataModule:
    if not (tmp_path / "filmtrust").exists():
        write_filmtrust(tmp_path)
    plain = {"evidence": False, "attributes": "random", "random_dim": 1, "trust": "truster", "steps_per_epoch": 1}
    return SocialDataModule(root=str(tmp_path), **{**plain, **options})


def quiet(tmp_path: Path, **options: Any) -> L.Trainer:
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return L.Trainer(accelerator="cpu", default_root_dir=tmp_path, **{**off, **options})


def fitted(cls: type[RatingBaseline], data: SocialDataModule, tmp_path: Path, epochs: int = 2) -> RatingBaseline:
    torch.manual_seed(0)
    model = cls(rank=2, batch_size=50, optimizer=lambda params: torch.optim.Adam(params, lr=0.02))
    quiet(tmp_path, max_epochs=epochs).fit(model, data)
    return model


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("cls", MODELS)
def test_only_training_ratings_are_learnt_from(cls: type[RatingBaseline], tmp_path: Path) -> None:
    """Other validation and test ratings: bit-identical parameters. Another training rating: other ones."""
    found = []
    for part in (None, "val", "test", "train"):
        data = social(tmp_path)
        data.setup()
        if part is not None:
            rows = getattr(data.split, part)
            rows = rows[:1] if part == "train" else rows
            data.ratings.rating[rows] = 4.5 - data.ratings.rating[rows]
        found.append(fitted(cls, data, tmp_path).state_dict())
    assert same(found[0], found[1]) and same(found[0], found[2])
    assert not same(found[0], found[3])


@pytest.mark.parametrize("cls", MODELS)
def test_training_learns(cls: type[RatingBaseline], tmp_path: Path) -> None:
    losses = []
    for epochs in (1, 30):
        model = fitted(cls, social(tmp_path), tmp_path, epochs)
        losses.append(model.trainer.callback_metrics["train/loss"].item())
    assert losses[1] < 0.7 * losses[0]
    assert {"val/mae", "val/rmse"} <= model.trainer.callback_metrics.keys()


def test_one_step_is_the_gradient_of_error_and_penalty(tmp_path: Path) -> None:
    """One mini-batch of all ratings with SGD: rows move by -lr times the gradient of mean error + penalty / R."""
    data = social(tmp_path)
    torch.manual_seed(0)
    model = BiasedMF(2, 0.3, batch_size=1000, optimizer=lambda params: torch.optim.SGD(params, lr=0.5))
    trainer = quiet(tmp_path, max_epochs=1, limit_val_batches=0)
    model._trainer = trainer
    trainer.datamodule = data  # type: ignore[attr-defined]
    data.setup()
    model.configure_model()
    rows = data.split.train
    user, item, rating = data.ratings.user[rows], data.ratings.item[rows], data.ratings.rating[rows]
    (model.error(user, item, rating) + model.penalty() / len(rows)).backward()
    wanted = {name: p.detach() - 0.5 * p.grad for name, p in model.named_parameters() if p.grad is not None}
    trainer.fit(model, data)
    assert trainer.global_step == 1
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), wanted[name])


def test_metrics_do_not_depend_on_batches(tmp_path: Path) -> None:
    model = fitted(TrustSVD, social(tmp_path), tmp_path)
    found = [
        quiet(tmp_path).validate(model, social(tmp_path, **options), verbose=False)[0]
        for options in ({}, {"batch_size": 4}, {"evidence": True, "mask_ratio": 0.5, "attributes": "statistics"})
    ]
    assert set(found[0]) == {"val/mae", "val/rmse"}
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-6)


def test_sampled_batches_train_on_every_rating(tmp_path: Path) -> None:
    """Users in batches: together they ask for the ratings that one batch of all users asks for."""
    seen: list[list[tuple[int, int, float]]] = []

    class Watched(BiasedMF):
        def error(self, user: Tensor, item: Tensor, rating: Tensor) -> Tensor:
            seen[-1] += zip(user.tolist(), item.tolist(), rating.tolist(), strict=True)
            return super().error(user, item, rating)

    for batch_size in (None, 7):
        seen.append([])
        fitted(Watched, social(tmp_path, batch_size=batch_size), tmp_path, epochs=1)
    assert sorted(seen[0]) == sorted(seen[1]) and len(seen[0]) > 100
    assert seen[0] != seen[1]


def test_resumed_run_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    def fit(epochs: int, **options: Any) -> L.Trainer:
        torch.manual_seed(0)
        model = BiasedMF(2, batch_size=50, scheduler=lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 4))
        trainer = quiet(tmp_path, max_epochs=epochs)
        trainer.fit(model, social(tmp_path), **options)
        return trainer

    whole, half = fit(4).lightning_module.state_dict(), fit(2)
    half.save_checkpoint(tmp_path / "half.ckpt")
    assert not same(whole, half.lightning_module.state_dict())
    resumed = fit(4, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert same(whole, resumed.lightning_module.state_dict())


def test_a_scheduler_that_watches_a_metric_is_told_it(tmp_path: Path) -> None:
    def fit(monitor: str) -> float:
        model = BiasedMF(
            2,
            optimizer=lambda params: torch.optim.SGD(params, lr=1e-3),
            scheduler=lambda o: ReduceLROnPlateau(o, monitor=monitor, factor=0.1, patience=0, threshold=10.0),
        )
        trainer = quiet(tmp_path, max_epochs=3)
        trainer.fit(model, social(tmp_path))
        return float(trainer.optimizers[0].param_groups[0]["lr"])

    assert fit("val/rmse") == pytest.approx(1e-6)  # nothing is ever better
    with pytest.raises(OptionError, match=r"found monitor val/mea, wanted one of .*val/mae"):
        fit("val/mea")


def test_predictions_stay_on_the_scale(tmp_path: Path) -> None:
    data = social(tmp_path)
    model = fitted(BiasedMF, data, tmp_path)
    with torch.no_grad():
        model.get_parameter("user_bias.rows").mul_(1000)
    (batch,) = data.test_dataloader()
    rows = model.predict_step(batch, 0)
    assert {0.5, 4.0} <= set(rows["score"].tolist()) and rows["score"].min() >= 0.5 and rows["score"].max() <= 4.0
    test = data.split.test
    asked = (data.ratings.user[test], data.ratings.item[test], data.ratings.rating[test])
    answered = (rows["source"], rows["target"], rows["y"])
    pairs, told = (sorted(zip(*(c.tolist() for c in columns), strict=True)) for columns in (asked, answered))
    assert pairs == told


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("kind", ["constant", "one user", "one item", "no trust"])
def test_poor_data_gives_finite_answers(kind: str, cls: type[RatingBaseline], tmp_path: Path) -> None:
    users, items = (1, 12) if kind == "one user" else (12, 1) if kind == "one item" else (6, 5)
    rows = [(u, i, 3.0 if kind == "constant" else 1.0 + (u + i) % 3) for u in range(users) for i in range(items)]
    write_lines(tmp_path / "own.txt", rows)
    write_lines(tmp_path / "trust.txt", [] if kind == "no trust" else [(0, 1), (0, 99), (2, 2)])
    trust = None if kind == "no trust" else str(tmp_path / "trust.txt")
    data = social(tmp_path, ratings_path=str(tmp_path / "own.txt"), trust_path=trust)
    model = fitted(cls, data, tmp_path)
    found = quiet(tmp_path).test(model, data, verbose=False)[0]
    assert all(0 <= value < 3 for value in found.values()) and len(found) == 2
    if kind == "constant":
        assert found["test/mae"] == 0


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"BiasedMF: found rank 0, batch_size 256, decay 0.05, wanted at least 1"):
        BiasedMF(rank=0)
    with pytest.raises(DataError, match="SoReg: found social -1, wanted at least 0"):
        SoReg(social=-1)
    with pytest.raises(DataError, match="LightGCN: found 0 layers"):
        LightGCN(layers=0)
    with pytest.raises(DataError, match="found no trainer"):
        BiasedMF().configure_model()
    model = BiasedMF()
    model._trainer = SimpleNamespace(world_size=2)  # type: ignore[assignment]
    with pytest.raises(DataError, match="devices: found 2 processes, wanted 1"):
        model.configure_model()
    with pytest.raises(DataError, match="found LightningDataModule, wanted SocialDataModule"):
        quiet(tmp_path, max_epochs=1).fit(BiasedMF(), datamodule=L.LightningDataModule())


def test_weights_of_another_model_are_named(tmp_path: Path) -> None:
    data = social(tmp_path)
    model = fitted(BiasedMF, data, tmp_path)
    model.trainer.save_checkpoint(tmp_path / "own.ckpt")
    with pytest.raises(CheckpointError, match=r"found (user|item).rows \(\d+, 2\), wanted \(\d+, 3\)"):
        quiet(tmp_path).test(BiasedMF(rank=3), data, ckpt_path=tmp_path / "own.ckpt", weights_only=True)
