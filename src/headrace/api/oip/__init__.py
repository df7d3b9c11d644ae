"""The Open Inference Protocol V2: what its unmodified clients hold a server to."""
