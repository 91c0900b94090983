from pathlib import Path

import pytest

from rrnet_lightning.cli.command import main
from tests.command import mini
from tests.fake import rating_rows, trust_rows, write_lines


def test_a_path_means_the_same_in_every_option(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the home folder, in options that our readers, Lightning and the command line itself take."""
    monkeypatch.setenv("HOME", str(here / "home"))
    (here / "home").mkdir()
    write_lines(here / "home/r.txt", rating_rows([1, 2, 3, 4]))
    write_lines(here / "home/t.txt", trust_rows())
    write_lines(here / "home/pairs.txt", [(1, 1), (2, 3)])
    (here / "mini.yaml").rename(here / "home/mini.yaml")
    own = ["--data.ratings_path", "~/r.txt", "--data.trust_path", "~/t.txt", "--data.scale", "[1, 4]"]
    own += ["--model.objective.low", "1", "--trainer.default_root_dir", "~/runs"]
    main([word if word != "mini.yaml" else "~/mini.yaml" for word in mini("fit", *own)])
    asked = ["--data.predict_path", "~/pairs.txt", "--predictions.path", "~/new/p.csv", "--ckpt_path"]
    own[1] = str(here / "home/r.txt")  # the same file
    (run,) = (here / "home/runs").iterdir()
    for checkpoint in ("last", f"~/runs/{run.name}/checkpoints/best.ckpt"):
        main(["predict", "--config", "~/mini.yaml", "--trainer.logger", "false", *own, *asked, checkpoint])
        assert len((here / "home/new/p.csv").read_text().splitlines()) == 3
        (here / "home/new/p.csv").unlink()
    assert {path.name for path in here.iterdir()} == {"data", "home"}
