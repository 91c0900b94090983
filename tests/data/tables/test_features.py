from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from rrnet_lightning.data.tables.features import as_features, read_features
from rrnet_lightning.errors import DataError

X = np.arange(6, dtype=np.float32).reshape(3, 2)


def save(path: Path, array: Any) -> Path:
    np.save(path, array)
    return path


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def refused(match: str, path: Path, **options: Any) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read_features(path, **options)
    assert "\n" not in str(caught.value)


def test_npy_is_mapped_and_never_changed(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", X)
    table = read_features(path)
    assert torch.equal(table.x, torch.from_numpy(X)) and table.ids is None and table.path == path
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(path) in maps.read_text()
    before = path.read_bytes()
    table.x[0, 0] = 9
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [("float16", torch.float32), ("int8", torch.float32), ("bool", torch.float32), ("float64", torch.float64)],
)
def test_types(stored: str, wanted: torch.dtype, tmp_path: Path) -> None:
    table = read_features(save(tmp_path / "x.npy", X.astype(stored)))
    assert table.x.dtype == wanted and table.x.tolist() == X.astype(stored).tolist()


def test_fortran_order_and_foreign_byte_order(tmp_path: Path) -> None:
    assert read_features(save(tmp_path / "f.npy", np.asfortranarray(X))).x.tolist() == X.tolist()
    assert read_features(save(tmp_path / "b.npy", X.astype(">f4"))).x.tolist() == X.tolist()


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=X)
    assert read_features(path).x.tolist() == X.tolist()
    np.savez(path, first=X, second=X + 1)
    assert read_features(path, key="second").x.tolist() == (X + 1).tolist()
    refused(
        "found 2 arrays, wanted one. Save one array alone, or in Python give the key: one of 'first', 'second'", path
    )
    refused("found no array 'secnd'.*Did you mean 'second'?", path, key="secnd")


def test_pt(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(torch.from_numpy(X).bfloat16(), path)
    assert read_features(path).x.tolist() == X.tolist()
    refused("key: found 'a', but .* holds one tensor", path, key="a")
    torch.save({"a": torch.zeros(1), "b": torch.from_numpy(X)}, path)
    assert read_features(path, key="b").x.tolist() == X.tolist()
    torch.save([1], path)
    refused("wanted a tensor or a dict of tensors", path)


def test_safetensors(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="the package safetensors is not installed")
    import importlib

    path = tmp_path / "x.safetensors"
    save_file = importlib.import_module("safetensors.torch").save_file
    save_file({"bias": torch.zeros(2), "x": torch.from_numpy(X)}, path)
    assert read_features(path).x.tolist() == X.tolist()
    save_file({"y": torch.zeros(2, 2), "x": torch.from_numpy(X)}, path)
    assert read_features(path, key="x").x.tolist() == X.tolist()
    refused("Save one array alone, or in Python give the key: one of 'x', 'y'", path)
    path.write_bytes(b"broken")
    refused("cannot be read", path)


def test_safetensors_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    (tmp_path / "x.safetensors").write_bytes(b"")
    refused("pip install safetensors", tmp_path / "x.safetensors")


def test_parquet_takes_all_numbers_but_the_ids(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", id=[7, 8], a=[1, 2], kind=["p", "q"], b=[0.5, 1.5])
    table = read_features(path, ids="id")
    assert table.x.tolist() == [[1, 0.5], [2, 1.5]] and table.x.dtype == torch.float64
    assert table.ids == ("7", "8") and table.label_columns == ("kind",)
    named = read_features(path, columns=["b"])
    assert named.x.tolist() == [[0.5], [1.5]] and named.ids is None and named.label_columns == ("id", "a", "kind")


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 2), pa.large_list(pa.float16())])
def test_parquet_column_of_lists(kind: Any, tmp_path: Path) -> None:
    lists = pa.array([list(row) for row in X.astype(np.float16)], kind)
    table = read_features(parquet(tmp_path / "x.parquet", label=[1, 0, 1], emb=lists))
    assert table.x.tolist() == X.tolist() and table.x.dtype == torch.float32 and table.label_columns == ("label",)


def test_parquet_columns_side_by_side(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", e=[[1.0, 2.0]], f=[[3.0]], n=[4])
    assert read_features(path, columns=["f", "e", "n"]).x.tolist() == [[3, 1, 2, 4]]
    refused("found 2 columns of lists, wanted one. Set `columns` to some of: 'e', 'f'", path)


def test_ids_are_text(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    for stored, wanted in [
        ([1, 2], ("1", "2")),
        ([1.0, 2.0], ("1", "2")),
        (["01", "1"], ("01", "1")),
        (pa.array(["a", "b"]).dictionary_encode(), ("a", "b")),
    ]:
        assert read_features(parquet(path, id=stored, x=[0.5, 1.5]), ids="id").ids == wanted
    assert as_features(X, [1, 2.0, "03"]).ids == ("1", "2", "03")
    assert as_features(X, np.array([1.0, 2.0, 3.0])).ids == ("1", "2", "3")


@pytest.mark.parametrize(
    ("ids", "match"),
    [
        ([1.5, 2.0], "column 'id', row 0: found the id 1.5, wanted text or whole numbers"),
        ([1.0, float("nan")], "row 1: found the id nan"),
        (["a", None], "row 1: found an empty cell"),
        ([True, False], "found the type bool"),
        (["a", "a"], "found the id 'a' in rows 0 and 1"),
    ],
)
def test_refused_ids(ids: list[Any], match: str, tmp_path: Path) -> None:
    refused(match, parquet(tmp_path / "x.parquet", id=ids, x=[0.5, 1.5]), ids="id")


def test_ids_from_a_text_file(tmp_path: Path) -> None:
    path, ids = save(tmp_path / "x.npy", X), tmp_path / "ids.txt"
    ids.write_bytes("01\r\né 2\r\n1\r\n\r\n".encode())
    assert read_features(path, ids=str(ids)).ids == ("01", "é 2", "1")
    ids.write_text("a\nb\n")
    refused("ids.txt: found 2 ids for 3 rows", path, ids=str(ids))
    ids.write_text("a\n\nb\n")
    refused("ids.txt, line 2: found an empty line", path, ids=str(ids))
    refused("ids: found 'name' for a .npy file, wanted a text file", path, ids="name")


def test_refused_files(tmp_path: Path) -> None:
    refused("found no such file", tmp_path / "x.npy")
    refused("wanted one of .npy, .npz, .safetensors, .pt, .parquet", tmp_path / "x.mat")
    (tmp_path / "d.npy").mkdir()
    refused("cannot be read \\(Is a directory\\)", tmp_path / "d.npy")
    for ending in ("npy", "npz", "pt", "parquet"):
        (tmp_path / f"x.{ending}").write_bytes(b"broken")
        refused("cannot be read", tmp_path / f"x.{ending}")


def test_python_objects_are_not_loaded(tmp_path: Path) -> None:
    objects = np.array([[{}], [1]], dtype=object)
    refused("without Python objects", save(tmp_path / "x.npy", objects))
    np.savez(tmp_path / "x.npz", allow_pickle=True, a=objects)
    refused("without Python objects", tmp_path / "x.npz")
    torch.save(Path("x"), tmp_path / "x.pt")
    refused("without Python objects", tmp_path / "x.pt")


def test_refused_content(tmp_path: Path) -> None:
    for array, match in [
        (X[0], r"found the shape \(2,\), wanted two dimensions"),
        (X[:0], r"found the shape \(0, 2\)"),
        (X[:, :0], r"found the shape \(3, 0\)"),
        (X.astype(str), "found the type <U"),
        (X.astype(complex), "found the type complex128"),
        (np.where(X > 2, np.float32(np.nan), X), "in 2 of 3 rows, the first in row 1"),
        (np.where(X == 5, np.float32(np.inf), X), "in 1 of 3 rows, the first in row 2"),
    ]:
        refused(match, save(tmp_path / "x.npy", array))


def test_refused_parquet(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", name=["a", "b"], x=[1.0, 2.0], y=[1.0, None])
    refused("found columns 'name', 'x', 'y', wanted 'nam'. Did you mean 'name'?", path, ids="nam")
    refused("wanted 'vector'. Choose among: 'name', 'x', 'y'", path, columns=["vector"])
    refused("column 'y', row 1: found an empty cell", path)
    refused("column 'name': found the type string", path, columns=["name"])
    refused("'x' among the features and as ids", path, ids="x", columns=["x"])
    refused("key: found 'a' for a .parquet file", path, key="a")
    refused("wanted columns of numbers", parquet(path, name=["a"]))
    refused("row 1: found a list of 1 numbers, wanted 2", parquet(path, e=[[1.0, 2.0], [3.0]]))
    refused(r"found the shape \(0, 1\)", parquet(path, x=pa.array([], pa.float32())))
    refused(r"found the shape \(2, 0\)", parquet(path, e=pa.array([[], []], pa.list_(pa.float32()))))
    refused("empty place in a list", parquet(path, e=[[1.0, None]]))
    refused("columns: found .* for a .npy file", save(tmp_path / "x.npy", X), columns=["a"])


def test_in_memory() -> None:
    x = torch.from_numpy(X).requires_grad_()
    table = as_features(x, ["a", "b", "c"])
    assert table.x.tolist() == X.tolist() and not table.x.requires_grad and table.path is None
    for wrong, ids, match in [
        (X, ["a", "b"], "source, ids: found 2 ids for 3 rows"),
        (X, ["a", "b", 0.5], "source, ids, row 2: found the id 0.5"),
        (X[0], None, "source: found the shape"),
        (torch.eye(2).to_sparse(), None, "source: found a sparse_coo tensor"),
        ([[1.0]], None, "source: found <class 'list'>"),
    ]:
        with pytest.raises(DataError, match=match):
            as_features(wrong, ids, name="source")  # type: ignore[arg-type]
