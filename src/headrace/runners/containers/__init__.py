"""Models in containers, by the Engine API that docker and podman both speak."""
