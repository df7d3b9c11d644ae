"""From a draft to an active version: bring the image in, load it, run it, publish it. Every step survives a restart."""
