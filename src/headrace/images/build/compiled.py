"""Python files with their compiled form beside them, which is believed without a look at the source and reproducible.

An image's files have no times and its root cannot be written to: without this every start would compile all of it anew.
"""

import importlib.util
import marshal
import sys
import types
import warnings
from pathlib import Path

HEADER = 16  # bytes before the code
UNCHECKED = (0b01).to_bytes(4, "little")
PLAIN_FORM = 2  # of marshal: later ones write differently what happens to be in memory twice


def compiled(source: Path, shown: str, *, ours: bool) -> bytes | None:
    """For a file that will lie at `shown`. None for what is not meant for this Python.

    `ours`: the compiled form that lies beside it may be read. One from a package may be made to break its reader.
    """
    text = source.read_bytes()
    code = (_kept(source) if ours else None) or _fresh(text, shown)
    if code is None:
        return None
    body = marshal.dumps(_at(code, shown), PLAIN_FORM)
    return importlib.util.MAGIC_NUMBER + UNCHECKED + importlib.util.source_hash(text) + body


def beside(path: str) -> str:
    """Where the compiled form of a file belongs."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}__pycache__/{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"


def _kept(source: Path) -> types.CodeType | None:
    """What an installer compiled before, if it is of this very source."""
    cached = source.with_name("__pycache__") / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
    try:
        content, made = cached.read_bytes(), source.stat()
    except OSError:
        return None
    said = int(made.st_mtime).to_bytes(4, "little", signed=False), (made.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    if content[:HEADER] != importlib.util.MAGIC_NUMBER + bytes(4) + b"".join(said):
        return None
    return _code(content[HEADER:])


def _code(body: bytes) -> types.CodeType | None:
    try:
        code = marshal.loads(body)  # noqa: S302 - the interpreter would load it just so
    except (ValueError, EOFError, TypeError):
        return None
    return code if isinstance(code, types.CodeType) else None


def _fresh(text: bytes, shown: str) -> types.CodeType | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's escapes
            return compile(text, shown, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _at(code: types.CodeType, shown: str) -> types.CodeType:
    """The same code with another file name, and all that is inside it."""
    constants = tuple(_at(one, shown) if isinstance(one, types.CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=shown, co_consts=constants)
