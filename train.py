"""Train, validate or test any task: ``python train.py fit --config configs/<task>_<dataset>.yaml``."""

from rrnet_lightning.cli import main

if __name__ == "__main__":
    main()
