"""What stands behind the question mark of a request, checked. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from storage.job import JobState

_LANGUAGE = re.compile(r"[A-Za-z0-9_-]{1,35}")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_MOST_JOBS = 500
_FURTHEST = 2000
OPEN_STATES = (JobState.QUEUED, JobState.ASSIGNED, JobState.RUNNING)


class QueryError(ValueError):
    """A parameter is missing or wrong; the text says which, and what it may be."""


@dataclass(frozen=True, slots=True)
class JobsQuery:
    """Which page of a list of jobs."""

    states: tuple[JobState, ...]
    limit: int
    offset: int


def parameters_of(path: str) -> Mapping[str, str]:
    """Return the parameters of a request; of one given more than once, the last."""
    found = parse_qs(path.partition("?")[2], keep_blank_values=True, max_num_fields=20)
    return {name: values[-1] for name, values in found.items()}


def jobs_query(path: str) -> JobsQuery:
    """Read `state`, `limit` and `offset`.

    Raises:
        QueryError: one of them is wrong.
    """
    given = parameters_of(path)
    states: tuple[JobState, ...] = OPEN_STATES
    if (state := given.get("state")) is not None:
        states = (state_of(state),)
    limit = _number(given, "limit", 100, 1, _MOST_JOBS)
    return JobsQuery(states, limit, _number(given, "offset", 0, 0, _FURTHEST))


def state_of(text: str) -> JobState:
    """Return a job's state by its name.

    Raises:
        QueryError: there is no such state.
    """
    if text not in {state.value for state in JobState}:
        raise QueryError(f"state is one of {', '.join(state.value for state in JobState)}")
    return JobState(text)


def pair_query(path: str) -> tuple[str, str]:
    """Read `src` and `tgt`.

    Raises:
        QueryError: one of them is missing, or no language.
    """
    given = parameters_of(path)
    found = []
    for name in ("src", "tgt"):
        text = given.get(name, "")
        if _LANGUAGE.fullmatch(text) is None:
            raise QueryError(f"{name} is missing or no language: say ?src=en&tgt=es")
        found.append(text)
    return found[0], found[1]


def month_query(path: str, present: str) -> str:
    """Read `month`; unless given, the present one.

    Raises:
        QueryError: it is no month.
    """
    month = parameters_of(path).get("month", present)
    if _MONTH.fullmatch(month) is None:
        raise QueryError("month is a year and a month: ?month=2026-12")
    return month


def _number(given: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or not least <= int(text[:9]) <= most:
        raise QueryError(f"{name} is a number from {least} to {most}")
    return int(text)
