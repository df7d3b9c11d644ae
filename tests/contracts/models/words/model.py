"""The words of a text, one after the other: any number of answers. "for ever" never ends."""


class Model:
    inputs = {"text_input": ("BYTES", [1])}
    outputs = {"text_output": ("BYTES", [1])}

    def predict_stream(self, inputs):
        words = inputs["text_input"][0].decode().split()
        while True:
            for word in words:
                if word == "fail":
                    raise ValueError("this word is not spoken")
                yield {"text_output": [word]}
            if words[-2:] != ["for", "ever"]:
                return
