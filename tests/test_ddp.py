import csv
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from rrnet_lightning.cli.command import main
from tests.command import mini, only_run, run

TWO = ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--data.batch_size", "1"]
AVERAGE = [
    "--trainer.callbacks",
    "[{class_path: EMAWeightAveraging, init_args: {decay: 0.9}}]",
]  # as shipped configs do
SCORER = ["--data.scorer.model", "BiasedMF", "--data.scorer.epochs", "1", "--data.scorer.repeats", "1"]


def metrics(folder: str) -> dict[str, float]:
    (file,) = Path(folder).rglob("metrics.csv")
    (row,) = csv.DictReader(file.open())
    return {name: float(value) for name, value in row.items() if "/" in name}


def logged(subcommand: str, folder: str) -> list[str]:
    Path(folder).mkdir()
    to = ["--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", folder]
    return mini(subcommand, "--ckpt_path", "last", *to, *SCORER, logger=True)


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available() or os.name != "posix", reason="no gloo here")
def test_two_processes_train_and_measure_like_one(here: Path) -> None:
    """Batches of one source each: with an odd number of sources, one process has a batch more than the other."""
    run(here, mini("fit", *TWO, *SCORER, *AVERAGE))
    folder = only_run(here)  # one for both processes
    assert {file.name for file in folder.rglob("*.*")} == {"config.yaml", "best.ckpt", "last.ckpt"}
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 15  # 30 users

    run(here, [*logged("validate", "two"), *TWO])
    main(logged("validate", "one"))
    assert set(metrics("one")) == {"val/loss", "val/mae", "val/rmse"}
    assert metrics("two") == pytest.approx(metrics("one"), abs=1e-6)

    run(here, mini("predict", "--ckpt_path", "last", *TWO, *SCORER))
    main(mini("predict", "--ckpt_path", "last", *SCORER))
    rows = [sorted(zip(*pq.read_table(file).to_pydict().values(), strict=True)) for file in here.glob("*.parquet")]
    assert sorted(len(part) for part in rows)[-1] == 58 and len(rows) == 3
    parts = [pq.read_table(here / f"predictions-{rank}.parquet").to_pydict() for rank in (0, 1)]
    pairs = [pair for part in parts for pair in zip(part["source"], part["target"], strict=True)]
    assert len(set(pairs)) == len(pairs) == 58
