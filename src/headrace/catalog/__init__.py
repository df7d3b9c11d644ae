"""Models, their versions, tags, pictures and test inputs."""
