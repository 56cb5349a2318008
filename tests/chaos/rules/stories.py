"""Runs as the log would tell them, right and wrong ones, for the tests of the rules."""

from dataclasses import replace
from typing import Any

from tests.chaos.log import (
    Answer,
    CloseAcked,
    CloseAsked,
    Event,
    JobAnswered,
    JobHeard,
    JobWithdrawn,
    NodeJoined,
    OutcomeHeard,
    SessionOpened,
    SpeechBegan,
    SpeechEnded,
    Tick,
)
from tests.chaos.peers.audio import Speech, digest_of
from tests.chaos.rules.oracle import Limits, Oracle

LIMITS = Limits(outcome_seconds=20.0, stall_seconds=5.0, max_attempts=3, grace_seconds=3.0)


SPEECH = (Speech("one", "pcm16", 200), Speech("two", "opus", 200))


TEXTS = ("first words", "second words")


def opened(at: float = 0.0, session: str = "s") -> Event:
    return SessionOpened(at=at, session=session)


def joined(at: float = 0.0, node: str = "n", capacity: int = 2, **fields: Any) -> Event:
    return NodeJoined(at=at, node=node, capacity=capacity, **fields)


def said(at: float, index: int = 0, session: str = "s") -> list[Event]:
    speech = SPEECH[index % 2]
    return [
        SpeechBegan(at=at, session=session, index=index, speech=speech),
        SpeechEnded(at=at, session=session, index=index, size_bytes=speech.size_bytes),
    ]


def heard(
    at: float, index: int = 0, node: str = "n", attempt: int = 1, session: str = "s", **fields: Any
) -> JobHeard:
    suffix = f"~{attempt}" if attempt > 1 else ""
    speech = SPEECH[index % 2]
    event = JobHeard(
        at=at,
        node=node,
        job_id=f"job-{session}-{index}{suffix}",
        attempt=attempt,
        session=session + suffix,
        index=index,
        turn=f"turn-{index}{suffix}",
        language="es",
        digest=speech.digest(),
        size_bytes=speech.size_bytes,
    )
    return replace(event, **fields)


def answered(at: float, job: JobHeard, text: str = TEXTS[0], answer: Answer = Answer.FULL) -> Event:
    return JobAnswered(at=at, node=job.node, job_id=job.job_id, answer=answer, text=text)


def outcome(at: float, index: int = 0, seq: int = 1, session: str = "s", **fields: Any) -> Event:
    fields.setdefault("text", TEXTS[index % 2] if "reason" not in fields else "")
    return OutcomeHeard(at=at, session=session, index=index, delivery_seq=seq, **fields)


def ended(at: float, session: str = "s") -> list[Event]:
    return [CloseAsked(at=at, session=session), CloseAcked(at=at, session=session)]


def ticks(start: float, end: float) -> list[Event]:
    return [Tick(at=start + n / 4) for n in range(int((end - start) * 4) + 1)]


def whole_story() -> list[Event]:
    """Two utterances as they should go."""
    first, second = heard(1.1), heard(2.1, index=1)
    return [
        opened(),
        joined(),
        *said(1.0),
        first,
        answered(1.3, first),
        outcome(1.4),
        *said(2.0, index=1),
        second,
        answered(2.3, second, TEXTS[1]),
        outcome(2.4, index=1, seq=2),
        *ended(3.0),
        *ticks(3.0, 30.0),
    ]


def breaches(events: list[Event]) -> list[str]:
    oracle = Oracle(LIMITS)
    for event in events:
        oracle.take(event)
    return [f"{breach.rule}: {breach.text}" for breach in oracle.breaches]


def story_with(replaced: int, *events: Event) -> list[Event]:
    """Return the good story with other events in the place of one (negative: appended)."""
    story = whole_story()
    return [*story[:replaced], *events, *story[replaced + 1 :]]


FIRST, SECOND = heard(1.1), heard(2.1, index=1)


TURN = {"turn": "turn-0", "session": "s"}


OUT_OF_ORDER = [opened(), *said(1.0), *said(1.1, 1), outcome(2.0, 1, 1, reason="job_timeout")]


OUTCOMES = {
    "no outcome at all": (story_with(6), "closed without an outcome of 0"),
    "a second outcome": (story_with(6, outcome(1.4), outcome(1.5, seq=2)), "a second outcome"),
    "an outcome of nothing": (story_with(6, outcome(1.4, index=7)), "was never said"),
    "a gap in delivery_seq": (story_with(6, outcome(1.4, seq=2)), "delivery_seq 2 after 0"),
    "a repeated delivery_seq": (
        story_with(11, outcome(2.4, index=1, seq=1)),
        "delivery_seq 1 after 1",
    ),
    "a wrong order": (
        [*OUT_OF_ORDER, outcome(2.1, 0, 2, reason="job_timeout")],
        "comes after 1",
    ),
    "late, and in order": (
        story_with(11, outcome(2.4, index=1, seq=2, late=True)),
        "is marked late",
    ),
    "after the end": ([*whole_story(), outcome(40.0, 1, 3)], "after the end of its session"),
    "of a stranger": ([outcome(1.0, session="x")], "which nobody here has opened"),
}


OTHER = digest_of(b"something else")


HALF = SPEECH[0].size_bytes // 2


AUDIO = {
    "other bytes": (story_with(4, heard(1.1, digest=OTHER)), "with other audio"),
    "a part": (
        story_with(4, heard(1.1, size_bytes=HALF, digest=SPEECH[0].digest(HALF))),
        f"with {HALF} of",
    ),
    "another attempt, other bytes": (
        story_with(4, heard(1.1), heard(1.2, node="m", attempt=2, digest=OTHER)),
        "with other audio",
    ),
    "never said": ([opened(), joined(), heard(1.0, index=5)], "was never said"),
}


def crowd(count: int) -> list[Event]:
    """So many utterances of as many sessions, all with one node."""
    events: list[Event] = [joined()]
    for number in range(count):
        session = f"s{number}"
        events += [opened(session=session), *said(1.0, session=session)]
        events.append(heard(1.1, session=session))
    return events


def merged(first: JobHeard, last: JobHeard) -> list[Event]:
    """A segment that is said to be in the next one."""
    jobs = sorted((first, last), key=lambda job: job.at)
    words = [opened(), joined(), joined(node="m"), *said(1.0), *said(1.1, 1), *jobs]
    words += [answered(1.5, last), outcome(1.6, reason="merged")]
    return words


ATTEMPTS = {
    "the same job twice": (story_with(4, FIRST, FIRST), "n gets job-s-0 a second time"),
    "the same utterance twice": (
        story_with(4, FIRST, replace(heard(1.2, attempt=2), session="s")),
        "n gets s:0 a second time",
    ),
    "one attempt at two nodes": (
        story_with(4, FIRST, heard(1.2, node="m")),
        "is attempt 1 a second time",
    ),
    "an earlier attempt after a later one": (
        story_with(4, heard(1.1, node="m", attempt=2), heard(1.9)),
        "is attempt 1 after 2",
    ),
    "one attempt too many": (story_with(4, heard(1.1, attempt=4)), "attempt 4 of 3"),
    "of an attempt given up": (
        story_with(4, FIRST, heard(1.2, node="m", attempt=2)),
        "of attempt 1, but attempt 2 was begun",
    ),
    "a new attempt after the outcome": (
        story_with(6, outcome(1.4), heard(1.5, node="m", attempt=2)),
        "though the client has attempt 1",
    ),
    "an answer after the withdrawal": (
        story_with(4, FIRST, JobWithdrawn(at=1.2, node="n", job_id=FIRST.job_id)),
        "but the job was withdrawn",
    ),
    "a second answer": (
        story_with(5, answered(1.3, FIRST, answer=Answer.FALSE)),
        "but it was false",
    ),
    "an answer nobody gave": (story_with(5), "which no node has said"),
    "an answer to something else": (story_with(11, outcome(2.4, 1, 2, text=TEXTS[0])), "belongs"),
}


def stalled_crowd() -> list[Event]:
    """Ten utterances at a full node, and a free one beside it."""
    events: list[Event] = [joined(capacity=10), joined(node="free")]
    for number in range(10):
        session = f"s{number}"
        events += [opened(session=session), *said(1.0, session=session)]
        events.append(heard(1.1, session=session))
    return events
