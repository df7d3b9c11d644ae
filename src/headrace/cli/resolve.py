"""From what a user types to one model and one version."""

import re

from headrace.cli.api_client import Api, segment
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.shapes import ModelRow, VersionDetails

IDENTIFIER = re.compile(r"[a-z0-9]{10}")


def model(api: Api, wanted: str) -> ModelRow:
    """`wanted` is an identifier or a name. Raises Failure when no model, or more than one, answers to it."""
    if IDENTIFIER.fullmatch(wanted):
        try:
            return api.read(ModelRow, f"models/{wanted}")
        except Failure as failure:
            if failure.code is not ExitCode.NOT_FOUND:
                raise
    found = named(api, wanted)
    exact = [row for row in found if row.name.casefold() == wanted.casefold()]
    match exact or found:
        case [one]:
            return one
        case []:
            raise Failure(
                f"no model is called {wanted!r}", ExitCode.NOT_FOUND, cure="`headrace models list` shows all of them"
            )
        case several:
            choice = ", ".join(f"{row.model_id} ({row.name})" for row in several)
            raise Failure(f"{wanted!r} could be any of {choice}: give the identifier", ExitCode.USAGE)


def named(api: Api, name: str) -> list[ModelRow]:
    """The details of all models whose name contains `name`."""
    rows = api.read(list[ModelRow], "models", {"name": name, "per-page": 100, "page": 1})
    return [api.read(ModelRow, f"models/{row.model_id}") for row in rows]


def version(api: Api, found: ModelRow, wanted: str | None) -> VersionDetails:
    """The version asked for, else the newest active one."""
    number = wanted or found.latest_active_version
    if not number:
        raise Failure(
            f"model {found.name} ({found.model_id}) has no active version",
            cure=f"name one with --version, of {', '.join(found.versions) or 'none yet'}",
        )
    return api.read(VersionDetails, f"models/{found.model_id}/versions/{segment(number)}")
