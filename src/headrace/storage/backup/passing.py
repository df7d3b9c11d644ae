"""Files that go with the rows that name them: pieces of open jobs, uploaded archives.

They are copied within the view of the rows that is written down, before the rows. A file that went meanwhile, because
its job was closed or its archive was brought in, makes that view worthless: the next one does not name it any more. So
what is restored never has an open job without its pieces.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from headrace.storage.database import Tx

NamedFiles = Callable[[Tx], Mapping[str, int | None]]  # how much of each file counts, by its name; None: all of it
PIECE = 1 << 20


class Passing:
    """A folder of them and its copy. What is there, up to what counts, never changes: it is copied once."""

    def __init__(self, source: Path, target: Path, named: NamedFiles) -> None:
        self._source, self._target, self._named = source, target, named
        self._copied: dict[str, int | None] = {}
        self._gone: set[str] = set()

    def copy(self, tx: Tx) -> bool:
        """False when files went meanwhile: once more, with a newer view.

        Rows go before their files. So a file that was gone for one view and is named by the next one too was lost at
        some time before, and the backup is as its original: that job or that archive has to be sent again.
        """
        named = self._named(tx)
        for name in self._copied.keys() - named.keys():
            (self._target / name).unlink()
            del self._copied[name]
        gone = {name for name, size in named.items() if not self._copy(name, size)}
        settled = gone <= self._gone
        self._gone = gone
        return settled

    def _copy(self, name: str, size: int | None) -> bool:
        """False when it is not there, or not all that counts."""
        if name in self._copied and self._copied[name] == size:
            return True
        self._target.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self._target / name
        try:
            with (self._source / name).open("rb") as given, target.open("wb") as copy:
                rest = os.fstat(given.fileno()).st_size if size is None else size
                while rest and (piece := given.read(min(rest, PIECE))):
                    rest -= copy.write(piece)
        except FileNotFoundError:
            return False
        target.chmod(0o600)
        if rest == 0:
            self._copied[name] = size
        return rest == 0
