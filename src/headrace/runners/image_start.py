"""What is the same for an image however it is started: the variables that it gets, and where it may listen."""

from collections.abc import Mapping

from headrace.domain.image import ImageConfig
from headrace.runners.limits import Limits

SHARED = "/headrace/shared"  # inside
PORT_VARIABLE = "PSC_MODEL_PORT"
PORT = 8080  # for images that name none
LOWEST = 1024  # ports below need a right that no model of ours has
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
OTHERS = ("HTTP_PORT", "MLSERVER_HTTP_PORT")
USUAL = (PORT, 45_000, 8_000, 80)


def variables(config: ImageConfig, limits: Limits) -> dict[str, str]:
    """What is added to the image's own variables: the port is always said (the template's own is 80)."""
    own = dict(config.environment)
    threads = {name: str(len(limits.cpus)) for name in THREADS if name not in own}
    return {PORT_VARIABLE: str(said_port(own)), **threads}


def said_port(own: Mapping[str, str]) -> int:
    said = own.get(PORT_VARIABLE, "")
    port = int(said) if said.isascii() and said.isdigit() else 0
    return port if LOWEST <= port < 1 << 16 else PORT


def candidate_ports(config: ImageConfig, known: int) -> list[int]:
    """Where a model may listen, the likeliest first."""
    own = dict(config.environment)
    named = [own.get(name, "") for name in OTHERS]
    others = [int(text) for text in named if text.isascii() and text.isdigit()]
    found = [known, said_port(own), *others, *config.ports, *USUAL]
    return list(dict.fromkeys(port for port in found if 0 < port < 1 << 16))
