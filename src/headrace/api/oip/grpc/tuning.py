"""Log and trace settings: without settings a question, with settings a change. The acts are those of REST."""

from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.accounts import access
from headrace.api import endpoint
from headrace.api.endpoint import NoQuery
from headrace.api.grpc.acts import asking
from headrace.api.grpc.calls import Call
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.api.oip.tuning import Tuning
from headrace.api.tuned import LogSettings, TraceSettings
from headrace.domain.account import Action
from headrace.domain.errors import Invalid


class TuningCalls:
    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning

    async def log(self, call: Call, request: pb.LogSettingsRequest) -> pb.LogSettingsResponse:
        given = {name: _value(name, value) for name, value in request.settings.items()}
        found = await (self._tuning.set_log(_changing(call, given)) if given else self._tuning.log(_asking(call)))
        return _log(found)

    async def trace(self, call: Call, request: pb.TraceSettingRequest) -> pb.TraceSettingResponse:
        given = {name: _values(name, list(setting.value)) for name, setting in request.settings.items()}
        model = {"model": request.model_name} if request.model_name else {}
        tuning = self._tuning
        if given:
            change = tuning.set_trace_of if model else tuning.set_trace
            return _trace(await change(_changing(call, given, model)))
        ask = tuning.trace_of if model else tuning.trace
        return _trace(await ask(_asking(call, model)))


def _asking(call: Call, params: Mapping[str, str] | None = None) -> endpoint.Call[NoQuery, None]:
    return asking(call, NoQuery(), None, params)


def _changing(
    call: Call, given: Mapping[str, Any], params: Mapping[str, str] | None = None
) -> endpoint.Call[NoQuery, bytes]:
    access.require(call.principal, Action.TUNE_SERVER)
    return asking(call, NoQuery(), msgspec.json.encode(given), params)


def _value(name: str, setting: pb.LogSettingsRequest.SettingValue) -> Any:
    kind = setting.WhichOneof("parameter_choice")
    if kind is None:
        raise Invalid(f"the log setting {name[:80]!r} has no value")
    return getattr(setting, kind)


def _values(name: str, values: list[str]) -> Any:
    """Only the level is a list; no value at all means: as it holds otherwise."""
    if not values:
        return None
    if name == "trace_level":
        return values
    if len(values) > 1:
        raise Invalid(f"the trace setting {name[:80]!r} has one value, not {len(values)}")
    return values[0]


def _log(found: LogSettings) -> pb.LogSettingsResponse:
    response = pb.LogSettingsResponse()
    for name, value in msgspec.structs.asdict(found).items():
        setting = response.settings[name]
        if isinstance(value, bool):
            setting.bool_param = value
        elif isinstance(value, int):
            setting.uint32_param = value
        else:
            setting.string_param = value
    return response


def _trace(found: TraceSettings) -> pb.TraceSettingResponse:
    response = pb.TraceSettingResponse()
    for name, value in msgspec.structs.asdict(found).items():
        response.settings[name].value.extend(value if isinstance(value, list) else [value])
    return response
