"""The server's settings, read once: flags before HEADRACE_<ROOM>_<NAME> before headrace.toml before the defaults."""

import dataclasses
import difflib
import tomllib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from headrace.cli.failure import ExitCode, Failure
from headrace.settings import Settings

FILE = "headrace.toml"  # in the working folder, when --config and HEADRACE_CONFIG name no other
DATA = "data"
ALIASES = {"HEADRACE_ADMIN_KEY_FILE": "accounts.admin_key_file"}
CLIENT_ONLY = {
    "HEADRACE_URL",
    "HEADRACE_API_KEY",
    "HEADRACE_CONFIG",
    "HEADRACE_REGISTRY_PASSWORD",
}  # read by the commands, no settings of the server
NOT_OURS = ("HEADRACE_TEST_", "HEADRACE_FAULTS")  # a test suite's own switches


@dataclass(frozen=True, slots=True)
class Given:
    """One value that somebody gave, and where, for the error message."""

    name: str  # "data" or "room.name"
    value: Any
    where: str


def read(flags: Mapping[str, str], environment: Mapping[str, str], config: Path | None, default_data: Path) -> Settings:
    """`flags` by setting name ("server.port"). Raises Failure: an unknown name, a bad value, an unreadable file."""
    kinds = dict(_kinds())
    chosen: dict[str, Any] = {}
    for given in (*_from_file(config, environment), *_from_environment(environment, kinds), *_from_flags(flags)):
        if given.name not in kinds:
            raise Failure(_unknown(given.name, kinds, given.where), ExitCode.USAGE)
        chosen[given.name] = _converted(given, kinds[given.name])
    rooms = {
        room.name: _hints(Settings)[room.name](
            **{name.partition(".")[2]: value for name, value in chosen.items() if name.startswith(f"{room.name}.")}
        )
        for room in dataclasses.fields(Settings)
        if room.name != DATA
    }
    return Settings(data=chosen.get(DATA, default_data), **rooms)


def environment_name(setting: str) -> str:
    return "HEADRACE_" + setting.replace(".", "_").upper()


def _kinds() -> Iterator[tuple[str, Any]]:
    """Every setting's name and type."""
    for room, kind in _hints(Settings).items():
        if room == DATA:
            yield room, Path
        else:
            yield from ((f"{room}.{name}", inner) for name, inner in _hints(kind).items())


def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _from_flags(flags: Mapping[str, str]) -> Iterator[Given]:
    return (Given(name, value, "the command line") for name, value in flags.items())


def _from_environment(environment: Mapping[str, str], kinds: Mapping[str, Any]) -> Iterator[Given]:
    names = {environment_name(name): name for name in kinds} | ALIASES
    for variable, value in environment.items():
        if not variable.startswith("HEADRACE_") or variable in CLIENT_ONLY or variable.startswith(NOT_OURS):
            continue
        if variable not in names:
            raise Failure(_unknown(variable, [*names, *CLIENT_ONLY], "the environment"), ExitCode.USAGE)
        yield Given(names[variable], value, variable)


def _from_file(config: Path | None, environment: Mapping[str, str]) -> Iterator[Given]:
    named = config or (Path(environment["HEADRACE_CONFIG"]) if environment.get("HEADRACE_CONFIG") else None)
    path = named or Path(FILE)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if named is None:
            return
        raise Failure(f"the settings file {path} is not there", ExitCode.USAGE) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Failure(f"the settings file {path} cannot be read: {error}", ExitCode.USAGE) from error
    for room, values in content.items():
        if isinstance(values, dict):
            yield from (Given(f"{room}.{name}", value, str(path)) for name, value in values.items())
        else:
            yield Given(room, values, str(path))


def _converted(given: Given, kind: Any) -> Any:
    if kind is Path:
        return Path(str(given.value)).expanduser()
    value = given.value
    if typing.get_origin(kind) is tuple and isinstance(value, str):
        value = _listed(value)
    try:
        return msgspec.convert(value, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise Failure(
            f"the setting {given.name} (from {given.where}) cannot be {given.value!r}: {str(error).lower()}",
            ExitCode.USAGE,
        ) from error


def _listed(text: str) -> list[Any]:
    """`["/a", "/b"]` as in headrace.toml, or one bare value: paths, addresses and commas need no escapes."""
    if not text.startswith("["):
        return [text] if text else []
    try:
        found: list[Any] = tomllib.loads(f"list = {text}")["list"]
    except tomllib.TOMLDecodeError:
        return [text]
    return found


def _unknown(name: str, known: typing.Iterable[str], where: str) -> str:
    names = list(known)
    # a bare "port" is that of the room that comes first
    near = [] if "." in name else [full for full in names if full.rpartition(".")[2] == name][:1]
    near = near or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    near = near or [full for full in names if full.rpartition(".")[2] == name.rpartition(".")[2]][:1]
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(names))}"
    return f"there is no setting {name} (from {where}){hint}"
