"""Measurements of the README's figures: each prints its figures and the command that repeats them."""
