"""What an engine says when it does not do what it was asked, in our words."""

from headrace.domain.errors import HeadraceError, ModelFailed, Unavailable, Unsupported

LONGEST = 500  # characters
# what runtimes say about a command that an image does not hold
NO_PROGRAM = ("executable file", "exec format error", "exec: ", "starting container process caused: exec", "no command")
NO_GPU = ("could not select device driver", "nvidia")


def refusal(engine: str, status: int, said: str) -> HeadraceError:
    words, short = said.lower(), " ".join(said.split())[:LONGEST]
    if any(word in words for word in NO_GPU):
        return Unsupported(f"the container engine {engine} has no GPU to give: {short}")
    if any(word in words for word in NO_PROGRAM):
        return ModelFailed(f"the image's program cannot be started: {short}")
    return Unavailable(f"the container engine {engine} refuses: {short}", technical=f"status {status}")
