"""`rrnet describe`: counts, labels, pairs, splits, and what is missing."""

from pathlib import Path

import numpy as np
import pytest

from rrnet_lightning.cli import main
from tests import fake_paired as fake


def said(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    main(["describe", *map(str, words)])
    found = capsys.readouterr()
    assert found.err.strip() == "" and "\n\n" not in found.out
    return [" ".join(line.split()) for line in found.out.splitlines()]


def test_a_known_set(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write_emoji(tmp_path)
    monkeypatch.setattr("rrnet_lightning.data.paired.emoji.COUNTS", {"emoji": 40})
    lines = said(capsys, "emoji_twemoji", "--root", tmp_path)
    assert lines[:3] == ["emoji (twemoji)", "images 40; raw; features: lite0 (6-d)", "texts 40; raw; features: none"]
    assert "64 to 64 pixels high, 64 to 64 wide" in lines and "5 to 5 words, median 5" in lines
    assert "35 repeat an earlier text: what is asked for may stand at another place too" in lines
    assert "pairs 40; an image has 1 texts, a text 1 images" in lines
    at = lines.index("labels subgroup: 4 classes of images; 0 have several, 0 none")
    assert lines[at + 1] == "sub-0 10 " + 30 * "#"
    assert not any(line.startswith("warning") for line in lines)


def test_what_is_missing_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    captions = [("a", "a dog"), ("a", "?!"), ("lost", "dog"), ("c", "cat"), ("d", "cow")]
    folder = fake.write_own(tmp_path, captions)
    fake.write_picture(folder / "images/c.png", (0, 0, 0), (10, 20))
    (folder / "images/d.png").write_bytes(b"broken")
    (folder / "labels.tsv").write_text("id\tlabel\na\told\na\trare\nc\told\nd\tnew\n")
    (folder / "split.tsv").write_text("id\tpart\na\ttrain\nc\tval\nd\ttest\n")
    lines = said(capsys, folder)
    assert "6 to 20 pixels high, 8 to 10 wide" in lines
    bad = next(line for line in lines if "cannot be read" in line)
    assert bad.startswith("warning: 1 pictures cannot be read, the first: ") and "images/d.png" in bad
    assert "0 to 2 words, median 1; 3 of one word" in lines
    assert "warning: 1 texts have no word, the first in row 1" in lines
    assert "warning: 1 images without text: 'b'" in lines and "warning: 1 texts without image: 'lost#0'" in lines
    assert "labels label: 3 classes of images; 1 have several, 1 none" in lines and "old 2 " + 30 * "#" in lines
    assert (
        "split given: train 1 images, 2 texts; val 1 images, 1 texts; test 1 images, 1 texts; "
        "in no part 1 images, 1 texts" in lines
    )
    assert (
        "label: in the train part alone: 'rare'" in lines and "warning: label: in the test part alone: 'new'" in lines
    )
    assert not any("cannot be read" in line for line in said(capsys, folder, "--quick"))


def test_one_class_and_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "image_features.npy", fake.features(30))
    np.save(tmp_path / "text_features.npy", fake.features(30))
    labels = tmp_path / "labels.tsv"
    labels.write_text("id\tlabel\n" + "".join(f"{row}\tall\n" for row in range(30)))
    assert "one class: every labelled row is relevant to every other, and mAP by label says nothing" in said(
        capsys, tmp_path
    )
    labels.write_text("id\tlabel\n" + "".join(f"{row}\t{row}\n" for row in range(30)))
    assert "and 10 more classes of 1 images" in said(capsys, tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("emojy", "found no folder 'emojy' and no data set of that name in "),
        ("flickr8k", "'flickr8k': no such folder."),
    ],
)
def test_what_is_not_there_ends_with_status_2(
    data: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["describe", data, "--root", str(tmp_path)])
    error = capsys.readouterr().err
    assert exit.value.code == 2 and error.startswith("error: ") and message in error and "Traceback" not in error
