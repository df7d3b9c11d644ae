"""The kinds of input source (seed 1), and where a kind's bytes are to be found."""

from enum import StrEnum


class SourceKind(StrEnum):
    TEXT = "text"
    EMBEDDED = "embedded"
    FILE = "file"  # an open job that was filled in pieces
    AWS_S3 = "aws-s3"
    AWS_S3_FOLDER = "aws-s3-folder"
    AZURE_BLOB = "azureblob"
    STORAGE_GRID = "storage-grid"
    JDBC = "jdbc"


IN_REQUEST = frozenset({SourceKind.TEXT, SourceKind.EMBEDDED})
