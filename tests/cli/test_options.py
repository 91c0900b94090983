"""What a user may give for ``--config`` and for whole groups, and what is said of the rest."""

from pathlib import Path

import lightning as L
import pytest

from rrnet_lightning.cli.command import main
from rrnet_lightning.cli.configs import SHIPPED, describe, find_config, with_config_files
from rrnet_lightning.datamodules.social import SocialDataModule
from rrnet_lightning.errors import OptionError
from rrnet_lightning.module import RRNetModule
from rrnet_lightning.objectives import RatingObjective
from tests.command import mini, refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"model:\n\tclass_path: A\n", "c.yaml, line 2: found character"),
        (b"model: [\n", "c.yaml, line 2: "),
        (b"- a\n", "c.yaml: found list"),
        (b"", "c.yaml: found nothing"),
        (b"trainer: {}\ndata: {}\ntrainer: {}\n", "c.yaml, line 3: found trainer twice"),
        (b"\xc3\x28", "c.yaml: no UTF-8 text"),
    ],
)
def test_a_config_that_is_none_is_named_with_its_line(
    here: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    Path("c.yaml").write_bytes(content)
    said = refused(capsys, ["fit", "--config=c.yaml"])
    assert f"--config: {message}" in said and said.count("\n") == 1
    Path("folder.yaml").mkdir()
    assert "folder.yaml: Is a directory" in refused(capsys, ["fit", "-c", "folder.yaml"])


def test_a_shipped_config_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config("image_digits") == SHIPPED / "image_digits.yaml" == find_config("image_digits.yaml")
    Path("configs").mkdir()
    own = Path("configs/image_digits.yaml")
    own.write_text("seed_everything: 1")
    assert with_config_files(["fit", "--config", "image_digits"]) == ["fit", "--config", str(own)]
    with pytest.raises(OptionError, match="no file 'social_filmtrus'; did you mean 'social_filmtrust'"):
        find_config("social_filmtrus")
    assert all(line for _, line in describe()) and len(list(describe())) == len(list(SHIPPED.glob("*.yaml")))


def test_parse_errors_are_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("groups.yaml").write_text("wandb: [3]")
    Path("none.yaml").write_text("data: {init_args: {batch_size: None}}")
    for args, message in (
        (mini("fit", "--trainer", "null"), "--trainer: found null, wanted its options"),
        (mini("fit", "--config", "groups.yaml"), "--wandb: found [3], wanted its options"),
        (mini("fit", "--config", "none.yaml"), "--data.batch_size: found None, wanted int or null"),
        (["fit"], "fit.model"),
        (["fot"], "'fot'"),
    ):
        said = refused(capsys, args)
        assert message in said and said.startswith("error: ") and said.count("\n") == 1


def test_what_wandb_refuses_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")  # which W&B sets itself, and leaves behind
    said = refused(capsys, mini("fit", "--wandb.project", "a/b", logger=True))
    assert "error: --wandb: " in said and "'a/b'" in said and not Path("runs").exists()


def test_weights_trained_in_python_are_tested_with_the_options_of_the_config(here: Path) -> None:
    data = SocialDataModule(root="data")
    widths = (data.source_dim, data.target_dim, data.edge_dim)
    model = RRNetModule(*widths, hidden_dim=4, dropout=0.2, objective=RatingObjective(0.5, 4))
    trainer = L.Trainer(max_epochs=1, logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.fit(model, data)
    trainer.save_checkpoint("python.ckpt")
    main(mini("test", "--ckpt_path", "python.ckpt"))
