from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch_geometric.data import HeteroData

from rrnet_lightning.datamodules.batches import Stage
from rrnet_lightning.datamodules.image import ImageDataModule
from rrnet_lightning.datamodules.raw_image import RawImageDataModule
from rrnet_lightning.datamodules.raw_sound import RawSoundDataModule
from rrnet_lightning.datamodules.sound import SoundDataModule
from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.build import build_graph, given_pairs
from rrnet_lightning.graph.schema import INTER
from rrnet_lightning.module import RRNetModule
from tests.datamodules.toy import Toy
from tests.fake import write_cifar_batches, write_esc, write_features


class Own(Toy):
    """A user's own task, whose rows and names may come in another order."""

    def __init__(self, order: Sequence[int] = range(8), change: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.order, self.change = order, change
        self.source_ids = [f"s{row}" for row in order]

    def stage_graph(self, stage: Stage) -> HeteroData:
        torch.rand(3)  # as a task may
        data = super().stage_graph(stage)
        inter, place = data[INTER], torch.tensor(self.order).argsort()
        y = inter.y.clone()
        if self.change is not None:
            y[self.change] += 1
        moved = torch.stack([place[inter.edge_index[0]], inter.edge_index[1]])
        pairs, row = given_pairs(moved, 8, 6)
        own = build_graph(data["source"].x[torch.tensor(self.order)], data["target"].x, pairs, y=y[row])
        own[INTER].observed, own[INTER].asked = inter.observed[row], inter.asked[row]
        return own


def trainer(folder: Path) -> L.Trainer:
    return L.Trainer(
        max_epochs=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        default_root_dir=folder,
    )


def test_a_task_of_ones_own_is_covered_in_python_too(tmp_path: Path) -> None:
    module = RRNetModule(4, 3, 1, 4, units=["inter"])
    fit = trainer(tmp_path)
    fit.fit(module, datamodule=Own())
    saved = tmp_path / "own.ckpt"
    fit.save_checkpoint(saved)
    trained, tested = (int((Own.part < 28).nonzero()[0]), int((Own.part >= 34).nonzero()[0]))
    for same in (Own(), Own(order=[3, 1, 0, 2, 7, 6, 5, 4]), Own(change=tested), Own(batch_size=3)):
        trainer(tmp_path).test(module, same, ckpt_path=saved, verbose=False)
    for run in (trainer(tmp_path).test, trainer(tmp_path).fit):
        with pytest.raises(DataError, match="the data is not that of the training"):
            run(module, datamodule=Own(change=trained), ckpt_path=saved)


def test_asking_for_it_changes_no_random_number() -> None:
    torch.manual_seed(0)
    wanted = torch.rand(2)
    torch.manual_seed(0)
    Own().state_dict()
    assert torch.rand(2).equal(wanted)


def learnt(data: Any) -> str:
    """What a checkpoint keeps of a datamodule's data."""
    data.setup("fit")
    return str(data.state_dict())


def test_of_digits_it_follows_from_the_seed() -> None:
    assert learnt(ImageDataModule(seed=1)) == learnt(ImageDataModule(seed=1))
    assert learnt(ImageDataModule(seed=1)) != learnt(ImageDataModule(seed=2))


def test_of_features_it_follows_from_roles_labels_and_space_not_from_the_folder(tmp_path: Path) -> None:
    def of(folder: str, sets: list[list[int]], fold: int = 1, **options: Any) -> str:
        if not (tmp_path / folder).exists():
            write_features(tmp_path / folder, "esc10", 3, sets, range(1, 5))
        few: dict[str, Any] = {"top_k": 2, "target_k": 1, "source_k": 2, "root": str(tmp_path)}
        return learnt(SoundDataModule("esc10", str(tmp_path / folder), fold=fold, **few, **options))

    one = of("a", [[1], [1, 2], [1, 3]])
    assert of("b", [[1], [1, 2], [1, 3]]) == one
    assert of("c", [[1], [1, 2]]) != one and of("a", [], val_fold=2) != one
    (tmp_path / "words.txt").write_text("".join(f"{word} {1 - 2 * (word == '2')} 0.5\n" for word in ("0", "1", "2")))
    assert of("a", [], word_vectors=str(tmp_path / "words.txt")) != one


def test_of_raw_samples_it_follows_from_files_labels_and_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        write_esc(tmp_path / name, "esc10", rate=4000)
        write_cifar_batches(tmp_path / name)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)
    for make in (
        lambda root, **o: RawSoundDataModule("esc10", 4000, root=str(tmp_path / root), classes=3, **o),
        lambda root, **o: RawImageDataModule(root=str(tmp_path / root), classes=3, **o),
    ):
        assert learnt(make("a")) == learnt(make("b"))
        assert learnt(make("a", left_out=[2])) != learnt(make("a"))


def test_of_images_it_follows_from_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar_batches(tmp_path)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)
    for name, other in (("train", True), ("test", False)):
        one, two = (RawImageDataModule(root=str(tmp_path), classes=3) for _ in range(2))
        two.setup("fit")
        two.raw.images[int(two.rows(name)[0]), 0, 0, 0] += 1  # type: ignore[attr-defined, arg-type]
        assert (learnt(one) != learnt(two)) is other
