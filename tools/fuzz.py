"""Feeds changed bytes to every reader of foreign bytes: python tools/fuzz.py [NAME…] [--runs 10000] [--atheris FOLDER].

A reader may refuse what it is given, by its own errors, and nothing else may happen: no other error, no hang, no memory
that is kept. Without --atheris the bytes are seeds with a few changes; with it (pip install atheris) the changes follow
the branches that they reach; one NAME, and FOLDER is where it keeps what reached new ones, and what crashed.
"""

import argparse
import importlib
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUNS = 10_000
LARGEST = 4_096  # bytes
GROWTH = 24 << 20  # bytes of memory that may be new after the first tenth of the runs
PIECES = [
    b"\0", b"\xff", b"[", b"]", b"{", b"}", b'"', b"null", b"NaN", b"-1", b"1e999", b"99999999999999999999", b"true",
    b"\\ud800", b"[[[[[[[[", b'"shape":[4294967296,4294967296]', b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"shared_memory_region", b"sequence_id", b"timeout",
]  # fmt: skip


def targets() -> dict[str, Any]:
    """Imported late, so that atheris sees it."""
    sys.path.insert(0, str(Path(__file__).parent))
    found: dict[str, Any] = importlib.import_module("fuzz_targets").targets()
    return found


def changed(seed: bytes, chance: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 if data:
                data[place % len(data)] = chance.randrange(256)
            case 1:
                del data[place : place + chance.randint(1, 12)]
            case 2:
                data[place:place] = chance.choice(PIECES)
            case 3:
                data[place:place] = data[: chance.randint(0, 40)]
            case 4 if data:
                data[place % len(data)] ^= 1 << chance.randrange(8)
            case _:
                data[place : place + chance.randint(0, 6)] = chance.choice(PIECES)
    return bytes(data[:LARGEST])


def memory() -> int:
    """Bytes that are resident now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Flat:
    """Raises MemoryError when reading goes on and on taking memory."""

    def __init__(self, read: Callable[[bytes], None], runs: int) -> None:
        self._read, self._runs = read, runs
        self._count = self._before = 0

    def __call__(self, data: bytes) -> None:
        self._read(data)
        self._count += 1
        if self._count == self._runs // 10:
            self._before = memory()
        if self._count == self._runs and (grown := memory() - self._before) > GROWTH:
            raise MemoryError(f"{grown} bytes were kept after {self._runs} runs")


def run(target: Any, runs: int, seed: int = 0) -> None:
    """Raises what a reader should not have raised; the bytes are told in a note."""
    chance, flat = random.Random(seed), Flat(target.read, runs)  # noqa: S311 - no secret
    for _ in range(runs):
        data = changed(chance.choice(target.seeds), chance)
        try:
            flat(data)
        except Exception as error:
            error.add_note(f"bytes: {data!r}")
            raise


def by_atheris(name: str, runs: int, folder: Path) -> None:
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["headrace"]):
        target, corpus = targets()[name], folder / f"fuzz-{name}"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = [f"-runs={runs}", f"-max_len={LARGEST}", "-timeout=20", "-rss_limit_mb=1024"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={folder}/", str(corpus)], Flat(target.read, runs))
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--atheris", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    if given.atheris:
        [name] = given.names
        by_atheris(name, given.runs, given.atheris)
        return
    for name, target in targets().items():
        if not given.names or name in given.names:
            run(target, given.runs)
            sys.stdout.write(f"{name}: {given.runs} runs, {memory() >> 20} MB\n")


if __name__ == "__main__":
    main()
