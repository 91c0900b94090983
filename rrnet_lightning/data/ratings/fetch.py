"""Fetching the known rating data sets, for users with a network."""

import os
import tempfile
from pathlib import Path

from rrnet_lightning.data.files.download import download, file_sha256, unzip
from rrnet_lightning.data.files.root import data_root
from rrnet_lightning.data.ratings.sets import RATING_SETS
from rrnet_lightning.errors import DataError, reason


def fetch_rating_set(name: str, root: str | Path | None = None, url: str | None = None) -> Path:
    """Make the folder of a known data set hold its files, downloading them unless they are all there.

    A file appears under its name only whole and with the right digest; one there with another digest is replaced.

    Args:
        name: key of `RATING_SETS`.
        root: see `data_root`.
        url: zip archive that holds the files, at any depth; None takes the known one.

    Raises:
        DataError: unknown name, no address known, the download failed (the same call resumes it), or the archive does
            not hold the right files (it is removed).
    """
    if name not in RATING_SETS:
        raise DataError(f"data set: found {name!r}, wanted one of {', '.join(RATING_SETS)}.")
    known = RATING_SETS[name]
    folder = data_root(root) / known.folder
    archive, address = folder.with_name(f"{known.folder}.zip"), url or known.url
    try:
        if _missing(folder, known.sha256):
            if address is None:
                raise DataError(
                    f"Data set {name!r}: no address is known for it. Name one of a zip archive that holds "
                    f"{' and '.join(known.files)} with --data.url, or put these files into {folder}."
                )
            _install(download(address, archive, None), address, folder, known.sha256)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be filled ({reason(error)}). Free the place, or set --data.root to a folder that "
            "you may write to."
        ) from error
    return folder


def _missing(folder: Path, sha256: dict[str, str]) -> list[str]:
    """Names of the files that are absent or have another digest."""
    return [
        name for name, want in sha256.items() if not (folder / name).is_file() or file_sha256(folder / name) != want
    ]


def _install(archive: Path, address: str, folder: Path, sha256: dict[str, str]) -> None:
    """Move the wanted files from the archive into the folder, after checking them all; remove the archive."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            content = unzip(archive, Path(temporary) / "content")
            found = {name: _find(content, name, want) for name, want in sha256.items()}
            folder.mkdir(exist_ok=True)
            for name, path in found.items():
                os.replace(path, folder / name)
    except DataError as error:
        raise DataError(
            f"{address}: what was fetched cannot be used and was removed.\n  {error}\n"
            "Run the same command again; if that fails too, name another address with --data.url."
        ) from error
    finally:
        archive.unlink(missing_ok=True)


def _find(content: Path, name: str, sha256: str) -> Path:
    """The file of this name and digest, at any depth."""
    digests = {path: file_sha256(path) for path in sorted(content.rglob(name)) if path.is_file()}
    for path, digest in digests.items():
        if digest == sha256:
            return path
    found = "".join(f"\n  found  sha256 {digest}" for digest in digests.values()) or "\n  found  no such file"
    raise DataError(f"{name}:{found}\n  wanted sha256 {sha256}")
