"""Pictures and texts as two tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rrnet_lightning.candidates.retrieval import CCA
from rrnet_lightning.data.paired.sets import read_paired
from rrnet_lightning.data.paired.text_features import BagOfWords, Lsa
from rrnet_lightning.data.tables.split import Part
from rrnet_lightning.datamodules import RetrievalDataModule
from rrnet_lightning.errors import DataError
from tests import fake_paired as fake


def emoji(root: Path, **options: Any) -> RetrievalDataModule:
    chosen: dict[str, Any] = {"text": [Lsa(2, pairs=False, min_texts=1)], "labels": "subgroup", "generator": CCA()}
    return RetrievalDataModule(dataset="emoji", root=str(root), **(chosen | {"folds": 2, "top_k": 3} | options))


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Miniature sets have other counts than the published ones."""
    for reader in ("emoji", "flickr8k", "pascal_sentence", "wikipedia"):
        monkeypatch.setattr(f"rrnet_lightning.data.paired.{reader}.check_counts", lambda *args: None)


def test_features_lie_side_by_side_each_of_unit_length(tmp_path: Path) -> None:
    fake.write_pascal_sentence(tmp_path, 30)
    options: dict[str, Any] = {"image": ["lite0"], "text": ["bert", Lsa(2, min_texts=1)], "labels": "class"}
    data = RetrievalDataModule(
        dataset="pascal_sentence", root=str(tmp_path), stored_split="1", folds=2, unit_rows=False, **options
    )
    data.setup()
    bert = torch.nn.functional.normalize(torch.from_numpy(fake.features(30, 4)).float(), dim=1)
    target = data.tables["target"]
    assert target.shape == (30, 6) and torch.allclose(target[:, :4], bert)
    assert torch.allclose(target[:, 4:].norm(dim=1), torch.ones(30))
    assert data.part.tolist() == [2] * 2 + [1] * 2 + [0] * 26  # split 1 is split 0 backwards
    assert data.source_ids[0] == "2008_000000" and data.member is not None


def test_texts_that_do_not_train_say_nothing_of_words(tmp_path: Path) -> None:
    folder = fake.write_emoji(tmp_path)
    before = emoji(tmp_path)
    before.setup()
    train = before.part == Part.TRAIN
    lines = (folder / "emoji.tsv").read_text().splitlines()
    for row in (~train).nonzero().squeeze(1).tolist():
        lines[row + 1] = lines[row + 1].replace("face", "wholly new words of a test")
    (folder / "emoji.tsv").write_text("\n".join(lines) + "\n")
    after = emoji(tmp_path)
    after.setup()
    assert torch.equal(after.tables["target"][train], before.tables["target"][train])
    assert not torch.equal(after.tables["target"][~train], before.tables["target"][~train])


def test_new_texts_are_asked_as_those_of_the_set(tmp_path: Path) -> None:
    """Known texts, as new ones, find the candidates that they have in the table: each block is of unit length."""
    fake.write_emoji(tmp_path)
    data = emoji(tmp_path, text=[Lsa(2, pairs=False, min_texts=1), BagOfWords(min_texts=1)])
    texts = read_paired("emoji", tmp_path).texts
    assert texts
    data.setup()
    rows = data.text_rows(texts[:6])
    view = data.ask(rows, "target")
    seen = view.look("target", view.queries["target"])
    known = view.reference.look("target", data.tables["target"][:6])
    assert torch.allclose(seen.vectors[-1], known.vectors[-1], atol=1e-6)
    with pytest.raises(DataError, match=r"new targets: found \[6, 1\], wanted"):
        data.ask(rows[:, :1], "target")


def test_texts_of_a_file_have_no_new_rows(tmp_path: Path) -> None:
    fake.write_pascal_sentence(tmp_path, 30)
    data = RetrievalDataModule(dataset="pascal_sentence", root=str(tmp_path), text=["bert"], folds=2)
    with pytest.raises(DataError, match="text: found 'bert', which is read from a file"):
        data.text_rows(["a dog"])


def test_a_split_without_validation_takes_it_from_training(tmp_path: Path) -> None:
    fake.write_wikipedia(tmp_path, 30, 9)
    options: dict[str, Any] = {"image": ["sift"], "text": ["topics"], "labels": "category", "folds": 2}
    data = RetrievalDataModule(dataset="wikipedia", root=str(tmp_path), stored_split="official", **options)
    data.setup()
    assert [int((data.part == part).sum()) for part in Part] == [27, 3, 9]
    assert data.part[30:].tolist() == [Part.TEST] * 9


def test_graphs_ask_sentences_and_pictures(tmp_path: Path) -> None:
    """Five sentences a picture: many-to-one."""
    fake.write_flickr8k(tmp_path, 20)
    data = RetrievalDataModule(
        dataset="flickr8k",
        root=str(tmp_path),
        stored_split="official",
        text=[Lsa(3, min_texts=1)],
        folds=2,
        top_k=4,
    )
    data.setup()
    graph = next(iter(data.test_dataloader()))
    inter = graph["source", "inter", "target"]
    assert graph["source"].n_id.numel() and inter.edge_index.shape[1]
    asked = data.views("test")[0]
    assert len(asked.queries["source"]) == 2 and len(asked.queries["target"]) == 10 and asked.truth.shape[1] == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "pascal"}, r"dataset: found no folder 'pascal' and no data set of that name"),
        ({"text": ["bert"]}, r"text: found no features 'bert'"),
        ({"image": ["lite1"]}, r"image: found no features 'lite1'\. Did you mean 'lite0'"),
        ({"labels": "class"}, r"labels: found no level 'class'"),
        ({"stored_split": "0"}, r"stored_split: found '0' for emoji \(noto\), wanted null: there is none"),
        (
            {"sentences": "each"},
            r"sentences: found 'each' for 'emoji', wanted it for flickr8k or pascal_sentence alone",
        ),
        ({"scores_path": "own.csv"}, r"scores_path: found 'own.csv', wanted null: it is of TablesDataModule alone"),
        ({"text": []}, r"image, text: found none, wanted features of both"),
    ],
    ids=str,
)
def test_bad_options_are_one_line(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    fake.write_emoji(tmp_path)
    with pytest.raises(DataError, match=message):
        data = emoji(tmp_path, **options) if "dataset" not in options else None
        data = data or RetrievalDataModule(root=str(tmp_path), text=["glove"], **options)
        data.setup()


def test_features_of_words_need_raw_texts(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for side in ("image", "text"):
        np.save(tmp_path / "own" / f"{side}_features.npy", fake.features(30, 4))
    data = RetrievalDataModule(dataset=str(tmp_path / "own"), image=["given"], text=[Lsa(2)])
    with pytest.raises(DataError, match=r"found Lsa for .*, which has no raw texts"):
        data.setup()
