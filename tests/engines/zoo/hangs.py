"""Never answers."""


class Model:
    def predict(self, inputs):
        while inputs["input.txt"] == b"bad":
            pass
        return {"results.json": {"fine": True}}
