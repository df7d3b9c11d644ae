"""What the job engine has done since the server started, in plain integers."""

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    jobs: int = 0  # submitted and stored
    inputs: int = 0  # of those jobs
    results: int = 0  # stored, whatever became of the input
    errors: int = 0  # results that are errors
    dead: int = 0  # of those: without an answer of the model
    retries: int = 0  # inputs that went back because a replica died at them or a fault of ours stopped them
