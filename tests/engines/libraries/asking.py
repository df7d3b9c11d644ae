"""Asks an adapter within the environment of its library, where the library itself can be asked the same."""

import importlib
import json

from headrace.runners.harness.adapters.adapter import Adapter
from headrace.runners.harness.failures import fault, message
from headrace.runners.harness.merge import run_together
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.v2_json import JsonForm


class Asking:
    def __init__(self, kind, folder, path, **declared):
        adapters = "headrace.runners.harness.adapters"
        self.model: Adapter = importlib.import_module(f"{adapters}.{kind}").load(folder, path, declared, -1)
        self._facts = Facts("m", "1.0.0", self.model)
        self._form = JsonForm(self._facts)

    def __call__(self, *inputs, **more):
        """Data by output; or whose fault it was, and a sentence."""
        try:
            [found] = self.together([inputs], **more)
        except Exception as failure:  # noqa: BLE001 - as the server tells it
            return fault(failure)[0], message(failure)
        return found

    def together(self, requests, **more):
        bodies = [json.dumps({"inputs": inputs, **more}).encode() for inputs in requests]
        read = [self._form.decode(memoryview(body), {}) for body in bodies]
        for one in read:
            self._facts.check(one)
        return [
            {one.column.name: list(map(_plain, one.flat)) for one in reply.outputs}
            for reply in run_together(self.model, self._facts, read)
        ]

    def takes(self):
        return [(one.name, one.datatype, list(one.shape)) for one in self.model.inputs]

    def gives(self):
        return [(one.name, one.datatype, list(one.shape)) for one in self.model.outputs]


def tensor(name, datatype, data, shape=None):
    flat, sizes = data, []
    while isinstance(flat, list):
        sizes.append(len(flat))
        flat = flat[0] if flat else None
    return {"name": name, "datatype": datatype, "shape": shape or sizes, "data": data}


def wanting(*names):
    return {"outputs": [{"name": name} for name in names]}


def close(wanted, given):
    return len(wanted) == len(given) and all(abs(a - b) < 1e-5 for a, b in zip(wanted, given, strict=True))


def _plain(value):
    return value.decode() if isinstance(value, bytes) else value
