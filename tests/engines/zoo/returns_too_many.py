"""Returns five thousand outputs."""


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            return {f"{number}.txt": "" for number in range(5_000)}
        return {"results.json": {"fine": True}}
