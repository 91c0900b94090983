import copy
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from rrnet_lightning.candidates.classifiers.checksum import weights_checksum
from rrnet_lightning.candidates.classifiers.module import BackboneModule, start_from
from rrnet_lightning.candidates.classifiers.sound_augment import ten_crops
from rrnet_lightning.candidates.features import read_features
from rrnet_lightning.cli.command import main
from rrnet_lightning.datamodules.raw_sound import RawSoundDataModule
from rrnet_lightning.errors import DataError
from tests.command import only_run, refused
from tests.fake import write_esc
from tests.tiny_backbone import TinySound

CONFIG = """
seed_everything: 0
model:
  class_path: BackboneModule
  init_args:
    backbone: {class_path: tests.tiny_backbone.TinySound, init_args: {classes: 3}}
    optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 0.05}}
    scheduler: {class_path: WarmupCosineLR, init_args: {warmup: 0.2}}
data:
  class_path: RawSoundDataModule
  init_args: {dataset: esc50, root: data, rate: 8000, classes: 3, left_out: [2, 3], val_fold: 3, batch_size: 4}
trainer: {max_epochs: 3, accelerator: cpu, default_root_dir: runs, enable_progress_bar: false, logger: false}
checkpoint: {monitor: null}
"""


class Seen(Callback):
    """The rows of all training batches."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.rows += batch[2].tolist()


class Halve(nn.Module):
    """Halves samples and targets, and counts its calls."""

    calls = 0

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        return x / 2, target / 2


def trainer(**options: Any) -> L.Trainer:
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return L.Trainer(accelerator="cpu", enable_model_summary=False, **quiet, **options)


@pytest.fixture
def data(tmp_path: Path) -> RawSoundDataModule:
    write_esc(tmp_path / "data", folds=3)
    return RawSoundDataModule("esc50", 8000, str(tmp_path / "data"), left_out=[2, 3], batch_size=4, classes=3)


def test_no_sample_of_a_fold_left_out_is_trained_on(data: RawSoundDataModule) -> None:
    torch.manual_seed(0)
    seen = Seen()
    module = BackboneModule(TinySound(3), optimizer=torch.optim.AdamW)
    trainer(max_epochs=6, callbacks=[seen]).fit(module, datamodule=data)
    assert set(data.raw.fold[seen.rows].tolist()) == {1} and len(set(seen.rows)) == 6
    (optimizer,) = [module.optimizers(use_pl_optimizer=False)]
    decays = {tuple(p.dim() for p in group["params"]): group["weight_decay"] for group in optimizer.param_groups}  # type: ignore[union-attr]
    assert decays == {(2,): 0.01, (1, 1, 1): 0.0}
    assert optimizer.param_groups[0]["lr"] == 0  # type: ignore[union-attr]


def test_loss_is_of_augmented_soft_targets() -> None:
    augment = Halve()
    module = BackboneModule(TinySound(3), augment, label_smoothing=0.3)
    module.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    x, label = torch.randn(4, 800), torch.tensor([0, 1, 2, 0])
    loss = module.training_step((x, label, label), 0)
    target = 0.7 * torch.nn.functional.one_hot(label, 3) / 2 + 0.3 / 3  # torch smooths after the halving
    expected = -(target * module.backbone(x / 2).log_softmax(1)).sum(1).mean()
    assert augment.calls == 1 and loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_crops_give_mean_features_and_mean_probabilities() -> None:
    module = BackboneModule(TinySound(3, window=500), crops=3).eval()
    x = torch.randn(2, 800)
    crops = ten_crops(x, 500, 3, pad=True).unbind(1)
    features, log_probs = module.score(x)
    expected = torch.stack([module.backbone.features(crop) for crop in crops])
    assert torch.allclose(features, expected.mean(0), atol=1e-6)
    probs = torch.stack([module.backbone(crop).softmax(1) for crop in crops]).mean(0)
    assert torch.allclose(log_probs.exp(), probs, atol=1e-6)
    whole = BackboneModule(TinySound(3), crops=3).eval()
    assert torch.equal(whole.score(x)[0], whole.backbone.features(x))


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (TinySound(4), "found one for 4 classes, wanted the 3 of the data. Set --model.backbone.classes 3"),
        (TinySound(3, rate=16000), "sounds of 16000 Hz, but the data are sounds of 8000 Hz. Choose --data.rate 16000"),
    ],
)
def test_backbone_for_other_data_is_refused(data: RawSoundDataModule, backbone: TinySound, message: str) -> None:
    with pytest.raises(DataError, match=message):
        trainer(max_epochs=1).fit(BackboneModule(backbone), datamodule=data)


@pytest.mark.parametrize("options", [{"crops": 0}, {"label_smoothing": 1.5}])
def test_option_outside_its_range_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=next(iter(options))):
        BackboneModule(TinySound(3), **options)


def test_checksum_follows_the_weights_and_a_copy_has_the_same() -> None:
    module = BackboneModule(TinySound(3))
    before = weights_checksum(module.backbone)
    assert weights_checksum(copy.deepcopy(module).backbone) == before
    with torch.no_grad():
        module.backbone.get_parameter("head.bias")[0] += 1
    assert weights_checksum(module.backbone) != before


def test_command_line_trains_tests_and_writes_features(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_esc(here / "data", folds=3)
    (here / "b.yaml").write_text(CONFIG)
    main(["fit", "--config", "b.yaml"])
    whole = torch.load(only_run(here) / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    main(["test", "--config", "b.yaml", "--ckpt_path", "last"])
    assert "test/accuracy" in capsys.readouterr().out
    main(["predict", "--config", "b.yaml", "--ckpt_path", "last"])
    found = read_features(only_run(here) / "features.npy")
    assert (found.left_out, found.backbone, found.dataset, len(found.ids)) == ((2, 3), "TinySound", "esc50", 18)
    module = BackboneModule(TinySound(3))
    module.load_state_dict(whole)
    assert found.checksum == weights_checksum(module.backbone) and len(found.recipe) == 64
    data = RawSoundDataModule("esc50", 8000, "data", left_out=[2, 3], classes=3)
    x = data.read().samples(slice(None))
    features, logits = module.eval().score(x)
    assert torch.allclose(found.features, features, atol=1e-5) and torch.allclose(found.logits, logits, atol=1e-5)
    with pytest.raises(SystemExit):
        few = ["--trainer.limit_predict_batches", "1", "--predictions.path", "few.npy"]
        main(["predict", "--config", "b.yaml", "--ckpt_path", "last", *few])
    assert "found 4 of 18 samples" in capsys.readouterr().err and not (here / "few.npy").exists()
    monkeypatch.delattr(BackboneModule, "score")  # nothing may be predicted
    for path in ("features.parquet", ".", "b.yaml/x.npy"):
        assert "--predictions.path" in refused(
            capsys, ["predict", "--config", "b.yaml", "--ckpt_path", "last", "--predictions.path", path]
        )


def test_resumed_training_ends_as_the_uninterrupted(here: Path) -> None:
    write_esc(here / "data", folds=3)
    constant = CONFIG.replace("{class_path: WarmupCosineLR, init_args: {warmup: 0.2}}", "null")
    (here / "b.yaml").write_text(constant)
    main(["fit", "--config", "b.yaml"])
    (whole,) = (here / "runs").iterdir()
    main(["fit", "--config", "b.yaml", "--trainer.default_root_dir", "part", "--trainer.max_epochs", "1"])
    last = ["--ckpt_path", "last", "--trainer.default_root_dir", "part"]
    main(["fit", "--config", "b.yaml", *last])
    (part,) = (here / "part").iterdir()
    ours, theirs = (torch.load(run / "checkpoints/last.ckpt", weights_only=True) for run in (whole, part))
    assert ours["epoch"] == theirs["epoch"] == 2
    assert all(torch.equal(value, theirs["state_dict"][name]) for name, value in ours["state_dict"].items())


def test_training_starts_from_the_weights_of_another_run(data: RawSoundDataModule, tmp_path: Path) -> None:
    """All layers that fit; the output of other classes starts anew."""
    torch.manual_seed(0)
    other, module = BackboneModule(TinySound(5)), BackboneModule(TinySound(3), weights=str(tmp_path / "o.ckpt"))
    torch.save({"state_dict": other.state_dict()}, tmp_path / "o.ckpt")
    before = {name: value.clone() for name, value in module.backbone.state_dict().items()}
    module._trainer = trainer()
    module.setup("fit")
    for name, value in module.backbone.state_dict().items():
        theirs = other.backbone.state_dict()[name]
        assert torch.equal(value, theirs if theirs.shape == value.shape else before[name]), name
    assert any(value.shape != other.backbone.state_dict()[name].shape for name, value in before.items())


@pytest.mark.parametrize("content", [None, {"epoch": 1}, {"state_dict": {"backbone.other": torch.ones(2)}}])
def test_weights_that_are_none_are_refused(tmp_path: Path, content: dict[str, Any] | None) -> None:
    if content is not None:
        torch.save(content, tmp_path / "o.ckpt")
    with pytest.raises(DataError, match=r"weights: .*o\.ckpt: .*--model\.weights"):
        start_from(TinySound(3), str(tmp_path / "o.ckpt"))


@pytest.mark.parametrize(("theirs", "ours", "fine"), [([1, 2], [1], True), ([2], [1], False), ([1], [1, 2], False)])
def test_weights_that_saw_a_fold_left_out_are_refused(
    tmp_path: Path, theirs: list[int], ours: list[int], fine: bool
) -> None:
    file = tmp_path / "last.ckpt"
    config = {"data": {"init_args": {"left_out": theirs}}}
    torch.save({"state_dict": BackboneModule(TinySound(3)).state_dict(), "rrnet_config": config}, file)
    if fine:
        start_from(TinySound(3), str(file), ours)
        return
    with pytest.raises(DataError, match="which this one must not see"):
        start_from(TinySound(3), str(file), ours)
