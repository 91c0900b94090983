"""What ``train.py`` makes of options, without running anything."""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import yaml

from rrnet_lightning.cli.command import main
from rrnet_lightning.cli.jobs import last_error
from rrnet_lightning.errors import OptionError


def resolve(options: Sequence[str]) -> dict[str, Any]:
    """Return the whole config of ``train.py fit`` with these options.

    Raises:
        OptionError: it does not take them; says why in its words.
    """
    printed, said = io.StringIO(), io.StringIO()
    with redirect_stdout(printed), redirect_stderr(said):
        try:
            main(["fit", *options, "--print_config"])
        except SystemExit as exit:
            if exit.code:
                raise OptionError(last_error(said.getvalue()).removeprefix("error: ")) from None
    config: dict[str, Any] = yaml.safe_load(printed.getvalue())
    return config
