"""The gRPC door: an HTTP/2 server of our own on asyncio, and the calls that it answers (decisions/)."""
