"""Ends its process while it is loaded."""

import os


class Model:
    def load(self):
        os._exit(7)

    def predict(self, inputs):
        return {}
