"""One small program for each library: `worker`, and `submit N ALL`, which ends when ALL results are stored."""
