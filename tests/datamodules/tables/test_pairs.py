"""Known pairs in mini-batches, for a trained space alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rrnet_lightning.datamodules import LabelledPairsDataModule, TablePairsDataModule, TablesDataModule
from rrnet_lightning.errors import DataError
from tests.fake import write_tables

Files = tuple[str, str, str]


def named(files: Files) -> dict[str, Any]:
    return dict(zip(("source_path", "target_path", "pairs_path"), files, strict=True))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    write_tables(tmp_path)
    return str(tmp_path / "source.npy"), str(tmp_path / "target.npy"), str(tmp_path / "pairs.csv")


@pytest.mark.parametrize("split", ["both", "pairs"])
def test_pairs_are_split_as_those_of_the_graphs(files: Files, split: Any) -> None:
    data = TablePairsDataModule(**named(files), split=split, seed=3)
    graphs = TablesDataModule(**named(files), split=split, seed=3, folds=3)
    data.setup()
    graphs.setup()
    assert torch.equal(data.part, graphs.part) and data.state_dict() == graphs.state_dict()


def test_a_batch_holds_both_ends_of_known_pairs(files: Files) -> None:
    Path(files[2]).write_text("source,target\n" + "".join(f"{row},{119 - row}\n" for row in range(120)))
    data = TablePairsDataModule(**named(files), batch_size=32, unit_rows=False)
    assert (data.source_dim, data.target_dim) == (8, 10)
    tables = [torch.from_numpy(np.load(file)) for file in files[:2]]
    found = []
    for stage, size in (("train", 84), ("val", 12), ("test", 24)):
        batches = list(getattr(data, f"{stage}_dataloader")())
        rows = torch.cat([source for _, _, source, _ in batches])
        assert len(rows) == size and len(batches) == -(-size // 32)
        for source_x, target_x, source, target in batches:
            assert torch.equal(source + target, torch.full_like(source, 119))
            assert torch.equal(source_x, tables[0][source]) and torch.equal(target_x, tables[1][target])
        found += rows.tolist()
    assert sorted(found) == list(range(120))


def test_a_batch_ends_with_the_classes_of_both_ends(files: Files) -> None:
    paths: dict[str, Any] = {
        side: str(Path(files[2]).with_name(f"{side}.csv")) for side in ("source_labels", "target_labels")
    }
    Path(paths["source_labels"]).write_text("id,label\n" + "".join(f"{row},{row // 60}\n" for row in range(120)))
    Path(paths["target_labels"]).write_text("id,label\n" + "".join(f"{row},{row % 2}\n" for row in range(120)))
    data = LabelledPairsDataModule(**named(files), **paths)
    assert data.num_classes == 2
    for _, _, source, target, *classes in data.test_dataloader():
        for found, label in zip(classes, (source // 60, target % 2), strict=True):
            assert torch.equal(found, torch.nn.functional.one_hot(label, 2).bool())
    Path(paths["source_labels"]).write_text("id,label\n5,1\n6,0\n")
    with pytest.raises(DataError, match=r"source_labels: found 8\d known rows without a class .* training learns from"):
        LabelledPairsDataModule(**named(files), **paths).setup()


def test_all_sources_are_predicted_among_all_targets(files: Files) -> None:
    data = TablePairsDataModule(**named(files))
    data.setup()
    ((source_x, target_x, source, target),) = data.predict_dataloader()
    assert source.tolist() == target.tolist() == list(range(120)) and (source_x.shape, target_x.shape) == (
        (120, 8),
        (120, 10),
    )


def test_a_part_without_pairs_is_named(files: Files) -> None:
    rows = [f"{row},{row},{'train' if row else 'test'}\n" for row in range(120)]
    Path(files[2]).write_text("source,target,split\n" + "".join(rows))
    data = TablePairsDataModule(**named(files))
    data.setup()
    with pytest.raises(DataError, match="val: no known pair, the split leaves it empty"):
        data.val_dataloader()
    with pytest.raises(DataError, match="batch_size: found 0"):
        TablePairsDataModule(**named(files), batch_size=0)
