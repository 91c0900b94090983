"""A picture of some queries of the demo and of what they are answered, before and after reasoning."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rrnet_lightning.cli.demo_halves import SHOWN, Compared
from rrnet_lightning.data.files.atomic import atomic

CELL, GAP, LEFT, TOP, BOTTOM = 48, 10, 74, 58, 34  # pixels
INK, TRUE, STRANGE = (31, 39, 51), (31, 138, 91), (217, 101, 13)
GROUPS = (f"first {SHOWN} by the dual encoder", f"first {SHOWN} after reasoning, by RR-Net")


def draw(found: Compared, file: Path) -> None:
    """Draw a left half a row, and each right half that is put first, joined to it.

    Raises:
        OSError: the file cannot be written; then nothing is left there.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    group = SHOWN * (CELL + GAP)
    size = LEFT + CELL + 2 * (group + 3 * GAP), TOP + len(found.query) * (CELL + GAP) + BOTTOM
    picture = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    pen.text((GAP, 12), "left half", INK, font)
    starts = [LEFT + 3 * GAP + number * (group + 3 * GAP) for number in range(2)]
    for start, name in zip(starts, GROUPS, strict=True):
        pen.text((start, 12), name, INK, font)
    for row, query in enumerate(found.query.tolist()):
        top = TOP - GAP + row * (CELL + GAP)
        picture.paste(_tile(digits.images[query][:, :4]), (GAP, top))
        for start, answers in zip(starts, (found.before[row], found.after[row]), strict=True):
            for place, answer in enumerate(answers.tolist()):
                x = start + place * (CELL + GAP)
                picture.paste(_tile(np.hstack([digits.images[query][:, :4], digits.images[answer][:, 4:]])), (x, top))
                alike = digits.target[query] == digits.target[answer]
                if answer == query or not alike:
                    colour, width = (TRUE, 4) if answer == query else (STRANGE, 1)
                    pen.rectangle((x - 3, top - 3, x + CELL + 2, top + CELL + 2), outline=colour, width=width)
    pen.text((GAP, size[1] - 26), "green: the true half.  orange: a half of another digit.", INK, font)
    with atomic(file) as part:
        picture.save(part, "PNG")


def _tile(pixels: NDArray[np.float64]) -> Image.Image:
    """Dark on light, enlarged."""
    light = Image.fromarray((255 - 15.9 * pixels).astype(np.uint8))
    return light.resize((pixels.shape[1] * CELL // 8, CELL), Image.Resampling.NEAREST)
