"""What is logged and traced just now: one for all doors of the Open Inference Protocol."""

import logging
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headrace.telemetry.sampling import Sampling

logger = logging.getLogger("headrace")


class LogSettings(msgspec.Struct):
    log_file: str = ""
    log_info: bool = True
    log_warning: bool = True
    log_error: bool = True
    log_verbose_level: int = 0
    log_format: str = "default"


class TraceSettings(msgspec.Struct):
    """Values are texts, as Triton has them."""

    trace_level: list[str] = msgspec.field(default_factory=lambda: ["OFF"])
    trace_rate: str = "1000"
    trace_count: str = "-1"
    log_frequency: str = "0"
    trace_file: str = ""
    trace_mode: str = "triton"


def of_logger() -> LogSettings:
    level = logger.getEffectiveLevel()
    return LogSettings(
        log_info=level <= logging.INFO,
        log_warning=level <= logging.WARNING,
        log_error=level <= logging.ERROR,
        log_verbose_level=int(level <= logging.DEBUG),
    )


@dataclass(slots=True)
class Tuned:
    log: LogSettings = field(default_factory=of_logger)
    trace: TraceSettings = field(default_factory=TraceSettings)
    traces: dict[str, dict[str, Any]] = field(default_factory=dict)  # by model identifier: settings of its own
    sampling: Sampling = field(default_factory=Sampling)  # what of it the tracer looks at
