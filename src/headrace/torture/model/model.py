# ruff: noqa: INP001 - a model as its author writes it, run in an environment of its own
"""What torture asks: it answers with a digest of its input, so that every result can be checked."""

import hashlib
import os
import time
from collections.abc import Mapping


class Model:
    """An input begins with words that say what to do: `fail REASON`, `die`, `sleep SECONDS`, `large`, or anything."""

    def predict(self, inputs: Mapping[str, bytes]) -> dict[str, object]:
        body = inputs["input.txt"]
        word, _, rest = body[:100].decode(errors="replace").split("\n")[0].partition(" ")
        if word == "fail":
            raise ValueError(rest)
        if word == "die":
            os._exit(3)
        if word == "sleep":
            time.sleep(float(rest.split()[0]))
        digest = hashlib.sha256(body).hexdigest()
        answer: dict[str, object] = {"results.json": {"digest": digest, "length": len(body)}}
        if word == "large":
            answer["large.bin"] = (digest * 1600).encode()
        return answer
