"""Fetching archives: resumable, checked against a digest, and never half a file under the final name."""

import hashlib
import os
import re
import tempfile
import zipfile
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import cast
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import DataError, reason

TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 20


def download(url: str, path: str | Path, sha256: str | None) -> Path:
    """Fetch `url` to `path`, unless a file with this digest is already there.

    Bytes go to `<path>.part`, which takes the final name only when the digest is right. What a broken attempt left
    there is continued, where the server can do that.

    Args:
        url: http or https address.
        path: the file to make; its folder is made too.
        sha256: wanted digest in hexadecimal. None if it is not known: then a file that is already at `path` is taken
            as it is, and the caller checks what is inside.

    Raises:
        DataError: the connection failed (the part is kept, so that the same call resumes), or the digest is wrong (the
            part is removed).
    """
    path, sha256 = user_path(path), sha256.lower() if sha256 is not None else None
    if path.is_file() and sha256 in (None, file_sha256(path)):
        return path
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (part.is_file() and file_sha256(part) == sha256):
            _fetch(url, part)
        found = file_sha256(part)
        if sha256 in (None, found):
            os.replace(part, path)
            return path
        part.unlink()
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{url}: download failed ({reason(error)}). Check the network and run the same command again, which goes "
            f"on after the {_size(part)} bytes kept in {part}; or fetch the file by other means and put it at {path}."
        ) from error
    raise DataError(
        f"{url}: the file fetched has another digest than wanted and was removed.\n  found  sha256 {found}\n"
        f"  wanted sha256 {sha256}\nRun the same command again; if that fails too, the file at this address changed."
    )


def unzip(path: str | Path, folder: str | Path) -> Path:
    """Unpack a zip archive into a new folder, which appears only when it is complete.

    Args:
        path: the archive.
        folder: must not exist yet, or be empty.

    Raises:
        DataError: damaged or encrypted archive, a member that would lie outside the folder, or a folder in use.
    """
    path, folder = user_path(path), user_path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(
            f"{folder}: exists and is not an empty folder, so {path} is not unpacked there. Remove it first."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            for name in archive.namelist():
                _refuse_outside(path, name)
            content = Path(temporary) / "content"
            content.mkdir()
            archive.extractall(content)
            os.replace(content, folder)
    except DataError:
        raise
    except Exception as error:  # on a damaged archive zipfile also raises zlib.error, RuntimeError, EOFError ...
        raise DataError(
            f"{path}: cannot be unpacked to {folder} ({type(error).__name__}: {reason(error)}). "
            "If the archive is damaged, remove it and download it again."
        ) from error
    return folder


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(url: str, part: Path) -> None:
    """Append to `part` what it lacks; start over when the server sends the whole file or refuses to continue it."""
    if not re.match(r"https?://", url):
        raise ValueError("wanted an address that begins with http:// or https://")
    have = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = cast(HTTPResponse, urlopen(Request(url, headers=headers), timeout=TIMEOUT))
    except HTTPError as error:
        if error.code == 416 and have:  # the part is not a beginning of this file
            part.unlink()
            return _fetch(url, part)
        raise
    with response:
        if response.status != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        _copy(response, part, have, total)
    if total is not None and _size(part) < total:
        raise OSError(f"connection closed after {_size(part)} of {total} bytes")


def _copy(response: HTTPResponse, part: Path, have: int, total: int | None) -> None:
    """Write the response behind the first `have` bytes of `part`, showing progress and time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with part.open("ab" if have else "wb") as out, Progress(*columns, TimeRemainingColumn()) as progress:
        task = progress.add_task(part.name.removesuffix(".part"), total=total, completed=have)
        while chunk := response.read1(CHUNK):  # read1: what has arrived is kept even if the rest never does
            out.write(chunk)
            progress.advance(task, len(chunk))


def _refuse_outside(path: Path, name: str) -> None:
    member = PurePosixPath(name.replace("\\", "/"))
    if member.is_absolute() or ".." in member.parts or re.match(r"[A-Za-z]:", name):
        raise DataError(f"{path}: found member {name!r}, wanted only files inside the folder. Do not use this archive.")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
