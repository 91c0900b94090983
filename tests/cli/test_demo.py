import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from rrnet_lightning.candidates.retrieval import CCA
from rrnet_lightning.cli import demo, demo_digits, demo_halves
from rrnet_lightning.cli.demo_picture import CELL, GAP, LEFT, STRANGE, TOP, TRUE, draw
from tests.command import PROJECT


def test_demo_trains_what_the_shipped_config_says() -> None:
    config = yaml.safe_load((PROJECT / "configs" / "image_digits.yaml").read_text())
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    assert data == {**demo_digits.DATA, "seed": 0}
    assert model.pop("optimizer") == {"class_path": "torch.optim.AdamW", "init_args": demo_digits.OPTIMIZER}
    assert model.pop("scheduler")["init_args"] == {"T_max": demo_digits.EPOCHS}
    assert config["trainer"]["max_epochs"] == demo_digits.EPOCHS
    assert model == demo_digits.MODEL


def test_options_say_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.parse([]) == {"halves": 2, "digits": 1}
    assert demo.parse(["--only", "digits", "--seeds", "5"]) == {"digits": 5}
    with pytest.raises(SystemExit) as exit:
        demo.parse(["--seeds", "0"])
    assert exit.value.code == 2 and "--seeds: found 0, wanted at least 1" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_refused_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "runs").write_text("a file")
    with pytest.raises(SystemExit) as exit:
        demo.main(["--seeds", "1"])
    assert exit.value.code == 2 and "error: runs/demo.png: cannot be written here" in capsys.readouterr().err


def test_halves_are_ranked_both_ways_among_those_of_the_test() -> None:
    """By hand: rank 1 is the largest score of a row or of a column, and rows are those of new digits."""
    data = demo_halves.halves(0, CCA())
    metrics, scores = demo_halves.order(data, "cosine")
    assert scores.shape == (719, 719)
    own = torch.arange(719)
    recall = [float((scores.argmax(dim) == own).double().mean()) for dim in (0, 1)]
    assert float(metrics[0]) == pytest.approx(sum(recall) / 2, abs=1e-6) and 0 < metrics[0] < metrics[1] < 1


def test_picture_frames_the_true_half_and_strangers(tmp_path: Path) -> None:
    target = torch.from_numpy(load_digits().target)
    query = torch.tensor([int((target == digit).nonzero()[0]) for digit in range(10)])
    before = query[:, None].repeat(1, 5)  # all true
    after = torch.stack([(target == digit).nonzero()[1:6, 0] for digit in range(10)])  # of the same digit
    after[0, 0] = query[1]
    draw(demo_halves.Compared(torch.zeros(6, 3), query, before, after), tmp_path / "a.png")
    picture = Image.open(tmp_path / "a.png")
    colours = {colour: count for count, colour in picture.getcolors(10**6) or []}
    frame = 4 * (CELL + 5) * 4  # about as many pixels: four wide, on four sides
    assert colours[TRUE] == pytest.approx(50 * frame, rel=0.1)
    assert colours[STRANGE] == pytest.approx(frame / 4, rel=0.1)
    assert picture.getpixel((LEFT + 3 * GAP - 3, TOP - GAP)) == TRUE


@pytest.mark.slow
def test_demo_prints_all_methods_and_leaves_a_picture(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rrnet_lightning.cli.demo", "--seeds", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    names = [*demo_halves.ROWS, *demo_digits.ROWS]
    rows = [line for line in done.stdout.splitlines() if any(name in line for name in names)]
    shares = [[float(cell) for cell in row.split("│")[2:-1]] for row in rows]
    assert len(rows) == len(names) and all(95 < accuracy <= 100 for (accuracy,) in shares[6:]), shares
    encoder, rrnet = shares[1], shares[5]
    assert rrnet[1] > encoder[1] and rrnet[2] > encoder[2] + 5, shares
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["demo.png"]
