"""Which blobs the catalog still names: the sweep of unused bodies must leave them."""

from headrace.catalog import rows, test_input_rows
from headrace.storage.database import Tx


def kept_blobs(tx: Tx) -> set[str]:
    """Digests of all pictures and test inputs."""
    return rows.picture_blobs(tx) | test_input_rows.blobs_in_use(tx)
