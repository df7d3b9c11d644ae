"""The doors' pool of messages, with those of Google's that the edge API's messages hold."""

from google.protobuf import any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2

from headrace.api.grpc.pool import POOL

for _known in (any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2):
    POOL.AddSerializedFile(_known.DESCRIPTOR.serialized_pb)

__all__ = ["POOL"]
