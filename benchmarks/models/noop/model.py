"""The cheapest model there is: what remains is the cost of everything around it."""


class Model:
    def predict_batch(self, batch):
        return [{"results.json": b'{"ok":true}'} for _ in batch]

    def predict(self, inputs):
        return {"results.json": b'{"ok":true}'}
