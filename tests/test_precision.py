"""Lightning's ``precision``, through the command line."""

from pathlib import Path

import pytest
import torch

from rrnet_lightning.cli.command import main
from rrnet_lightning.module import RRNetModule
from tests.candidates.classifiers.test_backbone_module import CONFIG
from tests.command import mini, only_run, refused
from tests.fake import write_esc

WEIGHTS = {"64-true": torch.float64, "bf16-true": torch.bfloat16, "16-true": torch.float16}
WEIGHTS |= {"bf16-mixed": torch.float32, "16-mixed": torch.float32}
RATINGS = """
model: {class_path: CLASS, init_args: {rank: 2}}
data:
  class_path: SocialDataModule
  init_args: {dataset: filmtrust, root: data, evidence: false, attributes: random, random_dim: 1, steps_per_epoch: 1}
trainer: {max_epochs: 1, accelerator: cpu, default_root_dir: runs, enable_progress_bar: false, logger: false}
checkpoint: {monitor: val/rmse, mode: min}
"""


def last_weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(only_run(folder) / "checkpoints/last.ckpt", weights_only=True)[
        "state_dict"
    ]
    return {name: value for name, value in state.items() if value.is_floating_point()}


@pytest.mark.parametrize("precision", WEIGHTS)
def test_network_trains_and_is_tested(here: Path, precision: str, capsys: pytest.CaptureFixture[str]) -> None:
    sgd = ["--model.optimizer", "torch.optim.SGD", "--model.optimizer.lr", "0.01"]  # Adam's eps is 0 in float16
    main(mini("fit", "--trainer.precision", precision, *sgd))
    weights = last_weights(here)
    assert {value.dtype for value in weights.values()} == {WEIGHTS[precision]}
    assert all(value.isfinite().all() for value in weights.values())
    main(mini("test", "--trainer.precision", precision, "--ckpt_path", "last"))
    assert "test/rmse" in capsys.readouterr().out


@pytest.mark.parametrize("model", ["TrustSVD", "TrustMF", "LightGCN"])
@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_rating_model_trains(here: Path, precision: str, model: str) -> None:
    (here / "b.yaml").write_text(RATINGS.replace("CLASS", model))
    main(["fit", "--config", "b.yaml", "--trainer.precision", precision])
    assert {value.dtype for value in last_weights(here).values()} == {WEIGHTS[precision]}
    main(["test", "--config", "b.yaml", "--trainer.precision", precision, "--ckpt_path", "last"])


@pytest.mark.parametrize("precision", ["16-true", "bf16-true"])
def test_rating_model_wants_more_than_half_precision(
    here: Path, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "b.yaml").write_text(RATINGS.replace("CLASS", "BiasedMF"))
    message = refused(capsys, ["fit", "--config", "b.yaml", "--trainer.precision", precision])
    assert f"found {precision}" in message


@pytest.mark.parametrize("precision", WEIGHTS)
def test_backbone_trains(here: Path, precision: str) -> None:
    write_esc(here / "data", folds=3)
    (here / "b.yaml").write_text(CONFIG)
    main(["fit", "--config", "b.yaml", "--trainer.precision", precision, "--trainer.max_epochs", "1"])
    assert {value.dtype for value in last_weights(here).values()} == {WEIGHTS[precision]}


def test_metrics_count_in_float32_in_a_half_precision_trainer(tmp_path: Path) -> None:
    """bfloat16 has 8 binary digits: a mean over more than 256 batches would stop."""
    module = RRNetModule(2, 2).to(torch.bfloat16)
    module.on_test_epoch_start()
    mean = module.losses["test"]
    for _ in range(600):
        mean.update(torch.tensor(1.0))  # type: ignore[operator]
    assert mean.weight.item() == 600  # type: ignore[operator]
