"""Run by ``python -m benchmarks.ratings``."""

import sys

from benchmarks.ratings.command import main

sys.exit(main(sys.argv[1:]))
