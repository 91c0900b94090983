"""Run by ``python -m benchmarks.refine``."""

import sys

from benchmarks.refine.command import main

sys.exit(main(sys.argv[1:]))
