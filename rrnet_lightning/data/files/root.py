"""What a path means, and where data sets lie on this machine."""

import os
from collections.abc import Sequence
from pathlib import Path

from rrnet_lightning.errors import DataError


def user_path(path: str | Path) -> Path:
    """A path as its user means it: relative to the working directory; a leading `~` or `~name` is a home folder.

    A path may pass through here several times: `./~` stays the file of this name in the working directory.

    Raises:
        DataError: an empty path, or the home folder of a user who is not there.
    """
    text = os.path.expanduser(path)
    if not text or text.startswith("~"):
        wanted = "the home folder of a user of this machine; write ./ before a file name that begins with ~"
        raise DataError(f"path: found {text!r}, wanted {wanted if text else 'the name of a file or folder'}.")
    full = Path(text)
    return Path.cwd() / full if full.parts and full.parts[0].startswith("~") else full


def cache_root() -> Path:
    """Folder for what can be made again: environment variable RRNET_CACHE, else `~/.cache/rrnet`."""
    return user_path(os.environ.get("RRNET_CACHE") or "~/.cache/rrnet")


def data_root(root: str | Path | None = None) -> Path:
    """Folder that holds one folder per data set.

    The first that applies: `root`, the environment variable RRNET_DATA, `../shared/data` if it exists (seen from the
    working directory), `~/.cache/rrnet`. The folder need not exist yet.
    """
    if given := root or os.environ.get("RRNET_DATA"):
        return user_path(given)
    shared = Path("../shared/data")
    return shared if shared.is_dir() else user_path("~/.cache/rrnet")


def dataset_folder(name: str, files: Sequence[str], root: str | Path | None = None, hint: str = "") -> Path:
    """`<data root>/<name>`, checked to hold every one of `files`.

    Args:
        name: folder of the data set, such as "filmtrust".
        files: paths inside that folder, with "/" between folders.
        root: see `data_root`.
        hint: how to get this data set, such as "Download it with --data.download true."

    Raises:
        DataError: a file is missing; shows the expected tree and what to do.
    """
    folder = data_root(root) / name
    missing = [file for file in files if not (folder / file).exists()]
    if folder.is_dir() and not missing:
        return folder
    found = f"{len(missing)} of {len(files)} files are missing" if folder.is_dir() else "no such folder"
    tree = "\n".join(f"    {file}{'    <- missing' if file in missing else ''}" for file in files)
    raise DataError(
        f"Data set {name!r}: {found}. Wanted:\n  {folder}/\n{tree}\n{hint + ' ' if hint else ''}"
        f"If you have the files elsewhere, set --data.root or the environment variable RRNET_DATA to the folder "
        f"that holds {name}/."
    )
