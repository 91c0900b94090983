import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from rrnet_lightning.data.tables import frame
from rrnet_lightning.data.tables.pairs import Pairs, as_pairs, read_pairs
from rrnet_lightning.errors import DataError

SOURCES = ("01", "1", "é, x")
TARGETS = ("a", "b")


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "pairs.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path: Path, **options: Any) -> Pairs:
    return read_pairs(path, SOURCES, TARGETS, num_sources=3, num_targets=2, **options)


def refused(match: str, path: Path, **options: Any) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)


def test_csv_with_quotes_and_unicode(tmp_path: Path) -> None:
    text = 'text,target,source\r\n"two\r\nlines",a,01\r\n\r\n"a ""word""",b,"é, x"\r\n,a,1\r\n'
    pairs = read(write(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert pairs.index.tolist() == [[0, 2, 1], [0, 1, 0]] and pairs.index.dtype == torch.long
    assert pairs.weight.tolist() == [1, 1, 1] and pairs.weight.dtype == torch.float32 and pairs.split is None
    assert pairs.note() == "3 pairs; left out: nothing."


def test_weight_split_and_names(tmp_path: Path) -> None:
    path = write(tmp_path, "user,item,w,part\n01,a,2,train\n1,a,.5,test\n")
    pairs = read(path, source="user", target="item", weight="w", split="part")
    assert pairs.weight.tolist() == [2, 0.5] and pairs.split == ("train", "test")


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    pq.write_table(
        pa.table({"source": [1.0, 1.0], "target": ["a", "b"], "weight": [3, 4], "split": ["val", "x"]}), path
    )
    pairs = read(path)
    assert pairs.index.tolist() == [[1, 1], [0, 1]] and pairs.weight.tolist() == [3, 4] and pairs.split == ("val", "x")
    pq.write_table(pa.table({"source": [1, 1], "target": ["a", "b"], "weight": [1.0, None]}), path)
    refused("pairs.parquet, row 1: found weight None", path)


def test_row_numbers_where_there_are_no_ids(tmp_path: Path) -> None:
    path = write(tmp_path, "source,target\n0,1\n01,1\n2,0\n3,0\n")
    pairs = read_pairs(path, None, None, num_sources=3, num_targets=2)
    assert pairs.index.tolist() == [[0, 2], [1, 0]] and pairs.unknown == 2


def test_repeated_and_unknown_are_counted(tmp_path: Path) -> None:
    text = "source,target,weight\n1,a,2\n\nx,a,1\n01,b,1\n1,a,2.0\n1,a,2\n01,z,1\n"
    pairs = read(write(tmp_path, text))
    assert pairs.index.tolist() == [[1, 0], [0, 1]] and (pairs.repeated, pairs.unknown) == (2, 2)
    assert pairs.example == f"source 'x' in {tmp_path}/pairs.csv, line 4"
    assert pairs.note() == f"2 pairs; left out: 2 repeated rows and 2 rows with unknown ids ({pairs.example})."


def test_repeated_with_another_value_is_refused(tmp_path: Path) -> None:
    refused(
        "line 4: found weight 1, but 2 for the same pair in .*line 2",
        write(tmp_path, "source,target,weight\n1,a,2\n1,b,1\n1,a,1\n"),
    )
    refused("line 3: found split val, but train", write(tmp_path, "source,target,split\n1,a,train\n1,a,val\n"))


def test_all_unknown_shows_both_sides(tmp_path: Path) -> None:
    refused(
        "found source 'a1' in .*pairs.csv, line 2, .*source ids look like '01'",
        write(tmp_path, "source,target\na1,a\n"),
    )
    with pytest.raises(DataError, match=r"target 'a' in .*target rows are numbered 0 to 1"):
        read_pairs(write(tmp_path, "source,target\n1,a\n"), SOURCES, None, num_sources=3, num_targets=2)


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "", "one", "1e-60", "1e60", "1_0"])
def test_refused_weights(weight: str, tmp_path: Path) -> None:
    refused(
        f"line 3: found weight '{weight}', wanted a finite number above 0.*leave the pair out",
        write(tmp_path, f"source,target,weight\n1,a,1\n1,b,{weight}\n"),
    )


def test_refused_files(tmp_path: Path) -> None:
    cases: list[tuple[str | bytes, str]] = [
        ("", "line 1: found an empty file, wanted the columns 'source', 'target'"),
        ("source;target\n1;a\n", "line 1: found 'source;target', wanted names separated by commas"),
        ('source,target\n"1,a\n', "line 2: found 1 columns, wanted 2"),
        ("source,target\n", "found no row below the names"),
        ("sorce,target\n1,a\n", "found columns 'sorce', 'target', wanted 'source'. Did you mean 'sorce'?"),
        ("source,target,source\n1,a,1\n", "found 2 columns 'source', wanted one"),
        ("source,target,split,split\n1,a,val,val\n", "found 2 columns 'split', wanted one"),
        ("source,target\n1,a\n\n1,é, x\n", "line 4: found 3 columns, wanted 2"),
        ("source,target\n1,a\n1,é\n".encode("latin-1"), "line 3: found byte 0xe9, wanted UTF-8"),
        ("source,target\n1,a\n1,b\n".encode("utf-16"), "found binary data"),
    ]
    for text, match in cases:
        refused(match, write(tmp_path, text))
    refused("wanted one of .csv, .parquet", tmp_path / "pairs.tsv")
    (tmp_path / "pairs.parquet").write_bytes(b"broken")
    refused("wanted Parquet", tmp_path / "pairs.parquet")


def test_a_long_file_shows_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "source,target\n" + "1,a\n" * 50)
    read(path)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(frame, "MANY", 10)
    read(path)
    assert "Reading pairs.csv" in capsys.readouterr().err


def test_many_pairs_take_seconds(tmp_path: Path) -> None:
    """A loop over the rows in Python takes several times this long."""
    draw, n = np.random.default_rng(0), 300_000
    ends = draw.integers(0, 10_000, (2, n))
    text = "source,target,weight\n" + "\n".join(f"s{s},t{t},0.5" for s, t in ends.T.tolist())
    path = write(tmp_path, text)
    ids = [[f"{side}{row}" for row in range(10_000)] for side in "st"]
    start = time.process_time()
    pairs = read_pairs(path, ids[0], ids[1], num_sources=10_000, num_targets=10_000)
    assert time.process_time() - start < 5
    assert len(pairs.weight) + pairs.repeated == n and pairs.index[:, 0].tolist() == ends[:, 0].tolist()


def test_pairs_in_python() -> None:
    index = torch.tensor([[0, 2, 0, 5], [1, 0, 1, 0]])
    pairs = as_pairs(index, torch.tensor([2, 1, 2, 1]), ("train", "val") * 2, num_sources=3, num_targets=2)
    assert pairs.index.tolist() == [[0, 2], [1, 0]] and pairs.weight.tolist() == [2, 1]
    assert pairs.split == ("train", "val") and (pairs.repeated, pairs.unknown) == (1, 1)
    assert pairs.example == "source '5' in pairs, column 3"


@pytest.mark.parametrize(
    ("index", "options", "match"),
    [
        ([[0, 1]], {}, r"found int64 numbers \(1, 2\), wanted whole numbers of shape \(2, P\)"),
        ([[0.0], [1.0]], {}, "found float32 numbers"),
        ([[], []], {}, r"shape \(2, P\) with P at least 1"),
        ([[0], [1]], {"weight": torch.ones(2)}, "weight: found 2 for 1 pairs"),
        ([[0], [1]], {"split": [None]}, "split, row 0: found the id None"),
        ([[0], [1]], {"split": []}, "split: found 0 for 1 pairs"),
        ([[0], [1]], {"weight": torch.zeros(1)}, "pairs, column 0: found weight 0.0"),
        ([[0, 0], [1, 1]], {"split": ["val", "test"]}, "pairs, column 1: found split test, but val"),
        ([[-1], [7]], {}, "source '-1' and target '7' .*source rows are numbered 0 to 2"),
    ],
)
def test_refused_pairs_in_python(index: Any, options: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        as_pairs(torch.tensor(index), num_sources=3, num_targets=2, **options)
