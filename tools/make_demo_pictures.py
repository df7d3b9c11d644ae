"""Draw the pictures of the demo's two models: 1440 by 1024 pixels, few colours, small files.

usage: python tools/make_demo_pictures.py   (needs pillow, which is among the development dependencies)
"""

import base64
import gzip
import io
import json
from pathlib import Path

from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent.parent / "src" / "headrace" / "cli" / "demo_models"
SIZE = (1440, 1024)  # the smallest that the contract's page on pictures accepts
NIGHT, WATER, FOAM, SUN = "#0b1f33", "#1f6f8b", "#e6f4f1", "#f2a541"


def main() -> None:
    save(digits(), "digits")
    save(sentiment(), "sentiment")


def digits() -> Image.Image:
    """The first pictures of the demo's own digits, in a grid."""
    columns, rows, cell, edge = 9, 6, 144, 16
    canvas = Image.new("RGB", SIZE, NIGHT)
    samples = json.loads(gzip.decompress((FOLDER / "digits_test.json.gz").read_bytes()))
    left, top = (SIZE[0] - columns * cell) // 2, (SIZE[1] - rows * cell) // 2
    for place, sample in enumerate(samples[: columns * rows]):
        grey = Image.open(io.BytesIO(base64.b64decode(sample["png"]))).point(lambda shade: shade // 64 * 80)
        side = cell - 2 * edge
        corner = (left + place % columns * cell + edge, top + place // columns * cell + edge)
        canvas.paste(Image.new("RGB", (side, side), FOAM), corner, grey.resize((side, side), Image.Resampling.NEAREST))
    return canvas


def sentiment() -> Image.Image:
    """Bars that rise from a line, or fall below it."""
    canvas = Image.new("RGB", SIZE, NIGHT)
    pen = ImageDraw.Draw(canvas)
    middle = SIZE[1] // 2
    strengths = (0.2, 0.55, 0.9, 0.7, 0.35, -0.1, -0.45, -0.8, -0.6, -0.25, 0.15, 0.5)
    for place, strength in enumerate(strengths):
        left, end = 90 + place * 107, middle - int(strength * 400)
        top, bottom = sorted((middle, end))
        pen.rounded_rectangle((left, top, left + 72, bottom), 14, fill=SUN if strength > 0 else WATER)
    pen.line((60, middle, SIZE[0] - 60, middle), fill=FOAM, width=6)
    return canvas


def save(picture: Image.Image, model: str) -> None:
    path = FOLDER / model / "picture.png"
    picture.quantize(16).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
