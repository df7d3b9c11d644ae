"""Can explain, and returns what is not a dict of outputs."""


class Model:
    def predict(self, inputs, explain=False):
        kind = inputs["input.txt"].decode()
        if kind == "text":
            return "just text"
        if kind == "outputs":
            return {"results.json": '{"a": 1}', "note.txt": "plain", "map.bin": b"\x00\xff", "table.json": [1, 2]}
        if kind == "bytes":
            return {"mask": b"\x89PNG", "other": b"text"}
        if kind == "nan":
            return {"score": float("nan"), "more": [float("inf"), 1.5]}
        return {"label": "cat", "explain": explain}
