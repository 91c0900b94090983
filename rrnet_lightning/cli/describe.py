"""What a set of pictures and texts holds, and what is missing."""

import argparse
import sys
import warnings
from collections.abc import Sequence

from rrnet_lightning.errors import RRNetError, program


def parse(args: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog=f"{program()} describe", description=__doc__)
    parser.add_argument("data", help="emoji, emoji_twemoji, flickr8k, pascal_sentence, wikipedia, or a folder of yours")
    parser.add_argument("--root", help="folder of the data sets, as --data.root")
    parser.add_argument("--quick", action="store_true", help="do not decode the pictures")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> None:
    """Print the lines; what cannot be read ends with one line and status 2."""
    from rrnet_lightning.data.paired.describe import describe  # here: torch is not needed to say what is misspelt
    from rrnet_lightning.data.paired.sets import read_paired

    known = parse(args)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the lines say it
            paired = read_paired(known.data, known.root)
        for line in describe(paired, pictures=not known.quick):
            print(line)
    except RRNetError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
