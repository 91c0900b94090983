"""The argument parser: no abbreviations; errors in one line, an unknown name's with the nearest valid one."""

import inspect
import pydoc
import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, NoReturn, get_args, get_type_hints

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from rrnet_lightning.cli.names import class_names, class_options, nearest
from rrnet_lightning.cli.runs import WIDTHS
from rrnet_lightning.errors import OptionError

UNKNOWN = re.compile(
    r"unrecognized arguments: --(?P<flag>[^\s=]+)|Option '(?P<option>[^']+)' is not accepted"
    r"|does not accept option '(?P<inner>[^']+)'"
    r"|Key '?(?P<key>[\w.]+)'? is not expected",
    re.IGNORECASE,
)
KEY = r'Parser key "([\w.]+)":'
CLASS = re.compile(r"dot import path string: (?P<name>[\w.]+)|module '\S+' has no attribute '(?P<tail>\w+)'")
VALUE = re.compile(rf"{KEY}\s+Expected an? (?P<kind>.+)\. Got value: (?P<found>.*)")
UNION = re.compile(r"Subtypes: \[(?P<kind>.*)\]\s(?:.*\n)*?\s*Given value: (?P<found>.*)")
REASON = re.compile(
    rf"(?:Problem with given class_path '[^']*'|expects a function or a callable class):\s+(?:{KEY}\s+)*(?P<reason>.*)"
)


class Parser(LightningArgumentParser):
    """LightningCLI's parser, refusing ``--trainer.max_epoch`` for ``max_epochs`` and naming what was probably meant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the reason in one line, the nearest valid name last, and leave with status 2: no usage of 60 lines."""
        options = [action.dest for action in (getattr(ex, "subcommand_parser", None) or self)._actions]
        message = short(message, options, class_options())
        message = " ".join(message.partition(". Got value: Namespace(")[0].split())
        if not self.exit_on_error:  # a class inside a class: the parser around it prints
            super().error(message, ex)
        self.exit(2, f"error: {message}\n")


def short(message: str, known: Sequence[str], others: Sequence[str]) -> str:
    """Return in one line what jsonargparse says, with the nearest of the ``known`` names, else the others; or as it is.

    A class inside a class has a parser of its own, which has made its part short already.
    """
    option = ".".join(dict.fromkeys(re.findall(KEY, message)))
    if re.search(r'Unable to load config "?(?:null|None)', message):
        return f"--{option}: found null, wanted its options; leave it out for their defaults"
    if inside := re.search(r"unknown option or name .*", message):
        return inside.group()
    found = CLASS.search(message)
    if not found and (inside := re.search(r"--([\w.]+: \S.*)", message)):
        return f"--{option}.{inside[1]}" if option else message
    if found := found or UNKNOWN.search(message):
        unknown = next(name for name in found.groups() if name)
        pools = (class_names(),) if found.re is CLASS else (known, others)
        names = next((names for pool in pools if (names := nearest(unknown, pool))), [])
        if unknown in names:
            return f"unknown option or name {unknown!r} here: it is of another kind than wanted"
        if names:
            return f"unknown option or name {unknown!r}; did you mean {names[0]!r}?"
    if inside := REASON.search(message):
        no_class = re.match(r"- Expected a path but (\S+) ", inside["reason"])
        reason = f"found {no_class[1]}, wanted a class by name or path" if no_class else inside["reason"]
        return f"--{option}: {reason}"
    if found := VALUE.match(message) or UNION.search(message):
        kind = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", found["kind"])
        kind = re.sub(r"typing\.Literal\[(.*?)\]", r"\1", kind).replace("NoneType", "null").replace("Sequence", "list")
        null = found["found"] == "None" and "type: <class 'str'>" not in message  # else the word None in a config
        value = "null" if null else found["found"]
        return f"--{option}: found {value}, wanted {kind.replace(', ', ' or ')}"
    return message


def check_group(option: str, config: Any) -> None:
    """Check that a group has options, where a config gives it.

    Raises:
        OptionError: names the group.
    """
    if not isinstance(config, Namespace):
        found = "null" if config is None else config
        raise OptionError(f"--{option}: found {found}, wanted its options; leave it out for their defaults")


def check_class(option: str, config: Mapping[str, Any] | None) -> None:
    """Check that a class is named, and :func:`check_options`, those of classes inside it too.

    Raises:
        OptionError: names the option.
    """
    if config is None:
        raise OptionError(f"--{option}: found none, wanted a class by name: in --config, or --{option} <class>")
    check_options(option, pydoc.locate(config["class_path"]), config.get("init_args") or {})


def check_options(option: str, cls: Any, given: Mapping[str, Any]) -> None:
    """Refuse null for what our classes do not take it for: the parser lets it pass for all that has a default.

    Raises:
        OptionError: names the option.
    """
    kinds: dict[str, Any] = {}
    for base in reversed(inspect.getmro(cls) if inspect.isclass(cls) else ()):
        ours = base.__module__.startswith("rrnet_lightning.")
        if "__init__" in vars(base):  # what another's class takes in our stead is its own affair
            own = vars(base)["__init__"]
            kinds |= get_type_hints(own) if ours else dict.fromkeys(inspect.signature(own).parameters, Any)
    for name, value in given.items():
        kind = Any if name in WIDTHS else kinds.get(name, Any)
        null = value is None and kind is not Any and type(None) not in get_args(kind)
        if null or (is_dataclass(kind) and not isinstance(value, Mapping)):
            wanted = re.sub(r"(\w+\.)+", "", str(kind) if get_args(kind) else kind.__name__)
            raise OptionError(f"--{option}.{name}: found {'null' if null else value}, wanted {wanted}")
        if is_dataclass(kind):
            check_options(f"{option}.{name}", kind, value)
        elif isinstance(value, Mapping) and "class_path" in value:
            check_class(f"{option}.{name}", value)
