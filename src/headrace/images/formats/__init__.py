"""Formats of models that come without code of ours, recognised by their files. No file of a model is run or loaded."""
