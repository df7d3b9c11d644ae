"""House rules that no linter knows: file and function length, banned names, a docstring on top, imports at the top.

usage: python tools/check_house.py src/headrace
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES, FUNCTION_LINES = 400, 60
BANNED = ("util", "helper", "common", "misc", "manager")
BANNED_CLASSES = ("Manager", "Helper", "Util", "Utils")
GENERATED = ("_pb2.py", "_pb2_grpc.py")


def faults(path: Path) -> Iterator[str]:
    text = path.read_text()
    tree = ast.parse(text)
    lines = text.count("\n") + 1
    if lines > FILE_LINES:
        yield f"file has {lines} lines, more than {FILE_LINES}"
    if any(word in path.stem.lower() for word in BANNED):
        yield "the name says nothing: say what is in it"
    if text.strip() and not ast.get_docstring(tree):
        yield "no docstring on top: one line, what this file is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name.endswith(BANNED_CLASSES):
            yield f"class {node.name}: name it after what it is or does"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _function_faults(node)


def _function_faults(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    length = (node.end_lineno or 0) - node.lineno + 1
    if length > FUNCTION_LINES:
        yield f"{node.name}() has {length} lines, more than {FUNCTION_LINES}"
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import | ast.ImportFrom):
            yield f"{node.name}() imports inside a function, line {inner.lineno}"


def main(root: Path) -> int:
    count = 0
    for path in sorted(root.rglob("*.py")):
        if path.name.endswith(GENERATED):
            continue
        for fault in faults(path):
            count += 1
            print(f"{path}: {fault}")
    print(f"{count} faults")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
