"""Headrace: a durable queue that feeds model engines."""
