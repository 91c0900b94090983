import gzip
import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from rrnet_lightning.data import word_files as module
from rrnet_lightning.data.files.root import data_root
from rrnet_lightning.data.word_vectors import class_vectors
from rrnet_lightning.errors import DataError
from tests.fake import word_matrix, write_word_vectors

WORDS = ["dog", "sea", "waves", "Fire", "can"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RRNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/vectors"


@pytest.mark.parametrize("kind, name", [("text", "v.txt"), ("binary", "v.bin"), ("glove", "v.txt")])
def test_formats_words_and_case(tmp_path: Path, kind: Literal["text", "binary", "glove"], name: str) -> None:
    rows = torch.from_numpy(write_word_vectors(tmp_path / name, WORDS, kind))
    names = ["dog", "Dog", "sea_waves", "sea-waves", "Sea  waves", "Crackling Fire", "can-opening"]
    found = class_vectors(names, tmp_path / name)
    waves = (rows[1] + rows[2]) / 2
    wanted = torch.stack([rows[0], rows[0], waves, waves, waves, rows[3], rows[4]])
    assert found.dtype == torch.float32 and torch.equal(found, wanted)


def test_unknown_names(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    write_word_vectors(path, WORDS, "text")
    with pytest.raises(DataError, match=r"v.txt: found no word of these .*: 'fire', 'xyz'\. .*'dog'.*unknown='spell"):
        class_vectors(["dog", "fire", "xyz"], path)
    found = class_vectors(["dog", "fire", "sea", "xyz"], path, unknown="spelling")
    norms = found.norm(dim=1)
    assert norms[1].item() == pytest.approx(norms[[0, 2]].mean().item()) == norms[3].item()
    assert not torch.allclose(found[1], found[3])
    with pytest.raises(DataError, match=r"'fire', 'xyz'"):
        class_vectors(["fire", "xyz"], path, unknown="spelling")  # nothing known at all: the wrong file
    with pytest.raises(DataError, match=r"names: found no class name"):
        class_vectors([], path)


def test_spelling_vectors_need_no_file(cache: Path) -> None:
    found = class_vectors(["cat", "cattle", "kitten", ""], None)
    assert found.shape == (4, 64) and torch.allclose(found.norm(dim=1), torch.ones(4))
    assert found[0] @ found[1] > 0.3 > found[0] @ found[2]
    assert torch.equal(found[0], class_vectors(["CAT"], None)[0]) and not cache.exists()
    wanted = [0.3776, 0.0420, 0.2098, -0.0420]  # the same on every machine
    assert found[0, :4].tolist() == pytest.approx(wanted, abs=1e-4)


def test_results_are_cached(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.txt"
    write_word_vectors(path, WORDS, "text")
    first = class_vectors(["dog", "sea"], path)
    assert [file.suffix for file in cache.iterdir()] == [".npy"]
    loads: list[Path] = []
    load = module._read_file

    def counting(path: Path, wanted: Any) -> Any:
        loads.append(path)
        return load(path, wanted)

    monkeypatch.setattr(module, "_read_file", counting)
    assert torch.equal(class_vectors(["dog", "sea"], path), first) and not loads
    class_vectors(["sea", "dog"], path)
    class_vectors(["dog", "sea"], path, cache_dir=tmp_path / "elsewhere")
    assert len(loads) == 2
    next(iter((tmp_path / "elsewhere").iterdir())).write_bytes(b"damaged")
    assert torch.equal(class_vectors(["dog", "sea"], path, cache_dir=tmp_path / "elsewhere"), first)
    write_word_vectors(path, ["sea", "dog", "other"], "text")  # the file changed
    changed = class_vectors(["dog", "sea"], path)
    assert torch.equal(changed, torch.from_numpy(word_matrix(["sea", "dog"])).flip(0)) and len(loads) == 4


def test_cache_that_cannot_be_written_only_warns(tmp_path: Path) -> None:
    rows = write_word_vectors(tmp_path / "v.txt", WORDS, "text")
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="could not be kept"):
        found = class_vectors(["dog"], tmp_path / "v.txt", cache_dir=tmp_path / "file/sub")
    assert np.array_equal(found[0], rows[0])


@pytest.mark.parametrize(
    "name, content",
    [
        ("v.txt", b""),
        ("v.txt", b"5 3\ndog 1 2 3\n"),
        ("v.txt", b"2 3\ndog 1 2 3\nsea 1 2\n"),
        ("v.txt", b"sea 1 2 3\ndog 1 x 3\n"),
        ("v.txt", b"dog\n"),
        ("v.txt", b"\n\n"),
        ("v.txt", b"PK\3\4\0 1 2\n"),
        ("v.txt", "dog 1 2 3\n".encode("utf-16")),
        ("v.bin", b"2 3\ndog " + b"\0" * 7),
        ("v.bin", b"dog 1 2 3\n"),
        ("v.bin", b""),
        ("v.txt.gz", b"no gzip"),
    ],
)
def test_damaged_files(tmp_path: Path, cache: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: not a readable file of word vectors"):
        class_vectors(["dog"], tmp_path / name)
    assert not cache.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("glove.txt", b"rain 4 5 6\n. . . 7 8 9\nat name@domain.com 7 8 9\ndog 1 2 3\n"),
        ("first.txt", b". . . 7 8 9\nrain 4 5 6\ndog 1 2 3\n"),
        ("blank.txt", b"dog 1 2 3\nrain 4 5 6\n\n \n"),
        ("tabs.txt", b"dog\t1\t2\t3\r\nrain\t4\t5\t6\r\n"),
        ("bom.txt", b"\xef\xbb\xbfdog 1 2 3\nrain 4 5 6\n"),
        ("bom_header.txt", b"\xef\xbb\xbf2 3\ndog 1 2 3\nrain 4 5 6\n"),
        ("wiki.vec", b"4 3\n, 1 2 3 \n1 2 7 8 9 \ndog 1 2 3 \nrain 4e0 5 6 \n"),
        ("bytes.txt", b"\xff\xfe 7 8 9\n\xc2\xa0 7 8 9\ndog 1 2 3\nrain 4 5 6\n"),
        ("twice.txt", b"dog 1 2 3\nrain 4 5 6\ndog 7 8 9\n"),
        ("v.BIN", b"2 3\ndog " + struct.pack("<3f", 1, 2, 3) + b"\nrain " + struct.pack("<3f", 4, 5, 6)),
        ("v.txt.GZ", gzip.compress(b"dog 1 2 3\nrain 4 5 6\n", mtime=0)),
    ],
)
def test_files_as_they_are_published(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert class_vectors(["dog", "rain"], tmp_path / name).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_folder_is_no_file_of_vectors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a readable file of word vectors .*directory"):
        class_vectors(["dog"], tmp_path)


def test_vectors_must_be_finite(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("dog 1 nan 3\n")
    with pytest.raises(DataError, match=r"v.txt, vectors of the class names: found 1 NaN"):
        class_vectors(["dog"], tmp_path / "v.txt")


def test_missing_file_is_not_taken_for_a_collection(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.txt: no such file of word vectors"):
        class_vectors(["dog"], str(tmp_path / "gone.txt"))


def test_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import gensim.downloader
    from gensim.models import KeyedVectors

    rows = write_word_vectors(tmp_path / "v.txt", WORDS, "text")
    loaded = KeyedVectors.load_word2vec_format(str(tmp_path / "v.txt"))
    monkeypatch.setattr(gensim.downloader, "load", lambda name: {"glove-test": loaded, "text8": ["corpus"]}[name])
    assert np.array_equal(class_vectors(["dog"], "glove-test")[0], rows[0])
    with pytest.raises(DataError, match=r"text8: found a list in gensim's collection, wanted word vectors"):
        class_vectors(["dog"], "text8")


def test_collection_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gensim.downloader

    def unreachable(url: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr(gensim.downloader, "urlopen", unreachable)
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path / "gensim"))
    logged: list[object] = []
    monkeypatch.setattr(gensim.downloader.logger, "handle", logged.append)
    with pytest.raises(DataError, match=r"glove-test: no file of this name, and gensim could not load it.*network"):
        class_vectors(["dog"], "glove-test")
    assert not logged  # no traceback on the screen


def test_real_class_words() -> None:
    path = data_root() / "word_vectors/googlenews300_class_words.txt"
    if not path.exists():
        pytest.skip("real data absent: word_vectors/googlenews300_class_words.txt")
    names = ["dog", "cat", "sea_waves", "rain", "car_horn", "engine"]
    found = torch.nn.functional.normalize(class_vectors(names, path), dim=1)
    assert found.shape == (6, 300)
    nearest = (found @ found.T - 2 * torch.eye(6)).argmax(dim=1)
    assert nearest[:2].tolist() == [1, 0]
