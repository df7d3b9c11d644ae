"""Whose quotas a job is counted against."""

from headrace.accounts.quotas import QuotaOwner
from headrace.domain.job import Job


def owner_of(job: Job) -> QuotaOwner:
    return QuotaOwner(user=job.user, team=job.team, project=None)
