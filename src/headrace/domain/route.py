"""Routes of HTTP that a model answers by itself, as MLServer's `@custom_handler` declares them: what is allowed.

A path is made of segments that stand for themselves and of parameters that stand for one segment each; the last one
may be a parameter for all that follows, `{rest:path}`. So a request is looked up without a regular expression that a
model could have made to take for ever.
"""

import re
from collections.abc import Sequence

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
OURS = frozenset({"", "api", "livez", "metrics", "readyz", "v2"})  # first segments of the server's own paths
OURS_BELOW = frozenset(
    {"config", "docs", "generate", "generate_stream", "infer", "infer_stream", "ready", "stats", "trace", "versions"}
)  # first segments of its paths below a model
MOST, LONGEST = 100, 300  # routes of a model, characters of a path

Route = tuple[str, str]  # method, path

_PARAMETER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*(:(str|int|float|uuid|path))?\}")
_REST = ":path}"


def refusal(routes: Sequence[Route]) -> str | None:
    """Why a model may not have these, as a sentence."""
    if len(routes) > MOST:
        return f"it has {len(routes)} handlers; {MOST} are allowed"
    if len(set(routes)) < len(routes):
        return "two of its handlers have the same method and path"
    for method, path in routes:
        if said := _wrong(method, path):
            return f"its handler {method[:20]} {path[:LONGEST]} {said}"
    return None


def _wrong(method: str, path: str) -> str:
    if method not in METHODS:
        return f"has a method that is not one of {', '.join(METHODS)}"
    if not path.startswith("/") or len(path) > LONGEST or not path.isprintable():
        return f"should have a path that begins with a slash, of at most {LONGEST} characters"
    first, *others = segments(path)
    if first in OURS or "{" in first:
        return "has a path that belongs to the server: choose another first segment"
    if first in OURS_BELOW:
        return f"would hide the server's own {first} below the model: choose another first segment"
    return _odd(others)


def _odd(others: Sequence[str]) -> str:
    """What is wrong with the segments after the first one."""
    if odd := [one for one in others if "{" in one and not _PARAMETER.fullmatch(one)]:
        return f"has the segment {odd[0]!r}: a segment is fixed, or one parameter in braces"
    if any(one.endswith(_REST) for one in others[:-1]):
        return "has a parameter for a whole path that is not the last segment"
    return ""


def segments(path: str) -> list[str]:
    """A slash at the end changes nothing."""
    return path.rstrip("/").split("/")[1:] or [""]


def fits(path: str, asked: Sequence[str]) -> bool:
    """Whether a request for these segments is one for the declared path."""
    wanted = segments(path)
    if wanted[-1].endswith(_REST) and len(asked) >= len(wanted):
        wanted, asked = wanted[:-1], asked[: len(wanted) - 1]
    return len(wanted) == len(asked) and all(
        one == given or ("{" in one and given != "") for one, given in zip(wanted, asked, strict=True)
    )
