"""Lightning's ``--trainer.overfit_batches`` on graphs and on raw samples: fixed steps, or one line that refuses."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
from lightning.pytorch.callbacks import Callback

from rrnet_lightning.candidates.classifiers.module import BackboneModule
from rrnet_lightning.datamodules.raw_sound import RawSoundDataModule
from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.schema import INTER
from rrnet_lightning.module import RRNetModule
from tests.datamodules.toy import Toy
from tests.fake import write_esc
from tests.tiny_backbone import TinySound


class Watch(Callback):
    """Keeps what each training step was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, *args: Any) -> None:
        asked = batch[2] if isinstance(batch, tuple | list) else batch[INTER].supervised.int()
        self.asked.append(asked.tolist())


def fit(module: L.LightningModule, data: L.LightningDataModule, share: float) -> list[list[int]]:
    watch = Watch()
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=3,
        overfit_batches=share,
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)
    return watch.asked


def network() -> RRNetModule:
    return RRNetModule(4, 3, 1, hidden_dim=4)


@pytest.mark.parametrize("options", [{"batch_size": 2}, {"steps_per_epoch": 4}], ids=["sampled", "full graph"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_graphs_are_overfitted_by_fixed_steps(options: dict[str, Any]) -> None:
    first, second, *rest = fit(network(), Toy(**options), 2)
    assert rest == [first, second] * 2 and first != second
    assert len(fit(network(), Toy(**options), 1)) == 3


def test_less_than_a_batch_is_refused() -> None:
    with pytest.raises(DataError, match=r"overfit_batches: found 0\.1 of \d batch.*Give a whole number"):
        fit(network(), Toy(batch_size=2), 0.1)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_raw_samples_are_overfitted_by_fixed_steps(tmp_path: Path) -> None:
    write_esc(tmp_path, folds=3)
    data = RawSoundDataModule(
        dataset="esc50", root=str(tmp_path), rate=8000, classes=3, batch_size=4, left_out=[3, 1], val_fold=1
    )
    module = BackboneModule(TinySound(3))
    first, *rest = fit(module, data, 1)
    assert rest == [first] * 2 and len(first) == 4
