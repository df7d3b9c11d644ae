"""Replicas: how many are wanted, which run, which are free. Told from above who waits; never asks upward."""
