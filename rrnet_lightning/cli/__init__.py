"""The command line. Light to import: a command loads what it needs when it runs."""

import os
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

from rrnet_lightning.errors import OptionError

TRAINER = ("fit", "validate", "test", "predict")  # LightningCLI's
OTHERS = {  # module of each other command; its main() takes the words that follow
    "crossfit": "rrnet_lightning.cli.crossfit",
    "demo": "rrnet_lightning.cli.demo",
    "describe": "rrnet_lightning.cli.describe",
    "doctor": "rrnet_lightning.cli.doctor",
}


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; errors in the user's input end with one line and status 2, not with a traceback.

    Where nobody reads on, as behind ``| head``, it ends in silence, with 141 = 128 + 13 as SIGPIPE would.

    Args:
        args: a command and its options; None takes those of the process.
    """
    try:
        try:
            _run(args)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python says so when it leaves
        sys.exit(128 + signal.SIGPIPE)


def _run(args: Sequence[str] | None) -> None:
    from rrnet_lightning.cli.overview import overview

    words = list(sys.argv[1:] if args is None else args)
    if words in ([], ["-h"], ["--help"]):
        print(overview())
        return
    try:
        _check(words[0])
        if words == ["fit"]:
            print(overview())
            raise OptionError("fit: found no --config, wanted one of the above or a file of yours")
    except OptionError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    if words[0] in OTHERS:
        import_module(OTHERS[words[0]]).main(words[1:])
        return
    from rrnet_lightning.cli.command import main as run

    run(None if args is None else words)


def _check(command: str) -> None:
    known = [*TRAINER, *OTHERS]
    if command not in known and not command.startswith("-"):
        near = get_close_matches(command, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise OptionError(f"command: found {command!r}, wanted {', '.join(known)}{hint}")
