"""Config files: the one a user means, and what it must be."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

import rrnet_lightning
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import OptionError

PACKAGE = Path(rrnet_lightning.__file__).parent
SHIPPED = next((folder for folder in (PACKAGE / "configs", PACKAGE.parent / "configs") if folder.is_dir()), PACKAGE)


def with_config_files(words: Sequence[str]) -> list[str]:
    """Return a command line with every ``--config`` given by name replaced by its file.

    Raises:
        OptionError: see :func:`find_config`.
    """
    found, expected = [], False
    for word in words:
        option, given, value = word.partition("=")
        if expected:
            word = str(find_config(word))
        elif given and option in ("-c", "--config"):
            word = f"{option}={find_config(value)}"
        expected = word in ("-c", "--config")
        found.append(word)
    return found


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a name that stands twice, of which YAML keeps the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of a node."""
        names = set()
        for key, _ in node.value:
            if key.value in names:
                raise yaml.constructor.ConstructorError(None, None, f"found {key.value} twice", key.start_mark)
            names.add(key.value)
        return super().construct_mapping(node, deep)


def find_config(given: str) -> Path:
    """Return the config file: a path, or the bare name of one in ``configs/`` or among those of this package.

    Raises:
        OptionError: there is none, with the nearest name there is; or it is no YAML file of options.
    """
    name = given.removesuffix(".yaml")
    places = [user_path(given), *(folder / f"{name}.yaml" for folder in (Path("configs"), SHIPPED))]
    file = next((place for place in places if place.exists()), None)
    if file is None:
        known = {config.stem for folder in (Path("configs"), SHIPPED) for config in folder.glob("*.yaml")}
        near = difflib.get_close_matches(Path(name).name, sorted(known), 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"wanted a file, or one of {', '.join(sorted(known))}"
        raise OptionError(f"--config: found no file {given!r}; {hint}")
    _check(file)
    return file


def describe(folder: Path = SHIPPED) -> Iterator[tuple[str, str]]:
    """Yield name and first comment line of every config that comes with this package."""
    for file in sorted(folder.glob("*.yaml")):
        yield file.stem, file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()


def _check(file: Path) -> None:
    """Refuse what is no mapping of options in YAML, with the line where there is one."""
    wanted = "wanted a YAML file of options, as in configs/"
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _UniqueKeys)
    except OSError as error:
        raise OptionError(f"--config: {file}: {error.strerror}; {wanted}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"--config: {file}: no UTF-8 text; {wanted}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise OptionError(f"--config: {file}{line}: {getattr(error, 'problem', error)}; {wanted}") from error
    if not isinstance(content, dict):
        raise OptionError(f"--config: {file}: found {type(content).__name__ if content else 'nothing'}; {wanted}")
