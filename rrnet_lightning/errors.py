"""The errors that a user's input can cause. The command line prints one line and ends with status 2."""

import sys
from pathlib import Path


class RRNetError(Exception):
    """Base of all errors below: the input, an option or a place is not usable; the message says what to do.

    A message names the file and line or the field, what was found, what was wanted, and the remedy.
    """


class DataError(RRNetError, ValueError):
    """Data, or an option of it, that cannot be used."""


class GraphError(RRNetError, ValueError):
    """A graph, or a part given to build one, breaks the contract of :mod:`rrnet_lightning.graph.schema`."""

    @classmethod
    def of(cls, field: str, found: object, wanted: str, remedy: str = "") -> "GraphError":
        """Error with the message `field: found ..., wanted ...; remedy`."""
        return cls(f"{field}: found {found}, wanted {wanted}" + (f"; {remedy}" if remedy else ""))


class CheckpointError(RRNetError, ValueError):
    """A checkpoint does not fit the network that the data and the options ask for."""


class RunError(RRNetError, ValueError):
    """A checkpoint or run folder that cannot be used."""


class OptionError(RRNetError, ValueError):
    """The data, the model or the trainer refuses one of its options."""


class OutputError(RRNetError, OSError):
    """Results could not be written; nothing partial is left."""


class CrossFitError(RRNetError, ValueError):
    """A training of a cross-fitting failed, or files there are of other settings."""


def program() -> str:
    """Return what this program is called by, for messages: ``python train.py`` in a checkout, else ``rrnet``."""
    return "python train.py" if Path(sys.argv[0]).name == "train.py" else "rrnet"


def reason(error: BaseException) -> str:
    """What an error of Python or of a library says, in one line: `Permission denied`, not `[Errno 13] ...`."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.strip().partition("\n")[0] or type(error).__name__
