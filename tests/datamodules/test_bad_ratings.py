"""Poor ratings and trust files, from the file to the metrics: a message that names what is wrong, or finite numbers.

What the readers say of bad lines is in tests/data, what rating models make of poor data in tests/baselines.
"""

import logging
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import lightning as L
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.ratings.scorer import Scorer
from rrnet_lightning.candidates.ratings.social import SoReg, TrustSVD
from rrnet_lightning.cli.command import main
from rrnet_lightning.datamodules.social import SocialDataModule
from rrnet_lightning.module import RRNetModule
from rrnet_lightning.objectives import RatingObjective
from tests.candidates.ratings.test_training import quiet
from tests.command import mini, only_run, refused
from tests.fake import rating_rows, trust_rows, write_ciao, write_lines, write_split

ROWS = rating_rows([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4])
OWN = ["--data.ratings_path", "own.txt", "--data.trust_path", "trust.txt", "--data.scale", "[0.5, 4.0]"]
SCORER = ["--data.scorer.model", "TrustSVD", "--data.scorer.epochs", "2", "--data.scorer.folds", "2"]
Rows = Sequence[Sequence[object]]


def rrnet(data: SocialDataModule) -> RRNetModule:
    widths, objective = (data.source_dim, data.target_dim, data.edge_dim), RatingObjective(0.5, 4.0, loss="mse")
    return RRNetModule(*widths, 4, ("intra", "inter"), prior=True, objective=objective)


def results(
    folder: Path, make: Callable[[SocialDataModule], L.LightningModule] = rrnet, **options: Any
) -> tuple[dict[str, float], Tensor]:
    """Fit, test and predict: all metrics, and the predictions [P]."""
    torch.manual_seed(0)
    scorer = Scorer(TrustSVD(rank=2), epochs=2, folds=2, repeats=1)
    data = SocialDataModule(scale=(0.5, 4.0), scorer=scorer, **{"steps_per_epoch": 5, **options})
    model, trainer = make(data), quiet(folder, max_epochs=2)
    trainer.fit(model, data)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    metrics |= trainer.test(model, data, verbose=False)[0]
    batches: Any = trainer.predict(model, data)
    return metrics, torch.cat([batch["score"] for batch in batches])


def own_files(folder: Path, rows: Rows, trust: Rows | None) -> dict[str, Any]:
    write_lines(folder / "own.txt", rows)
    if trust is not None:
        write_lines(folder / "trust.txt", trust)
    return {
        "ratings_path": str(folder / "own.txt"),
        "trust_path": None if trust is None else str(folder / "trust.txt"),
    }


@pytest.mark.parametrize(
    "rows, trust",
    [
        ([(user, item, 3) for user, item, _ in ROWS], trust_rows()),
        ([(1, item, 1 + item % 3) for item in range(12)], None),
        ([(user, 1, 1 + user % 3) for user in range(12)], [(1, 2)]),
        (ROWS, None),
        (ROWS, [(1, 1), (2, 2), (3, 999), (1, 2)]),
    ],
    ids=["constant", "one user", "one item", "no trust file", "self and unknown trust"],
)
def test_the_network_and_its_scorer_stay_finite(tmp_path: Path, rows: Rows, trust: Rows | None) -> None:
    metrics, scores = results(tmp_path, **own_files(tmp_path, rows, trust))
    assert {"train/loss", "val/rmse", "test/mae", "test/rmse"} <= metrics.keys()
    assert all(isfinite(value) for value in metrics.values()) and metrics["test/mae"] <= metrics["test/rmse"] + 1e-6
    assert len(scores) and ((scores >= 0.5) & (scores <= 4)).all()


def test_batches_that_hide_none_of_their_ratings_are_gone_through(tmp_path: Path) -> None:
    """A batch of one user with one rating, which stands in another set than the one that the step hides."""
    files = own_files(tmp_path, [(user, 1, 1 + user % 3) for user in range(12)], [(1, 2)])
    metrics, _ = results(tmp_path, **files, batch_size=1, fan_out=(3,))
    assert all(isfinite(value) for value in metrics.values())


@pytest.mark.parametrize(
    "make",
    [rrnet, lambda data: TrustSVD(rank=2), lambda data: SoReg(rank=2)],
    ids=["RRNetModule", "TrustSVD", "SoReg"],
)
def test_an_item_rated_in_the_test_part_only_is_predicted(
    tmp_path: Path, make: Callable[[SocialDataModule], L.LightningModule]
) -> None:
    split = write_split(tmp_path / "split")
    for part in ("train", "val"):
        rows = [line.split() for line in (split / f"{part}.txt").read_text().splitlines()]
        write_lines(split / f"{part}.txt", [row for row in rows if row[1] not in ("3", "4")])
    files = own_files(tmp_path, ROWS, trust_rows())
    new = [(user, item) for user, item, _ in ROWS if item in (3, 4)]
    write_lines(tmp_path / "pairs.txt", new)
    metrics, scores = results(tmp_path, make, **files, split_dir=str(split), predict_path=str(tmp_path / "pairs.txt"))
    assert all(isfinite(value) for value in metrics.values())
    assert len(scores) == len(new) and ((scores >= 0.5) & (scores <= 4)).all()


def test_useless_trust_is_counted_and_the_run_goes_on(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Through the command line, `fit` and `predict`."""
    own_files(here, ROWS, [(1, 1, 1), (2, 2, 1), (3, 999, 1), (4, 5, 0), (1, 2, 1), (1, 2, 1)])
    with caplog.at_level(logging.INFO):
        main(mini("fit", *OWN, *SCORER))
    assert (
        "1 trust links; dropped: 1 trust links of weight 0 or less ('4 5' in trust.txt, line 4), "
        "2 self trust ('1 1' in trust.txt, line 1), 1 trust links to unknown users ('3 999' in trust.txt, line 3), "
        "1 repeated trust links ('1 2'"
    ) in caplog.text
    config = str(only_run(here) / "config.yaml")
    main(["predict", "--config", config, "--ckpt_path", "last"])
    scores = pq.read_table("predictions.parquet")["score"].to_pylist()
    assert scores and all(0.5 <= score <= 4 for score in scores)


@pytest.mark.parametrize(
    "rows, trust, args, message",
    [
        (ROWS, [], [], "trust.txt, line 1: found an empty file, wanted one `truster trustee [weight]` a line"),
        (
            [(1, 1, 3), (2, 1, 3), (2, 2, 3)],
            [(1, 2)],
            ["--data.folds", "3", "--data.val_share", "0.4"],
            "scorer.folds: found 2, wanted at most",
        ),
        (ROWS, [("1a", "2a")], [], "trust.txt: found no link that joins two users of own.txt"),
        ([(1, 1, 0), *ROWS], [(1, 2)], [], "own.txt, line 1: found rating 0, wanted 0.5 to 4"),
        (
            [(1, 1, 3), (1, 1, 3)],
            [],
            ["--data.trust_path", "null"],
            "folds: found 1 distinct ratings of own.txt, too few to split",
        ),
    ],
    ids=["empty trust file", "fewer ratings than sets", "unknown users", "a rating outside", "one pair"],
)
def test_what_cannot_be_learnt_from_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], rows: Rows, trust: Rows, args: list[str], message: str
) -> None:
    own_files(here, rows, trust)
    assert message in refused(capsys, mini("fit", *OWN, *SCORER, *args))


def test_ciaos_ratings_of_zero(
    here: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dropped and counted by default, named with their row where none may be dropped."""
    write_ciao(here / "data")
    ciao = ["--data.dataset", "ciao", "--model.objective.low", "1", "--model.objective.high", "5", *SCORER]
    message = refused(capsys, mini("fit", *ciao, "--data.outside", "error"))
    assert "rating_with_timestamp.mat" in message and ": found rating 0, wanted 1 to 5" in message
    with caplog.at_level(logging.INFO):
        main(mini("fit", *ciao))
    assert "dropped: 1 ratings outside the scale ('1 120' in " in caplog.text and "1 repeated pairs ('" in caplog.text
