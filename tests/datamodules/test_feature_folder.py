from pathlib import Path

import pytest

from rrnet_lightning.candidates.features import Features, read_features
from rrnet_lightning.datamodules.feature_folder import FeatureFolder
from tests.fake import write_features


def test_files_are_read_once_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_features(tmp_path, "esc50", 3, [(1,), (1, 2), (2,)], (1, 2, 3))
    opened: list[str] = []

    def reading(file: Path) -> Features:
        opened.append(file.name)
        return read_features(file)

    monkeypatch.setattr("rrnet_lightning.candidates.views.read_features", reading)
    folder = FeatureFolder("esc50", str(tmp_path), 1, None, True, None, None)
    assert folder.width == 3 and len(folder.class_names) == 3
    assert len(folder.views(transductive=False)) == 2
    assert sorted(opened) == ["without_1.npy", "without_1_2.npy", "without_2.npy"]
    assert folder.width == 3 and len(opened) == 3 and "_files" not in vars(folder)
