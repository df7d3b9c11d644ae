"""Is never ready."""

import time


class Model:
    def load(self):
        time.sleep(600)

    def predict(self, inputs):
        return {}
