"""What the readers of tables share: which file is meant, and which name is nearest to one that is not there."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import DataError, reason

SHOWN = 10  # names listed in a message


def readable(path: str | Path, endings: Sequence[str]) -> Path:
    """Path of a file that can be opened and has one of the endings, in small or capital letters.

    Raises:
        DataError: another ending, no such file, a folder, or no permission.
    """
    path = user_path(path)
    if path.suffix.lower() not in endings:
        raise DataError(
            f"{path}: found the ending {path.suffix!r}, wanted one of {', '.join(endings)}. "
            "Save the data in one of these formats."
        )
    if not path.exists():
        raise DataError(f"{path}: found no such file, wanted a {path.suffix} file. Check the path.")
    try:
        path.open("rb").close()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({reason(error)}), wanted a {path.suffix} file. "
            "Check the path and its permissions."
        ) from error
    return path


def listed(names: Iterable[object]) -> str:
    """Names in quotes, separated by commas; of many the first ten and how many more."""
    texts = [repr(str(name)) for name in names]
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more or "none"


def suggest(name: str, known: Iterable[str]) -> str:
    """End of a message: the known name nearest to this one, or all known names where none is near."""
    known = list(known)
    near = get_close_matches(name, known, 1)
    return f"Did you mean {near[0]!r}?" if near else f"Choose among: {listed(known)}."


def check_names(place: object, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a file without the wanted columns, or with two columns of one wanted name.

    Raises:
        DataError: names the columns found and wanted, and the nearest right name of each missing one.
    """
    missing = [name for name in wanted if name not in names]
    if missing:
        raise DataError(
            f"{place}: found columns {listed(names)}, wanted {listed(missing)}. " + suggest(missing[0], names)
            if names
            else f"{place}: found an empty file, wanted the columns {listed(wanted)}. Write their names in line 1."
        )
    for name in wanted:
        if names.count(name) > 1:
            raise DataError(f"{place}: found {names.count(name)} columns {name!r}, wanted one. Rename the others.")
