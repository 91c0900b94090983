"""What is said before a command runs, and how configs are found."""

import subprocess
import sys
from pathlib import Path

import pytest

from rrnet_lightning.cli import main
from tests.command import PROJECT

HEAVY = ("gensim", "wandb", "torchaudio", "sklearn", "pyarrow", "soundfile")


def imported(module: str) -> set[str]:
    """The libraries in memory after an import, in a process of its own."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_command_line_loads_libraries_on_use() -> None:
    """torchvision and SciPy are not named: Lightning's metrics load them."""
    assert imported("rrnet_lightning.cli.command").isdisjoint(HEAVY)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_overview_names_every_config_and_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(words)
    said = capsys.readouterr().out
    assert all(f"  {file.stem} " in said for file in (PROJECT / "configs").glob("*.yaml"))
    assert "fit --config image_digits" in said
    assert all(command in said for command in ("crossfit", "demo", "describe", "doctor", "predict"))


@pytest.mark.parametrize("words", [[], ["doctor"]])
def test_a_reader_that_leaves_ends_it_in_silence(words: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, PROJECT / "train.py", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.parametrize(("called", "name"), [("/x/bin/rrnet", "rrnet"), ("train.py", "python train.py")])
@pytest.mark.parametrize("command", ["demo", "describe", "doctor", "crossfit"])
def test_commands_are_said_as_they_were_called(
    command: str, called: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [called, command])
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: {name} {command} ")
    main([])
    assert f"  {name} fit --config image_digits\n" in capsys.readouterr().out


def test_fit_alone_shows_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["fit"])
    said = capsys.readouterr()
    assert exit.value.code == 2 and "image_digits" in said.out and said.err.startswith("error: ")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["fti"], "'fit'"),
        (["crosfit", "--out", "x"], "'crossfit'"),
        (["fit", "--config", "image_digit"], "'image_digits'"),
        (["crossfit", "--out", "x", "--config", "backbone_logmel_esc5"], "'backbone_logmel_esc50'"),
    ],
)
def test_misspelt_command_or_config_names_the_nearest(
    words: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(words)
    message = capsys.readouterr().err
    assert exit.value.code == 2 and f"did you mean {near}" in message and message.count("\n") == 1


def test_config_by_name_reaches_the_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as exit:
        main(["fit", "--config", "image_digits", "--print_config"])
    assert exit.value.code == 0
