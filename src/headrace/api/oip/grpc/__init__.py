"""The gRPC door of the Open Inference Protocol: what each of its methods does."""
