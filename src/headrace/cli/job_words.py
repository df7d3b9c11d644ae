"""Words that several commands about jobs share."""

from typing import Annotated

import typer

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's identifier.")]
