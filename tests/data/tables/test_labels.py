from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rrnet_lightning.data.tables.features import read_features
from rrnet_lightning.data.tables.labels import Labels, read_labels, table_labels
from rrnet_lightning.errors import DataError


def read(folder: Path, text: str) -> Labels:
    (folder / "labels.csv").write_text(text)
    return read_labels(folder / "labels.csv", ("01", "1", "2"), num_rows=3)


def table(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / "x.parquet")
    return folder / "x.parquet"


def test_several_classes_a_row_and_rows_without(tmp_path: Path) -> None:
    labels = read(tmp_path, "id,label\n01,dog\n1,cat\n1,dog\n1,dog\n2,\n9,cow\n")
    assert labels.names == ("cat", "dog")
    assert labels.member.tolist() == [[False, True], [True, True], [False, False]]
    assert labels.unlabelled == 1 and labels.unknown == 1
    place = f"'9' in {tmp_path}/labels.csv, line 7"
    assert labels.note() == f"2 classes; 1 of 3 rows have none; left out: 1 rows with unknown ids ({place})."


def test_parquet_with_lists(tmp_path: Path) -> None:
    path = table(tmp_path, id=[0, 2], label=[["b", "a"], ["b", None]])
    labels = read_labels(path, None, num_rows=3)
    assert labels.names == ("a", "b") and labels.member.tolist() == [[True, True], [False, False], [False, True]]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("id,label\nx,a\n", "labels: found 'x' in .*line 2; row ids look like '01'"),
        ("id,label\n1,\n", "found no label of a known row"),
        ("id,labels\n1,a\n", "wanted 'label'. Did you mean 'labels'?"),
    ],
)
def test_refused(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=match):
        read(tmp_path, text)


def test_the_column_of_a_feature_table(tmp_path: Path) -> None:
    path = table(tmp_path, x=[1.0, 2.0, 3.0], kind=["q", None, "p"], number=[3, 10, 3])
    features = read_features(path, columns=["x"])
    labels = table_labels(features, "kind")
    assert labels.names == ("p", "q") and labels.member.tolist() == [[False, True], [False, False], [True, False]]
    assert table_labels(features, "number").names == ("10", "3")
    with pytest.raises(DataError, match=r"found no column 'knd' beside features and ids.*Did you mean 'kind'\?"):
        table_labels(features, "knd")
    empty = table(tmp_path, x=[1.0, 2.0, 3.0], kind=pa.nulls(3))
    with pytest.raises(DataError, match="column 'kind': found no label of a known row"):
        table_labels(read_features(empty, columns=["x"]), "kind")
    with pytest.raises(DataError, match="Choose among: 'kind', 'number'"):
        table_labels(features, "x")


def test_labels_that_are_no_words(tmp_path: Path) -> None:
    features = read_features(table(tmp_path, x=[1.0, 2.0], y=[1.0, 0.5]), columns=["x"])
    with pytest.raises(DataError, match=r"column 'y', row 1: found the id 0\.5"):
        table_labels(features, "y")
