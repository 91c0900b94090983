"""Pictures that are read when they are asked for: files, members of an archive, tiles of a sheet."""

import io
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.files.columns import read_bytes
from rrnet_lightning.errors import DataError, reason

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class Pictures(ABC):
    """N pictures by row. `pictures[row]` is [3, H, W] uint8: red, green, blue, on white where transparent.

    Height and width may differ from picture to picture. A picture that cannot be read is a DataError of one line.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, row: int) -> Tensor: ...


class PictureFiles(Pictures):
    """One file a picture.

    Args:
        paths: of the files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> Tensor:
        path = self.paths[row]
        return _tensor(decode(read_bytes(path), str(path)))


class PictureZip(Pictures):
    """One member of a zip archive a picture.

    Args:
        path: the archive.
        names: of the members.

    Raises:
        DataError: no readable archive, or a member that is not there.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, tuple(names)
        try:
            with zipfile.ZipFile(path) as archive:
                there = set(archive.namelist())
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: cannot be read ({reason(error)}), wanted a zip archive. Get it again.") from error
        missing = [name for name in names if name not in there]
        if missing:
            raise DataError(
                f"{path}: found no {missing[0]!r} and {len(missing) - 1} more, wanted {len(names)} pictures. "
                "Get the archive again."
            )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> Tensor:
        name = self.names[row]
        try:
            with zipfile.ZipFile(self.path) as archive:
                raw = archive.read(name)
        except Exception as error:  # on a damaged member zipfile raises BadZipFile, zlib.error, EOFError ...
            raise DataError(f"{self.path}, {name}: cannot be read ({reason(error)}). Get the archive again.") from error
        return _tensor(decode(raw, f"{self.path}, {name}"))


class PictureTiles(Pictures):
    """Square pictures side by side in one sheet, row by row; the sheet is decoded once, at the first picture.

    Args:
        path: the sheet.
        count: number of pictures.
        side: height and width of a picture.
        columns: pictures in a row.
    """

    def __init__(self, path: Path, count: int, side: int, columns: int) -> None:
        self.path, self.count, self.side, self.columns = path, count, side, columns
        self._tiles: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> Tensor:
        if not -self.count <= row < self.count:
            raise IndexError(row)
        return _tensor(self.tiles()[row])

    def tiles(self) -> NDArray[np.uint8]:
        """All pictures, [N, side, side, 3].

        Raises:
            DataError: a damaged sheet, or one of another size.
        """
        if self._tiles is None:
            sheet = decode(read_bytes(self.path), str(self.path))
            rows = -(-self.count // self.columns)
            wanted = rows * self.side, self.columns * self.side, 3
            if sheet.shape != wanted:
                raise DataError(f"{self.path}: found pixels {sheet.shape}, wanted {wanted}. Get this sheet again.")
            parts = sheet.reshape(rows, self.side, self.columns, self.side, 3).transpose(0, 2, 1, 3, 4)
            self._tiles = parts.reshape(-1, self.side, self.side, 3)[: self.count]
        return self._tiles


def decode(raw: bytes, place: str) -> NDArray[np.uint8]:
    """Decode a picture, [H, W, 3] of red, green and blue: turned as its camera noted, on white where transparent.

    Args:
        raw: content of a file.
        place: for messages.

    Raises:
        DataError: no picture, or a damaged one.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(raw)) as opened:
            picture: Any = ImageOps.exif_transpose(opened)
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return np.array(picture.convert("RGB"))
    except Exception as error:  # on a damaged file PIL raises OSError, SyntaxError, ValueError, EOFError ...
        raise DataError(
            f"{place}: cannot be decoded as a picture ({_short(error)}). It is damaged or of another kind: get it "
            f"again, or save it as one of {', '.join(ENDINGS)}."
        ) from error


def _short(error: Exception) -> str:
    """What PIL says, without the address of a buffer."""
    return "not a picture that Pillow knows" if "cannot identify" in str(error) else reason(error)


def _tensor(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)
