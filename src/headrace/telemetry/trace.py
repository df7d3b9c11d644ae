"""One span from a request to its replica, where OpenTelemetry is installed (extra `otel`); W3C traceparent in and out.

Only its API is used: who wants spans to go somewhere starts the server by `opentelemetry-instrument`, which sets up
exporters from the usual OTEL_… variables. Without it, a caller's traceparent still reaches the model unchanged.
"""

import atexit
import importlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headrace.telemetry.sampling import Sampling

logger = logging.getLogger(__name__)

TRACEPARENT = "traceparent"  # the header, and its name in a question's meta

_PROVIDERS = (
    "opentelemetry.trace.get_tracer_provider",
    "opentelemetry.metrics.get_meter_provider",
    "opentelemetry._logs.get_logger_provider",
)
_SHAPE = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]*)?")
_VERSION_0 = 55  # characters: no more may follow


def checked_traceparent(header: str | None) -> str:
    """The header's first 55 characters, which all versions share; "" for one that breaks the rules (it is ignored)."""
    if header is None or len(header) > 200 or not _SHAPE.fullmatch(header):  # noqa: PLR2004 - far longer than any
        return ""
    return "" if header.startswith("00") and len(header) != _VERSION_0 else header[:_VERSION_0]


def _installed(module: str) -> Any:
    """None where it is not."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


_trace, _propagate = _installed("opentelemetry.trace"), _installed("opentelemetry.propagate")


class Span:
    """`traceparent` is for whoever is asked next."""

    def __init__(self, span: Any, traceparent: str) -> None:
        self._span, self.traceparent = span, traceparent

    def note(self, attributes: Mapping[str, str | int | float]) -> None:
        self._span.set_attributes(attributes)

    def fail(self, why: str) -> None:
        """What it stands for went wrong here, and not by its caller's mistake."""
        self._span.set_status(_trace.StatusCode.ERROR, why)


class Tracer:
    """Its spans are of the kind SERVER: somebody else asks, and waits.

    `sampling`: which requests it is asked for. What OpenTelemetry's own sampler then says holds as well.
    """

    def __init__(self, tracer: Any, sampling: Sampling | None = None) -> None:
        self._tracer, self.sampling = tracer, sampling or Sampling()

    @contextmanager
    def span(self, name: str, traceparent: str, attributes: Mapping[str, str | int | float]) -> Iterator[Span]:
        """An error that passes through is recorded. `traceparent` "": the span has the context's parent, or none."""
        context = _propagate.extract({TRACEPARENT: traceparent}) if traceparent else None
        kind = _trace.SpanKind.SERVER
        with self._tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as span:
            carrier: dict[str, str] = {}
            _propagate.inject(carrier)
            yield Span(span, carrier.get(TRACEPARENT, traceparent))

    @contextmanager
    def aside(self, name: str, traceparent: str, attributes: Mapping[str, str | int | float]) -> Iterator[Span]:
        """The same, but never the current span: for a generator, which may be resumed by other tasks than began it."""
        context = _propagate.extract({TRACEPARENT: traceparent}) if traceparent else None
        span = self._tracer.start_span(name, context=context, kind=_trace.SpanKind.SERVER, attributes=attributes)
        carrier: dict[str, str] = {}
        _propagate.inject(carrier, context=_trace.set_span_in_context(span, context))
        try:
            yield Span(span, carrier.get(TRACEPARENT, traceparent))
        except Exception as error:
            span.record_exception(error)
            span.set_status(_trace.StatusCode.ERROR, str(error))
            raise
        finally:
            span.end()


def finish(seconds: float) -> None:
    """At the end of the process: what OpenTelemetry still has goes out, as far as it does within so many seconds.

    Left alone, it waits for its exporters when Python ends: as long as they wait for a collector that does not answer.
    """
    stops = [stop for name in _PROVIDERS if callable(stop := getattr(_provider(name), "shutdown", None))]
    threads = [threading.Thread(target=_stopped, args=(stop,), daemon=True) for stop in stops]
    for stop, thread in zip(stops, threads, strict=True):
        atexit.unregister(stop)
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        logger.warning("OpenTelemetry was not through within %g seconds: what it had not sent yet is lost", seconds)


def _provider(name: str) -> Any:
    """None where there is none."""
    module, _, function = name.rpartition(".")
    found = _installed(module)
    return None if found is None else getattr(found, function)()


def _stopped(stop: Callable[[], None]) -> None:
    try:
        stop()
    except Exception:  # whatever it is, it is no reason not to end
        logger.warning("OpenTelemetry did not end well", exc_info=True)


def tracer(*, wanted: bool = True, sampling: Sampling | None = None) -> Tracer | None:
    """None where OpenTelemetry is not installed, not wanted, or has no SDK: spans that nobody sees are not free."""
    if not wanted or _trace is None or isinstance(_trace.get_tracer_provider(), _trace.ProxyTracerProvider):
        return None
    return Tracer(_trace.get_tracer("headrace"), sampling)
