"""What a model folder says of itself fills in what nobody has said of the version. Pure."""

from dataclasses import replace

from headrace.catalog import requirements
from headrace.domain.image import Claims
from headrace.domain.version import InputSpec, OutputSpec, Requirement, Timeout, Version


def prefill(version: Version, claims: Claims) -> Version:
    """Fields that still have the value with which a version is born count as not said. Raises Invalid."""
    born = Timeout()
    status = claims.status_timeout if version.timeout.status == born.status else None
    run = claims.run_timeout if version.timeout.run == born.run else None
    return replace(
        version,
        timeout=Timeout(status or version.timeout.status, run or version.timeout.run),
        requirement=_requirement(version.requirement, claims),
        inputs=version.inputs or tuple(InputSpec(*one) for one in claims.inputs),
        outputs=version.outputs or tuple(OutputSpec(*one) for one in claims.outputs),
        long_description=version.long_description or claims.description,
    )


def _requirement(said: Requirement, claims: Claims) -> Requirement:
    """The smallest entry of the table that is large enough; the amounts themselves when none is."""
    if said.identifier != requirements.DEFAULT or not (claims.cpu or claims.memory):
        return said
    cpu, memory = claims.cpu or said.cpu, claims.memory or said.memory
    millis, size = requirements.parse_cpu(cpu), requirements.parse_memory(memory)
    fitting = [
        entry
        for entry in requirements.TABLE
        if entry.identifier > 0 and entry.hardware.cpu_millis >= millis and entry.hardware.memory_bytes >= size
    ]
    if not fitting:
        return requirements.inline(cpu, memory)
    return min(fitting, key=lambda entry: (entry.hardware.cpu_millis, entry.hardware.memory_bytes))
