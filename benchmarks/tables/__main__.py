"""Run by ``python -m benchmarks.tables``."""

import sys

from benchmarks.tables.command import main

sys.exit(main(sys.argv[1:]))
