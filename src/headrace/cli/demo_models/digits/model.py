"""Handwritten digits: a support vector machine, trained while it loads, on half of scikit-learn's own digit images."""

import io

import numpy as np
from PIL import Image
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.svm import SVC

SIDE = 8  # pixels
GREY = 15  # the data set's 17 shades, 0 to 16, are the grey values 0, 15, 30 … 240 of the pictures


class Model:
    """Input `image`: a picture of one digit, light on dark. Output `results.json`: the ten classes, likeliest first."""

    batch_size = 64

    def load(self):
        digits = load_digits()
        even = slice(0, None, 2)  # the odd half is for the test, see the demo's inputs
        self.classifier = CalibratedClassifierCV(SVC(gamma=0.001, C=10), ensemble=False)
        self.classifier.fit(digits.data[even], digits.target[even])

    def predict(self, inputs):
        [answer] = self.predict_batch([inputs])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def predict_batch(self, batch):
        """One answer for each input, in order; an exception object where an input is no picture."""
        pictures = [pixels(inputs["image"]) for inputs in batch]
        good = [picture for picture in pictures if not isinstance(picture, Exception)]
        scores = iter(self.classifier.predict_proba(np.stack(good)) if good else [])
        return [picture if isinstance(picture, Exception) else answer(next(scores)) for picture in pictures]


def pixels(content):
    """The 64 shades of a picture, or the exception that says why there are none."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG"]) as image:
            small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    except (OSError, ValueError, Image.DecompressionBombError):
        return ValueError("the input image is not a PNG or JPEG picture")
    return np.asarray(small, dtype=float).ravel() / GREY


def answer(scores):
    likeliest_first = np.argsort(scores)[::-1]
    predictions = [{"class": str(digit), "score": round(float(scores[digit]), 4)} for digit in likeliest_first]
    return {"results.json": {"data": {"result": {"classPredictions": predictions}, "explanation": None, "drift": None}}}
