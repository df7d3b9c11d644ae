"""Gives back what it gets; some words make it misbehave."""

import os
import time


class Model:
    def load(self):
        self.answered = 0

    def predict(self, inputs, explain=False):
        body = inputs["input.txt"]
        text = body[:200].decode(errors="replace")
        self.answered += 1
        word, _, rest = text.partition(" ")
        if word == "fail":
            raise ValueError(rest)
        if word == "sleep":
            time.sleep(float(rest))
        if word == "die":
            os._exit(3)
        if word == "binary":
            return {"results.json": {"text": text}, "picture.bin": bytes(range(256))}
        return {"results.json": {"text": text, "length": len(body), "explain": explain}}
