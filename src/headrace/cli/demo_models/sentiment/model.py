"""Sentiment of English texts by VADER, a lexicon with rules for negation, emphasis and emoticons."""

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

NEUTRAL = 0.05  # VADER's own threshold: below it, the compound score of a text counts as neutral


class Model:
    """Input `input.txt`: UTF-8 text. Output `results.json`: positive, neutral and negative, likeliest first."""

    def load(self):
        self.analyzer = SentimentIntensityAnalyzer()

    def predict(self, inputs):
        text = inputs["input.txt"].decode("utf-8")
        if not text.strip():
            raise ValueError("the text is empty")
        compound = self.analyzer.polarity_scores(text)["compound"]
        return {
            "results.json": {
                "data": {
                    "result": {"classPredictions": predictions(compound), "compound": compound},
                    "explanation": None,
                    "drift": None,
                }
            }
        }


def predictions(compound):
    """VADER's label first. It gives one number from -1 to 1, not shares: the scores are our reading of that number."""
    strength = abs(compound)
    if strength < NEUTRAL:
        scores = {"neutral": 1 - strength, "positive": strength / 2, "negative": strength / 2}
    else:
        label, opposite = ("positive", "negative") if compound > 0 else ("negative", "positive")
        scores = {label: (1 + strength) / 2, "neutral": (1 - strength) / 4, opposite: (1 - strength) / 4}
    return [{"class": name, "score": round(score, 4)} for name, score in scores.items()]
