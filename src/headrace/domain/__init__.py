"""Ground floor: what a model, a job and an answer are. Standard library only, no I/O."""
