"""What this program is, in one screen."""

import textwrap

from rrnet_lightning.cli.configs import describe
from rrnet_lightning.errors import program

WIDTH = 110  # characters of a line

TEXT = """\
RR-Net on PyTorch Lightning: cross-modality mapping by relational reasoning.
It links instances of one modality (images, sounds, users) to instances of another (class names, items), within each
modality and across the two, and scores every candidate pair.

Try:
  {program} demo
  {program} fit --config image_digits
  {program} test --config image_digits --ckpt_path best

Commands:
  fit, validate, test, predict   train a model and use it; all options: {program} fit --help
  crossfit                       train a backbone once for every set of folds left out
  demo                           see it work on handwritten digits, in a minute, without a download
  describe                       what a set of pictures and texts holds, and what is missing
  doctor                         versions, devices, threads, and which data sets are here

Configs, for --config <name>; a file of yours works as well:
{configs}"""


def overview() -> str:
    """Say what this program is, three commands to copy, and every config in a line."""
    configs = dict(describe())
    width = max(map(len, configs), default=0)
    lines = [
        f"  {name:{width}}  {textwrap.shorten(title, WIDTH - width - 4, placeholder=' ...')}"
        for name, title in configs.items()
    ]
    return TEXT.format(program=program(), configs="\n".join(lines))
