"""A door's methods by their paths, with the services that every door has: its health, and what it can be asked."""

from collections.abc import Awaitable, Callable, Mapping

from headrace.api.grpc.calls import Method
from headrace.api.grpc.health import Health
from headrace.api.grpc.proto import health_pb2
from headrace.api.grpc.reflection import VERSIONS, Reflection
from headrace.api.grpc.typed import typed

HEALTH = "grpc.health.v1.Health"
NOBODY_ASKED = ()  # nobody needs a key for these


def table(services: Mapping[str, Mapping[str, Method]], ready: Callable[[], Awaitable[bool]]) -> dict[str, Method]:
    """`services`: methods by the names of services and their own. `ready`: whether the server may be asked now."""
    names = [*services, HEALTH, *VERSIONS]
    described = {
        name: {"ServerReflectionInfo": Method(NOBODY_ASKED, streaming=Reflection(module, names).info)}
        for name, module in VERSIONS.items()
    }
    everything = {**services, HEALTH: _health(Health(ready)), **described}
    return {f"/{service}/{name}": method for service, found in everything.items() for name, method in found.items()}


def _health(health: Health) -> dict[str, Method]:
    return {
        "Check": Method(NOBODY_ASKED, typed(health_pb2.HealthCheckRequest, health.check)),
        "Watch": Method(NOBODY_ASKED, streaming=health.watch),
    }
