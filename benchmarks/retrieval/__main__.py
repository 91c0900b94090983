"""Run by ``python -m benchmarks.retrieval``."""

import sys

from benchmarks.retrieval.command import main

sys.exit(main(sys.argv[1:]))
