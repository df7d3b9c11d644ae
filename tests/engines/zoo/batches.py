"""Answers in batches; breaks, ends or hangs when a bad input is among them."""

import os
import time


def misbehave(texts):
    if b"exit" in texts:
        os._exit(4)
    if b"hang" in texts:
        time.sleep(600)


class Model:
    batch_size = 16

    def predict(self, inputs):
        if inputs["input.txt"] == b"raise":
            raise ValueError("this one")
        misbehave([inputs["input.txt"]])
        return {"results.json": {"alone": True}}

    def predict_batch(self, batch):
        texts = [inputs["input.txt"] for inputs in batch]
        if b"raise" in texts:
            raise RuntimeError("one of them")
        misbehave(texts)
        if b"short" in texts:
            return []
        return [
            ValueError("said for this one only") if text == b"error" else {"results.json": {"together": len(batch)}}
            for text in texts
        ]
