"""Every command of ours that the README, the docs and the configs write down is accepted by its parser today."""

import re
import shlex
import sys
from collections.abc import Callable, Sequence

import pytest

from rrnet_lightning.cli import OTHERS, TRAINER, crossfit, demo, describe, doctor, main
from rrnet_lightning.cli.resolve import resolve
from tests.command import PROJECT

WRITTEN = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("configs/*.yaml")]
PROGRAM = r"(?:rrnet +|python train\.py +|python -m rrnet_lightning\.cli\.)"
LINE = re.compile(rf"^(?:# +)?{PROGRAM}(\w[^\n#]*)", re.MULTILINE)
SPAN = re.compile(rf"`{PROGRAM}(\w[^`]*)`")
LEFT_OUT = re.compile(r"<|\.\.\.|^crossfit$")  # something to fill in; the bare name of a command that wants options


def commands() -> list[tuple[str, ...]]:
    """Words of each command: a line of a code block or of a config's header, or a span of code."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in WRITTEN)
    text = re.sub(r"\\\n(?:#\s+)?", " ", text)
    found = LINE.findall(text) + SPAN.findall(text)
    return sorted({tuple(shlex.split(words)) for words in found if not LEFT_OUT.search(words)})


def crossfit_options(words: Sequence[str]) -> None:
    known, options = crossfit.parse(words)
    resolve([*options, *(["--model.weights", known.start_from] if known.start_from else [])])


def trainer_options(words: Sequence[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main([*words, "--print_config"])
    assert exit.value.code == 0


READ: dict[str, Callable[[Sequence[str]], object]] = {
    "crossfit": crossfit_options,
    "demo": demo.parse,
    "describe": describe.parse,
    "doctor": doctor.parse,
}


def test_each_command_is_written_down() -> None:
    assert {words[0] for words in commands()} == {*TRAINER, *OTHERS} and set(READ) == set(OTHERS)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_written_commands_are_accepted(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    command, *options = words
    if command in READ:
        READ[command](options)
    else:
        trainer_options(words)
