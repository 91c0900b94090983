from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rrnet_lightning.data.tables.links import Scores, read_edges, read_scores
from rrnet_lightning.errors import DataError

SOURCES, TARGETS = ("01", "1", "c"), ("a", "b")


def scores(folder: Path, text: str) -> Scores:
    (folder / "scores.csv").write_text(text)
    return read_scores(folder / "scores.csv", SOURCES, TARGETS, num_sources=3, num_targets=2)


def test_scores_are_read_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    found = scores(tmp_path, "target,source,score\na,01,-2.5\nb,1,1e3\nb,x,1\nb,1,1000\n")
    assert found.index.tolist() == [[0, 1], [0, 1]] and found.score.tolist() == [-2.5, 1000]
    unknown = f"source 'x' in {tmp_path}/scores.csv, line 4"
    assert found.note == f"2 scores; left out: 1 repeated rows and 1 rows with unknown ids ({unknown})."


def test_scores_by_row_number_from_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"source": [0, 2], "target": [1, 0], "score": [0, -1]}), tmp_path / "s.parquet")
    found = read_scores(tmp_path / "s.parquet", None, None, num_sources=3, num_targets=2)
    assert found.index.tolist() == [[0, 2], [1, 0]] and found.score.tolist() == [0, -1]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("source,target\n1,a\n", "wanted 'score'"),
        ("source,target,score\n1,a,1\n1,b,nan\n", "line 3: found score 'nan', wanted a finite number"),
        ("source,target,score\n1,a,inf\n", "line 2: found score 'inf'"),
        ("source,target,score\n1,a,\n", "line 2: found score ''"),
        ("source,target,score\n1,a,1\n1,a,2\n", "line 3: found score 2, but 1 for the same pair"),
        ("source,target,score\n1.0,a,1\n", "scores_path: found source '1.0' in .*line 2, and no row .*look like '01'"),
    ],
)
def test_refused_scores(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=match) as caught:
        scores(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_edges_join_rows_of_one_table(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text("source,target,weight\n1,01,0\nc,1,0\nc,z,0\n")
    found = read_edges(path, SOURCES, num_rows=3, name="source_edges")
    assert found.index.tolist() == [[1, 2], [0, 1]]
    assert found.note.startswith("2 source_edges; left out: 1 rows with unknown ids (target 'z' in ")
    path.write_text("source,target\n7,8\n")
    with pytest.raises(DataError, match=r"source_edges: found source '7' and target '8' in .*edges.csv, line 2"):
        read_edges(path, None, num_rows=3, name="source_edges")
