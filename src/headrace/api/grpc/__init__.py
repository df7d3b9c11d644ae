"""The gRPC server: HTTP/2 of our own, what a call is, health and reflection. What is called is the doors'."""
