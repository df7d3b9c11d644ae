"""The command line's child server, as torture wants it."""

from collections.abc import Mapping
from pathlib import Path

from headrace.cli.child_server import ChildServer
from headrace.cli.failure import Failure
from headrace.torture.server import NotStarted


class Scratch:
    """A ChildServer behind torture's protocol."""

    def __init__(self, data: Path, port: int, settings: tuple[str, ...], log: Path) -> None:
        self._child = ChildServer(data, port, settings, log)

    @property
    def url(self) -> str:
        return self._child.url

    @property
    def ended(self) -> int | None:
        return self._child.ended

    @property
    def process_id(self) -> int:
        return self._child.process_id

    def start(self, variables: Mapping[str, str]) -> str:
        try:
            return self._child.start(variables).key
        except Failure as failure:
            raise NotStarted(failure.message) from failure

    def kill(self) -> None:
        self._child.kill()

    def stop(self) -> None:
        self._child.stop()

    def last_lines(self) -> str:
        return self._child.last_lines()


servers = Scratch
