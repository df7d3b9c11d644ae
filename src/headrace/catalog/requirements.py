"""The hardware that a version may ask for: the table of the API, and what its amounts mean. Pure."""

import re

from headrace.domain.errors import Invalid
from headrace.domain.replica import Hardware
from headrace.domain.version import ARM, Requirement

DEFAULT = 1
GPU = -6
INLINE = 0  # amounts given in the request that are no entry of the table

MOST_CPU = 1_024_000  # thousandths
MOST_MEMORY = 1 << 46  # bytes
LEAST_MEMORY = 1 << 24
MOST_GPUS = 64

_CPU = re.compile(r"([0-9]{1,7})m|([0-9]{1,4}(?:\.[0-9]{1,3})?)")
_MEMORY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)([KMGT]i?)?")
_UNITS = {
    "": 1,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
}


def parse_cpu(text: str) -> int:
    """Thousandths of a processor: "1000m", "1" and "1.0" are 1000. Raises Invalid."""
    match = _CPU.fullmatch(text.strip())
    if match is None:
        raise Invalid(f'cpuAmount is {text[:40]!r}; write it like "1000m" (thousandths) or "0.5" (processors)')
    millis = int(match[1]) if match[1] else round(float(match[2]) * 1000)
    if not 1 <= millis <= MOST_CPU:
        raise Invalid(f'cpuAmount is {text[:40]!r}; it must be between "1m" and "{MOST_CPU}m"')
    return millis


def parse_memory(text: str) -> int:
    """Bytes, by the units of Kubernetes: "1G" is 10⁹, "1Gi" is 2³⁰. Raises Invalid."""
    match = _MEMORY.fullmatch(text.strip())
    if match is None:
        raise Invalid(f'memoryAmount is {text[:40]!r}; write it like "512M", "512Mi", "1G" or "1.5Gi"')
    size = round(float(match[1]) * _UNITS[match[2] or ""])
    if not LEAST_MEMORY <= size <= MOST_MEMORY:
        raise Invalid(f'memoryAmount is {text[:40]!r}; it must be between "{LEAST_MEMORY >> 20}Mi" and "64Ti"')
    return size


def _entry(identifier: int, name: str, description: str, amounts: tuple[str, str], gpu: int = 0) -> Requirement:
    cpu, memory = amounts
    hardware = Hardware(parse_cpu(cpu), parse_memory(memory), gpu)
    return Requirement(identifier, name, description, cpu, memory, gpu, hardware)


# The Python SDK reads cpuAmount up to "m" and memoryAmount up to "G" in its constructor, and takes the smallest entry
# that is large enough; of equals the first. So the special ones stand last, each with an equal before it.
TABLE: tuple[Requirement, ...] = (
    _entry(2, "Tiny", "Half a processor and half a gigabyte", ("500m", "0.5G")),
    _entry(DEFAULT, "Small", "One processor and one gigabyte: what a new version has", ("1000m", "1G")),
    _entry(3, "Medium", "Two processors and four gigabytes", ("2000m", "4G")),
    _entry(4, "Large", "Four processors and eight gigabytes", ("4000m", "8G")),
    _entry(5, "Very large", "Eight processors and 16 gigabytes", ("8000m", "16G")),
    _entry(6, "Huge", "16 processors and 64 gigabytes", ("16000m", "64G")),
    _entry(GPU, "GPU", "One GPU, with four processors and eight gigabytes", ("4000m", "8G"), gpu=1),
    _entry(ARM, "ARM", "For another architecture: published without a run test here", ("1000m", "1G")),
)

_BY_ID = {entry.identifier: entry for entry in TABLE}


def by_id(identifier: int) -> Requirement:
    """Raises Invalid."""
    try:
        return _BY_ID[identifier]
    except KeyError:
        known = ", ".join(str(entry.identifier) for entry in TABLE)
        raise Invalid(f"requirementId {identifier} does not exist; there are {known}") from None


def inline(cpu: str, memory: str, gpu_units: int = 0) -> Requirement:
    """Amounts given in the request itself (contracts/modzy.md, B.3). Raises Invalid."""
    hardware = Hardware(parse_cpu(cpu), parse_memory(memory), gpu_units)
    if not 0 <= gpu_units <= MOST_GPUS:
        raise Invalid(f"gpuUnits is {gpu_units}; it must be between 0 and {MOST_GPUS}")
    return Requirement(INLINE, "", "", cpu.strip(), memory.strip(), gpu_units, hardware)
