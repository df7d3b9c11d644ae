"""Gives back every tensor that it gets. It declares none: whatever names, datatypes and shapes are taken."""


class Model:
    tensors = True

    def predict(self, inputs):
        return dict(inputs)
