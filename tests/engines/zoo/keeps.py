"""Keeps every request that it was given, changes it, and tries to reach the memory in which the next ones will lie."""

import mmap
import os

import numpy as np
from headrace.runners.harness import slots

KINDS = {"ftruncate": lambda there: os.ftruncate(there, 0), "write": lambda there: os.pwrite(there, b"mine", 0),
         "map": lambda there: mmap.mmap(there, 1_000)}  # fmt: skip


class Model:
    def load(self):
        self.inputs = {"x": ("FP32", [-1])}
        self.outputs = {"sum": ("FP64", [1]), "before": ("FP64", [-1]), "done": ("BYTES", [-1])}
        self.kept, self.done = [], []
        mapped = slots.Slots._mapped  # noqa: SLF001 - it is an intruder

        def watched(own, descriptor, size):
            for kind, attempt in KINDS.items():
                try:
                    attempt(descriptor)
                    self.done.append(kind)
                except OSError:
                    pass
            return mapped(own, descriptor, size)

        slots.Slots._mapped = watched  # noqa: SLF001 - as above

    def predict(self, inputs):
        x = inputs["x"]
        total = float(x.sum())
        before = [float(one.sum()) for one in self.kept]
        x += 1
        self.kept.append(x)
        if total < 0:
            os._exit(1)
        if total == 0:
            raise ValueError("nothing")
        return {"sum": [total], "before": np.array(before), "done": np.array(self.done or ["nothing"], object)}
