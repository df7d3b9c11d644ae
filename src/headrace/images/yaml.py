"""YAML that a stranger wrote: plain values only, no aliases, no key twice, no surprise in size or depth."""

from typing import Any

import yaml

from headrace.domain.errors import Invalid

LARGEST = 256 * 1024  # bytes
DEEPEST = 32


class _Loader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(
                problem="aliases (*name) are not taken", problem_mark=self.get_mark()
            )
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.constructor.ConstructorError(problem=f"it is nested deeper than {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# dates stay text: nobody means a date in this file
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(content: bytes, name: str) -> dict[str, Any]:
    """A mapping with text keys. Raises Invalid with the place of the mistake."""
    if len(content) > LARGEST:
        raise Invalid(f"{name} is larger than {LARGEST} bytes")
    try:
        value = yaml.load(content, _Loader)  # noqa: S506 - a SafeLoader that takes even less
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError, OverflowError) as error:
        raise Invalid(f"{name} cannot be read: {_place(error)}") from None
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise Invalid(f"{name} should be a mapping of keys to values, such as: name: my model")
    return value


def _place(error: Exception) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return f"{problem or type(error).__name__}{where}"
