"""One array out of a file: .npy, .npz, .safetensors and .pt."""

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.tables.places import listed, suggest
from rrnet_lightning.errors import DataError, reason


def as_tensor(x: Any, place: str) -> Tensor:
    """Tensor of floats on the CPU: float32 and float64 as they are, without a copy; other numbers become float32.

    Args:
        x: array or tensor of any shape.
        place: file or field, for the start of a message.

    Raises:
        DataError: not an array or tensor, or not of real numbers.
    """
    wanted = "wanted an array or dense tensor of real numbers. Convert it, to float32 for example."
    if isinstance(x, np.ndarray):
        if x.dtype.kind not in "biuf" or x.dtype.itemsize > 8:
            raise DataError(f"{place}: found the type {x.dtype}, {wanted}")
        kind = x.dtype.newbyteorder("=") if x.dtype in (np.float32, np.float64) else np.dtype(np.float32)
        x = np.asarray(x, dtype=kind)
        if not x.flags.writeable or any(stride < 0 for stride in x.strides):
            x = x.copy()  # torch takes neither
        tensor: Tensor = torch.from_numpy(x)
        return tensor
    if not isinstance(x, Tensor) or x.layout != torch.strided or x.is_complex() or x.is_quantized:
        raise DataError(f"{place}: found {_kind(x)}, {wanted}")
    dense: Tensor = x.detach().cpu()
    return dense if dense.dtype in (torch.float32, torch.float64) else dense.float()


def read_npy(path: Path) -> Tensor:
    """Map the array of a .npy file into memory: float32 and float64 are read from disk as they are used.

    The map is copy-on-write: the file is never changed.
    """
    array = _guard(path, lambda: np.load(path, mmap_mode="c", allow_pickle=False))
    if not isinstance(array, np.ndarray):  # an .npz under another name
        raise DataError(f"{path}: found an archive of arrays, wanted one array. Rename it to .npz.")
    return as_tensor(array.view(np.ndarray), str(path))


def read_npz(path: Path, key: str | None) -> Tensor:
    """Read one array of a .npz archive."""

    def load() -> tuple[str, NDArray[Any]]:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: found one array without an archive, wanted .npz. Rename it to .npy.")
            name = _pick(path, key, archive.files)
            return name, archive[name]

    name, array = _guard(path, load)
    return as_tensor(array, f"{path}, array {name!r}")


def read_pt(path: Path, key: str | None) -> Tensor:
    """Read a tensor that torch.save wrote, alone or in a dict. Nothing but tensors and plain containers is loaded."""

    def load() -> object:
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except UnpicklingError as error:  # its words advise to load the objects all the same
            raise UnpicklingError("Python objects, or damaged") from error

    content = _guard(path, load)
    if isinstance(content, Tensor):
        if key is not None:
            raise DataError(f"key: found {key!r}, but {path} holds one tensor without a name. Leave the key out.")
        return as_tensor(content, str(path))
    if not isinstance(content, dict):
        raise DataError(f"{path}: found {_kind(content)}, wanted a tensor or a dict of tensors. Save it so.")
    texts = {str(name): value for name, value in content.items()}
    name = _pick(path, key, texts)
    return as_tensor(texts[name], f"{path}, entry {name!r}")


def read_safetensors(path: Path, key: str | None) -> Tensor:
    """Read one tensor of a .safetensors file: the only one with two dimensions, or that named `key`."""
    try:
        safe_open = importlib.import_module("safetensors").safe_open
    except ImportError as error:
        raise DataError(
            f"{path}: reading it needs the package safetensors, which is not installed. Run: pip install safetensors"
        ) from error

    def load() -> tuple[str, Tensor]:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            flat = [name for name in names if len(file.get_slice(name).get_shape()) == 2]
            name = _pick(path, key, flat if key is None and flat else names)
            return name, file.get_tensor(name)

    name, tensor = _guard(path, load)
    return as_tensor(tensor, f"{path}, tensor {name!r}")


def _guard(path: Path, load: Callable[[], Any]) -> Any:
    """Read a file; whatever goes wrong is a DataError in one line."""
    try:
        return load()
    except DataError:
        raise
    except Exception as error:  # on a damaged file the libraries raise almost anything
        raise DataError(
            f"{path}: cannot be read ({reason(error)}), wanted a whole file of plain numbers without "
            "Python objects. Get it again, or convert the numbers to float32 and save them again."
        ) from error


def _pick(path: Path, key: str | None, names: Iterable[str]) -> str:
    """Name of the array to take."""
    names = list(names)
    if key is None and len(names) == 1:
        return names[0]
    if key is None:
        raise DataError(
            f"{path}: found {len(names)} arrays, wanted one. Save one array alone, or in Python "
            f"give the key: one of {listed(names)}."
        )
    if key not in names:
        raise DataError(f"{path}: found no array {key!r}, wanted the name of one. {suggest(key, names)}")
    return key


def _kind(x: object) -> str:
    return f"a {str(x.layout).removeprefix('torch.')} tensor of {x.dtype}" if isinstance(x, Tensor) else repr(type(x))
