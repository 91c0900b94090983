"""Files that are there whole or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Write a file so that a reader sees it complete or not at all.

    Yields a temporary path in the same folder, with the same ending. When the block ends, what was written there gets
    the final name and replaces an older file. When the block raises, it is removed, and so are folders made for it.

        with atomic(Path("out/table.csv")) as part:
            part.write_text("a,b\\n")

    Args:
        path: the file to make; missing folders above it are made too.

    Raises:
        OSError: the place cannot be written to. It is noticed before the block begins where that can be.
    """
    part = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(4)}{path.suffix}")
    new = [folder for folder in path.parents if not folder.exists()]
    if not path.parents[len(new)].is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{path.parents[len(new)]} is a file, not a folder", str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():  # a name too long is noticed here too
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        yield part
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            for folder in new:
                folder.rmdir()
        raise


def check_place(path: Path) -> None:
    """Try, before a long computation, whether its result could be written; nothing is left behind.

    Raises:
        OSError: what :func:`atomic` would raise.
    """
    with contextlib.suppress(_Undo), atomic(path) as part:
        part.touch()
        raise _Undo


class _Undo(Exception):
    """Ends a trial."""
