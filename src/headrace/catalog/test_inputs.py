"""The files with which a version is tested: one body for each input of the model."""

from headrace.catalog import test_input_rows, version_rows
from headrace.domain.body import Body
from headrace.domain.errors import Invalid, NotFound
from headrace.domain.ids import VersionKey
from headrace.storage.database import Database, Tx

LONGEST_NAME = 255
MOST = 100  # inputs of one version


class TestInputs:
    __test__ = False  # not a test, whatever its name looks like to pytest

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, key: VersionKey, name: str, filename: str, body: Body) -> None:
        """In place of the one before. Raises Invalid, NotFound for an unknown version."""
        _check("name", name)
        _check("the file name", filename or name)

        def transaction(tx: Tx) -> None:
            version_rows.load(tx, key, lock=True)
            if test_input_rows.put(tx, key, name, filename, body) > MOST:
                raise Invalid(f"a version has at most {MOST} test inputs")

        await self._database.write(transaction)

    async def all(self, key: VersionKey) -> dict[str, Body]:
        """By input name."""
        return await self._database.read(lambda tx: test_input_rows.bodies(tx, key))

    async def filenames(self, key: VersionKey) -> dict[str, str]:
        """By input name: what the file was called where it came from."""
        return await self._database.read(lambda tx: test_input_rows.filenames(tx, key))

    async def remove(self, key: VersionKey, name: str) -> None:
        """Raises NotFound."""
        if not await self._database.write(lambda tx: test_input_rows.remove(tx, key, name)):
            raise NotFound(f"Test input {name} of version {key.version} of model {key.model} not found")


def _check(what: str, text: str) -> None:
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise Invalid(f"{what} of a test input must have 1 to {LONGEST_NAME} printable characters")
