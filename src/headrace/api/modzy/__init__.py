"""The Modzy platform's REST contract: what its unmodified clients hold a server to."""
