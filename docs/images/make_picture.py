"""Draw docs/images/limen.png: an embedded photograph, the magnified perturbation, the adversarial image.

python docs/images/make_picture.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import limen

PHOTO = "motorcycle-0004"
ENLARGED = 4
MAGNIFIED = 12
PANEL = 96 * ENLARGED
GAP, EDGE, CAPTION, CORNER = 40, 24, 98, 8
WIDTH = 3 * PANEL + 2 * GAP + 2 * EDGE
HEIGHT = PANEL + EDGE + CAPTION
# A dark card of its own stands out on light pages and dark ones alike.
CARD, BORDER, BRIGHT, DIM = "#161b22", "#30363d", "#f0f6fc", "#9da7b3"


def attacked() -> tuple[list[np.ndarray], list[tuple[str, str]]]:
    """The three pictures, uint8 (96, 96, 3), and the two lines below each."""
    classifier = limen.catalog.model("demo:photos")
    dataset = limen.catalog.data("demo:photos")
    (batch,) = limen.data.batches(dataset, [dataset.ids.index(PHOTO)], 1, print)
    outcome = limen.attacks.ddn()(classifier, batch.images, batch.labels, ids=batch.ids)
    assert bool(outcome.success.all()), f"the attack on {PHOTO} failed"  # noqa: S101 (a script)
    change = outcome.images - batch.images
    assert change.abs().max() <= 0.5 / MAGNIFIED, "magnify less"  # noqa: S101
    magnified = 0.5 + MAGNIFIED * change
    ssim = limen.metrics.ssim(batch.images, outcome.images).item()
    pictures = [limen.images.to_uint8(each)[0] for each in (batch.images, magnified, outcome.images)]
    before, after = (_answer(classifier, each) for each in (batch.images, outcome.images))
    return pictures, [before, ("perturbation", f"magnified {MAGNIFIED} times, SSIM {ssim:.3f}"), after]


def draw(pictures: list[np.ndarray], captions: list[tuple[str, str]]) -> Image.Image:
    """The card: pictures side by side, each pixel enlarged to a square, with captions below."""
    card = _rounded(WIDTH, HEIGHT, 16)
    pen = ImageDraw.Draw(card)

    def write(x: float, y: float, text: str, colour: str, size: int) -> None:
        pen.text((x, y), text, colour, ImageFont.load_default(size), anchor="mm")

    for place, (pixels, (title, detail)) in enumerate(zip(pictures, captions, strict=True)):
        left = EDGE + place * (PANEL + GAP)
        middle = left + PANEL / 2
        picture = Image.fromarray(pixels).resize((PANEL, PANEL), Image.Resampling.NEAREST)
        card.paste(picture, (left, EDGE), _mask(PANEL, PANEL, CORNER))
        write(middle, EDGE + PANEL + 34, title, BRIGHT, 32)
        write(middle, EDGE + PANEL + 69, detail, DIM, 23)
        if place:
            write(left - GAP / 2, EDGE + PANEL / 2, " +="[place], DIM, 36)
    return card


def _answer(classifier: limen.Classifier, images) -> tuple[str, str]:
    confidence, label = classifier(images).softmax(1).max(1)
    return classifier.class_names[int(label)], f"{confidence.item():.0%} confident"


def _mask(width: int, height: int, radius: int) -> Image.Image:
    # Drawn four times as large, as Pillow's own shapes have jagged edges.
    mask = Image.new("L", (4 * width, 4 * height))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 4 * width - 1, 4 * height - 1), 4 * radius, fill=255)
    return mask.resize((width, height), Image.Resampling.BOX)


def _rounded(width: int, height: int, radius: int) -> Image.Image:
    card = Image.new("RGBA", (width, height))
    card.paste(Image.new("RGB", (width, height), BORDER), (0, 0), _mask(width, height, radius))
    inner = Image.new("RGB", (width - 4, height - 4), CARD)
    card.paste(inner, (2, 2), _mask(width - 4, height - 4, radius - 2))
    return card


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("limen.png")
    draw(*attacked()).save(target, optimize=True)
