"""The edge API: jobs and single inferences by gRPC on a port of its own, as Modzy's EdgeClient wants it."""
