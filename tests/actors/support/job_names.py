"""How the tests of the dispatcher name what they look for."""

from storage.job import JobState

DONE, EMPTY, FAILED = JobState.DONE, JobState.EMPTY, JobState.FAILED

JOB = "job-s-0-es"
"""The job of the first cut of session `s` into Spanish."""
