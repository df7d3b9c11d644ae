"""Inference by REST and gRPC, ours and the peers', in one interleaved run. See __main__.py."""
