"""How a model's code is started, kept within its limits, and ended. It never runs in our own process."""
