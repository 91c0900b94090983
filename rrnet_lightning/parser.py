"""The argument parser: no abbreviations; errors in one line, an unknown name's with the nearest valid one."""

import difflib
import inspect
import re
from collections.abc import Iterable
from typing import Any, NoReturn

import lightning as L
from lightning.pytorch.cli import LightningArgumentParser

UNKNOWN = re.compile(
    r"unrecognized arguments: --(?P<flag>[^\s=]+)|Option '(?P<option>[^']+)' is not accepted"
    r"|dot import path string: (?P<name>\w+)|Key '?(?P<key>[\w.]+)'? is not expected",
    re.IGNORECASE,
)
VALUE = re.compile(
    r'Parser key "(?P<option>[\w.]+)":\s+(?:Expected an? (?P<kind>.+)\. Got value: (?P<found>.*)'
    r"|Does not validate .*\s+Subtypes: \[(?P<kinds>.*)\]\s(?:.*\n)*?\s*Given value: (?P<given>.*))"
)


class Parser(LightningArgumentParser):
    """LightningCLI's parser, refusing ``--trainer.max_epoch`` for ``max_epochs`` and naming what was probably meant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message, the nearest valid name last, and leave with status 2."""
        hint, found = re.search(r"unknown option or name .*", message), UNKNOWN.search(message)
        if hint:  # found by the parser of a class inside this one
            message = hint.group()
        elif found:
            unknown = next(name for name in found.groups() if name)
            parser = getattr(ex, "subcommand_parser", None) or self
            names = nearest(unknown, [*_options(parser), *_class_options()])
            if unknown in names:
                advice = " here: it is of another kind than wanted"
            else:
                advice = f"; did you mean {names[0]!r}?" if names else ". Those there are: --help, --data.help <class>"
            message = f"unknown option or name {unknown!r}{advice}"
        super().error(wrong_value(message) or message, ex)


def wrong_value(message: str) -> str | None:
    """Return in one line what jsonargparse says of a value of the wrong kind; None where it says something else."""
    found, inside = VALUE.match(message), re.search(r"--(?P<option>[\w.]+: found .*)", message)
    if found is None:
        return None
    if inside:  # found by the parser of a class inside this one
        return f"--{found['option']}.{inside['option']}"
    value = found["found"] or found["given"]
    if value.startswith("NestedArg("):  # of the class, whose parser said why in other words
        return None
    kind = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", found["kind"] or found["kinds"])
    kind = re.sub(r"typing\.Literal\[(.*?)\]", r"\1", kind).replace("NoneType", "null").replace("Sequence", "list")
    return f"--{found['option']}: found {value}, wanted {kind.replace(', ', ' or ')}"


def nearest(unknown: str, known: Iterable[str]) -> list[str]:
    """Return the known names that resemble ``unknown`` most, the whole dotted name first, else its last part."""
    known = list(known)
    by_tail = {name.rsplit(".", 1)[-1]: name for name in known}
    tails = difflib.get_close_matches(unknown.rsplit(".", 1)[-1], by_tail, 1)
    return difflib.get_close_matches(unknown, known, 1, 0.8) or [by_tail[tail] for tail in tails]


def _options(parser: Any) -> list[str]:
    return [action.dest for action in parser._actions]


def _class_options() -> list[str]:
    """Names of our modules and datamodules and of all that their constructors take."""
    names = []
    for key, base in (("model", L.LightningModule), ("data", L.LightningDataModule)):
        for cls in _subclasses(base):  # abstract ones too: classes hand options on to them
            options = inspect.signature(cls).parameters.values()
            names += [f"{key}.{option.name}" for option in options if option.kind != option.VAR_KEYWORD]
            names += [] if inspect.isabstract(cls) else [cls.__name__]
    return names


def _subclasses(base: type[Any]) -> list[type[Any]]:
    below: list[type[Any]] = []
    for sub in base.__subclasses__():
        below += [sub, *_subclasses(sub)]
    return [cls for cls in below if cls.__module__.startswith("rrnet_lightning.")]
