"""Fetching ESC-50, and with it ESC-10, for users with a network."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rrnet_lightning.data.files.download import download, unzip
from rrnet_lightning.data.files.root import data_root
from rrnet_lightning.data.sound.esc_table import CSV_FILES, Row, find_sounds, list_sounds, read_rows
from rrnet_lightning.errors import DataError

ESC50_URL = "https://github.com/karolpiczak/ESC-50/archive/refs/heads/master.zip"
# Of the official clips, folds and class numbers, see `_rows_sha256`.
ESC50_ROWS = "e9f2877f3ca13a9edb44a73b849fcec3969b049dbbc01ab3099dc3cbde8a7fa5"


def fetch_esc50(root: str | Path | None = None, url: str = ESC50_URL, sha256: str | None = None) -> Path:
    """Make the folder `esc50` under the data root hold ESC-50, downloading 600 MB unless it is all there.

    The server makes the archive anew at each release, so no digest of it stays right. These are checked instead: the
    checksum that the archive holds of each file, the digest of clips, folds and class numbers in the csv, and that
    every clip is there. ESC-10 is a part of ESC-50: `read_esc(folder, rate, esc10=True)`.

    Args:
        root: see `data_root`.
        url: zip archive that holds `meta/esc50.csv` and `audio/`, at any depth.
        sha256: digest of the archive if you know it.

    Raises:
        DataError: the folder holds something else, the download failed (the same call resumes it), or the archive does
            not hold ESC-50 (it is removed).
    """
    folder = data_root(root) / "esc50"
    if folder.is_dir() and any(folder.iterdir()):
        _check(folder)
        return folder
    archive = download(url, folder.with_name("esc50.zip"), sha256)
    try:
        with tempfile.TemporaryDirectory(prefix=".esc50-", dir=folder.parent) as temporary:
            content = unzip(archive, Path(temporary) / "content")
            tables = sorted(content.rglob(CSV_FILES[0]))
            if len(tables) != 1:
                raise DataError(f"{archive}: found {len(tables)} files {CSV_FILES[0]}, wanted one.")
            _check(tables[0].parents[1])
            os.replace(tables[0].parents[1], folder)
    except (DataError, OSError) as error:
        raise DataError(
            f"{url}: what was fetched cannot be used and was removed.\n  {error}\n"
            f"Get ESC-50 by other means and put its audio/ and meta/ into {folder}."
        ) from error
    finally:
        archive.unlink(missing_ok=True)
    return folder


def _check(folder: Path) -> None:
    """DataError unless the folder holds the official csv and a file for every row."""
    table = folder / CSV_FILES[0]
    rows = read_rows(table)
    found = _rows_sha256(rows)
    if found != ESC50_ROWS:
        raise DataError(
            f"{table}: found {len(rows)} clips, folds and class numbers of sha256 {found}, wanted {ESC50_ROWS}. Remove "
            f"{folder} to fetch it again."
        )
    find_sounds(table, rows, list_sounds(folder / "audio"))


def _rows_sha256(rows: Sequence[Row]) -> str:
    """Digest of `id fold target` lines, sorted: the same whatever the order, line ends and other columns."""
    lines = sorted(f"{row.id} {row.fold} {row.target}\n" for row in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
