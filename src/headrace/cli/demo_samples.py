"""What the demo submits: pictures of digits that the model was not trained on, with labels, and some texts."""

import base64
import gzip
from pathlib import Path

import msgspec

MODELS = Path(__file__).parent / "demo_models"

TEXTS = (
    "What a wonderful morning, the river is high and the turbines are humming!",
    "The delivery came two weeks late and the box was broken.",
    "The meeting is on Tuesday at ten.",
    "I am not unhappy with it, but I expected more for that price.",
    "Best pizza in town, friendly people, I will be back :-)",
    "Worst support ever. They hung up on me TWICE!!!",
    "The manual has forty pages.",
    "The plot is thin, but the music is absolutely gorgeous.",
)


class Sample(msgspec.Struct, frozen=True):
    name: str
    label: str
    png: str  # base64

    @property
    def picture(self) -> bytes:
        return base64.b64decode(self.png)


def digits() -> list[Sample]:
    """Made by tools/make_demo_digits.py."""
    packed = (MODELS / "digits_test.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=list[Sample])


def texts() -> dict[str, str]:
    """By the name of the input."""
    return {f"text-{number}": text for number, text in enumerate(TEXTS, 1)}
