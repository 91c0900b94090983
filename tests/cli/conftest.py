from pathlib import Path

import pytest

from rrnet_lightning.cli.command import main
from tests.command import mini, only_run


@pytest.fixture
def last(here: Path) -> Path:
    """The last checkpoint of a short run."""
    main(mini("fit"))
    return only_run(here) / "checkpoints" / "last.ckpt"
