"""One question to one model, whoever asks."""
