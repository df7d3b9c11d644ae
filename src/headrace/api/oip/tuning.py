"""Log and trace settings at run time (contracts/oip.md, A16). Both act at once; of traces: telemetry/sampling.py."""

import logging
from typing import Any, TypeVar

import msgspec

from headrace.api import sentences
from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.api.rooms import Rooms
from headrace.api.tuned import LogSettings, TraceSettings
from headrace.domain.account import Action
from headrace.domain.errors import Invalid, Unsupported
from headrace.telemetry.sampling import Rule

S = TypeVar("S", LogSettings, TraceSettings)

NoBody = Call[NoQuery, None]
Raw = Call[NoQuery, bytes]

LEVELS = frozenset({"OFF", "TIMESTAMPS", "TENSORS"})
FORMATS = frozenset({"default", "ISO8601"})
MODELS = 1_000  # with trace settings of their own
MODES = frozenset({"triton", "opentelemetry"})
_LOWEST = {"trace_rate": 0, "trace_count": -1, "log_frequency": 0}
_TRACE = TraceSettings.__struct_fields__

logger = logging.getLogger("headrace")


class Tuning:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._tuned = rooms.tuned

    def rows(self) -> list[Row]:
        read, tune = Action.READ_LIBRARY, Action.TUNE_SERVER
        of_model = "/v2/models/{model}/trace/setting"
        change: dict[str, Any] = {"body": bytes, "body_schema": dict[str, Any], "errors": (501,)}
        return [
            Endpoint("GET", "/v2/logging", "What is logged", read, self.log, answer=LogSettings),
            Endpoint("POST", "/v2/logging", "Change it", tune, self.set_log, answer=LogSettings, **change),
            Endpoint("GET", "/v2/trace/setting", "What is traced", read, self.trace, answer=TraceSettings),
            Endpoint("POST", "/v2/trace/setting", "Change it", tune, self.set_trace, answer=TraceSettings, **change),
            Endpoint("GET", of_model, "What is traced of a model", read, self.trace_of, answer=TraceSettings),
            Endpoint("POST", of_model, "Change it", tune, self.set_trace_of, answer=TraceSettings, **change),
        ]

    async def log(self, _call: NoBody) -> LogSettings:
        return self._tuned.log

    async def set_log(self, call: Raw) -> LogSettings:
        given = _object(call.body)
        if "log_file" in given:
            raise Unsupported("log file location can not be updated through network protocol")
        changed = _changed(self._tuned.log, given)
        if changed.log_format not in FORMATS:
            raise Invalid(f"invalid argument for --log_format, got: {changed.log_format[:80]}")
        if changed.log_verbose_level < 0:
            raise Invalid(f"log_verbose_level should be a whole number from 0 on, but is {changed.log_verbose_level}")
        self._tuned.log = changed
        logger.setLevel(_level(changed))
        return changed

    async def trace(self, _call: NoBody) -> TraceSettings:
        return self._tuned.trace

    async def set_trace(self, call: Raw) -> TraceSettings:
        given = _object(call.body)
        before, usual = self._tuned.trace, TraceSettings()
        nulls = {key: getattr(usual, key, None) for key, value in given.items() if value is None}
        changed = self._tuned.trace = _checked(_changed(before, given | nulls))
        if given:
            self._tuned.sampling.set(_rule(changed))
        for model, own in self._tuned.traces.items():
            if (now := _changed(changed, own)) != _changed(before, own):
                self._tuned.sampling.set(_rule(now), model)
        return changed

    async def trace_of(self, call: NoBody) -> TraceSettings:
        model = await self._rooms.directory.model(call.principal, call.params["model"])
        return _changed(self._tuned.trace, self._tuned.traces.get(model.identifier, {}))

    async def set_trace_of(self, call: Raw) -> TraceSettings:
        """What is not the model's own, or is null from now on, follows the settings for all."""
        model = await self._rooms.directory.model(call.principal, call.params["model"])
        tuned, identifier = self._tuned, model.identifier
        given = _object(call.body)
        said = tuned.traces.get(identifier, {}) | {key: given[key] for key in _TRACE if key in given}
        own = {key: value for key, value in said.items() if value is not None}
        changed = _checked(_changed(tuned.trace, own))
        if not own:
            tuned.traces.pop(identifier, None)
            tuned.sampling.forget(identifier)
        elif given:
            if len(tuned.traces) >= MODELS and identifier not in tuned.traces:
                raise Invalid(f"{MODELS} models have trace settings of their own already")
            tuned.traces[identifier] = own
            tuned.sampling.set(_rule(changed), identifier)
        return changed


def _object(raw: bytes) -> dict[str, Any]:
    return sentences.decode(raw, dict[str, Any])


def _changed(before: S, given: dict[str, Any]) -> S:
    """Keys that nobody knows are ignored. Raises Invalid for a value of the wrong type."""
    kind = type(before)
    known = {name: given[name] for name in kind.__struct_fields__ if name in given}
    try:
        return msgspec.convert(msgspec.to_builtins(before) | known, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"a setting has the wrong type: {error}") from None


def _checked(settings: TraceSettings) -> TraceSettings:
    if settings.trace_file:
        raise Unsupported("trace file location can not be updated through network protocol")
    for name, lowest in _LOWEST.items():
        text = getattr(settings, name)
        number = text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= len(str(1 << 63))
        if not number or int(text) < lowest:
            raise Invalid(f"{name} should be a whole number from {lowest} on as text, but is {text[:80]!r}")
    if settings.trace_mode not in MODES:
        raise Invalid(f"trace_mode {settings.trace_mode[:80]!r} is not known: there are triton and opentelemetry")
    if unknown := [level for level in settings.trace_level if level not in LEVELS]:
        raise Invalid(f"trace_level {unknown[0][:80]!r} is not known: there are OFF, TIMESTAMPS and TENSORS")
    return settings


def _rule(settings: TraceSettings) -> Rule:
    levels = set(settings.trace_level)
    return Rule(bool(levels - {"OFF"}), int(settings.trace_rate), int(settings.trace_count))


def _level(settings: LogSettings) -> int:
    """The most that any of the switches lets through: a logger here has one threshold."""
    if settings.log_verbose_level > 0:
        return logging.DEBUG
    if settings.log_info:
        return logging.INFO
    if settings.log_warning:
        return logging.WARNING
    return logging.ERROR if settings.log_error else logging.CRITICAL
