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

    # of one whole graph each process asks for its own share of the users
    run(here, mini("predict", "--ckpt_path", "last", *TWO[:-1], "null", *SCORER))
    main(mini("predict", "--ckpt_path", "last", *SCORER))
    rows = [sorted(zip(*pq.read_table(file).to_pydict().values(), strict=True)) for file in here.glob("*.parquet")]
    assert sorted(len(part) for part in rows)[-1] == 58 and len(rows) == 3
    parts = [pq.read_table(here / f"predictions-{rank}.parquet").to_pydict() for rank in (0, 1)]
    pairs = [pair for part in parts for pair in zip(part["source"], part["target"], strict=True)]
    assert len(set(pairs)) == len(pairs) == 58


OWN = """
seed_everything: 0
model:
  class_path: RRNetModule
  init_args:
    hidden_dim: 4
    units: [intra, inter, inter]
    optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.1}}
data: tests.two_graphs.TwoGraphs
trainer:
  {max_epochs: 1, accelerator: cpu, use_distributed_sampler: false, enable_progress_bar: false, logger: false}
checkpoint: {monitor: null}
"""


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available() or os.name != "posix", reason="no gloo here")
def test_two_processes_learn_the_weights_of_one_with_both_their_graphs(here: Path) -> None:
    """One graph has far more answerable sources than the other: a mean of two means would be another mean."""
    (here / "own.yaml").write_text(OWN)
    fit = ["fit", "--config", "own.yaml", "--trainer.default_root_dir"]
    run(here, [*fit, "two", "--trainer.strategy", "ddp", "--trainer.devices", "2"])
    main([*fit, "one"])
    one, two = (
        torch.load(next(here.glob(f"{name}/*/checkpoints/last.ckpt")), weights_only=True) for name in ("one", "two")
    )
    assert one["global_step"] == two["global_step"] == 3
    for name, weight in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][name], weight, rtol=0, atol=1e-6)
