"""What every part of the job engine shares."""

from dataclasses import dataclass, field

from headrace.domain.job import Job, JobState
from headrace.jobs.bell import Bell
from headrace.jobs.tally import Tally
from headrace.jobs.watch import Watch
from headrace.settings import JobSettings
from headrace.storage.database import Database


@dataclass(frozen=True, slots=True)
class Room:
    database: Database
    settings: JobSettings = field(default_factory=JobSettings)
    work: Bell = field(default_factory=Bell)  # rings when inputs can be claimed
    deadlines: Bell = field(default_factory=Bell)  # rings when a job with a deadline was stored
    watch: Watch = field(default_factory=Watch)
    tally: Tally = field(default_factory=Tally)

    def stored(self, job: Job, *, deadline: bool) -> None:
        """A job was stored: wake whom it concerns."""
        if job.state is not JobState.OPEN:
            self.tally.jobs += 1
            self.tally.inputs += job.total
        self.work.ring()
        if deadline:
            self.deadlines.ring()
