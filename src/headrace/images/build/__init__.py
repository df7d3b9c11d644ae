"""A model folder becomes a container image: written here, byte for byte the same each time, without any engine."""
