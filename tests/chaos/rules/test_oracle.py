"""The oracle of chaos runs: a check that cannot fail is none, so each is shown to fail."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.log import (
    EVERYBODY,
    Answer,
    ClockJumped,
    CloseAcked,
    CloseAsked,
    Complaint,
    DataLost,
    Disturbed,
    Event,
    JobAnswered,
    JobHeard,
    JobWithdrawn,
    NodeJoined,
    NodeLeft,
    OutcomeHeard,
    ResumeRefused,
    SessionAbandoned,
    SessionOpened,
    SessionResumed,
    SpeechBegan,
    SpeechEnded,
    Tick,
    Undisturbed,
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


def test_a_good_run_has_no_breach() -> None:
    assert breaches(whole_story()) == []


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


@pytest.mark.parametrize("story", OUTCOMES, ids=list(OUTCOMES))
def test_wrong_outcomes_are_caught(story: str) -> None:
    events, words = OUTCOMES[story]
    assert any(words in text for text in breaches(events)), breaches(events)


def test_a_late_outcome_may_come_after_later_ones() -> None:
    assert not breaches(
        [*OUT_OF_ORDER, outcome(2.1, 0, 2, late=True, reason="job_timeout"), *ended(3.0)]
    )


def test_a_resumed_session_counts_on() -> None:
    resumed = SessionResumed(at=1.5, session="s", last_delivery_seq=1)
    assert breaches(story_with(6, outcome(1.4), resumed)) == []
    again = story_with(6, outcome(1.4), resumed, outcome(1.6))
    assert any("a second outcome" in text for text in breaches(again))


# ---- audio ------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("story", AUDIO, ids=list(AUDIO))
def test_audio_that_differs_is_caught(story: str) -> None:
    events, words = AUDIO[story]
    assert any(words in text and text.startswith("audio") for text in breaches(events))


def test_the_last_words_of_a_lost_client_may_be_cut_short() -> None:
    cut = heard(6.0, size_bytes=HALF, digest=SPEECH[0].digest(HALF))
    begun = [opened(), joined(), SpeechBegan(at=1.0, session="s", index=0, speech=SPEECH[0])]
    assert breaches([*begun, SessionAbandoned(at=2.0, session="s"), cut]) == []
    resumed = SessionResumed(at=7.0, session="s", last_delivery_seq=0)
    assert breaches([*begun, cut, resumed]), "cut by the loss of a line, and then resumed"


# ---- nodes ------------------------------------------------------------------------------------


def crowd(count: int) -> list[Event]:
    """So many utterances of as many sessions, all with one node."""
    events: list[Event] = [joined()]
    for number in range(count):
        session = f"s{number}"
        events += [opened(session=session), *said(1.0, session=session)]
        events.append(heard(1.1, session=session))
    return events


def test_more_slots_than_a_node_has_are_caught() -> None:
    assert breaches(crowd(2)) == []
    [text] = breaches(crowd(3))
    assert text.startswith("capacity: n has 3 slots open and 2")


def test_a_turn_takes_one_slot() -> None:
    speech = [opened(), joined(capacity=1)]
    for index in range(4):
        speech += [*said(1.0, index), heard(1.1 + index / 10, index=index, turn="turn")]
    speech.append(heard(2.0, attempt=2, turn="turn~2"))
    assert breaches(speech) == []


@pytest.mark.parametrize(
    "between",
    [
        answered(1.2, heard(1.1, session="s0")),
        JobWithdrawn(at=1.2, node="n", job_id="job-s0-0"),
        joined(1.2),
        DataLost(at=1.2),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_slot_is_free_again_after_its_job(between: Event) -> None:
    more = [opened(session="s9"), *said(1.3, session="s9"), heard(1.4, session="s9")]
    assert not [text for text in breaches([*crowd(2), between, *more]) if "capacity" in text]
    stays = joined(1.2, keeps_jobs=True)
    assert [text for text in breaches([*crowd(2), stays, *more]) if "capacity" in text]


def test_a_segment_that_was_only_recognised_keeps_its_slot() -> None:
    words = [opened(), joined(capacity=1), *said(1.0), heard(1.1, turn="turn")]
    recognised = answered(1.2, heard(1.1), answer=Answer.TEXT_ONLY)
    more = [opened(session="s9"), *said(1.3, session="s9"), heard(1.4, session="s9")]
    assert [text for text in breaches([*words, recognised, *more]) if "capacity" in text]


def test_a_slot_is_free_again_after_its_deadline() -> None:
    more = [opened(session="s9"), *said(31.2, session="s9"), heard(31.3, session="s9")]
    assert not [text for text in breaches([*crowd(2), *more]) if "capacity" in text]


def test_a_node_that_hears_a_session_out_of_order_is_caught() -> None:
    words = [opened(), joined(), *said(1.0), *said(1.1, 1)]
    swapped = [*words, heard(1.2, index=1), heard(1.3)]
    assert breaches(swapped) == ["order: n gets s:0 after 1"]
    assert breaches([*words, heard(1.2, index=1), heard(1.3, node="m")]) == []
    further = [heard(1.2, index=1, attempt=2), heard(1.3, attempt=2)]
    assert "order: n gets s~2:0 after 1" in breaches([*words, *further])
    assert breaches([*words, heard(1.2, index=1), heard(1.3, attempt=2)]) == []
    late = heard(1.3, on_former_socket=True)
    assert breaches([*words, heard(1.2, index=1), late]) == []


def test_a_store_that_lost_its_data_may_choose_another_node() -> None:
    words = [opened(), joined(), *said(1.0), heard(1.2), DataLost(at=1.3)]
    assert breaches([*words, heard(1.4, node="m")]) == []
    assert any("a second time" in text for text in breaches([*words, heard(1.4)]))


def merged(first: JobHeard, last: JobHeard) -> list[Event]:
    """A segment that is said to be in the next one."""
    jobs = sorted((first, last), key=lambda job: job.at)
    words = [opened(), joined(), joined(node="m"), *said(1.0), *said(1.1, 1), *jobs]
    words += [answered(1.5, last), outcome(1.6, reason="merged")]
    return words


def test_words_that_are_merged_into_nothing_are_caught() -> None:
    last = heard(1.3, index=1, turn="turn")
    assert breaches(merged(heard(1.2, turn="turn"), last)) == []
    lost = ["merge: s:0 is merged into nothing"]
    assert breaches(merged(heard(1.2, node="m", turn="turn"), last)) == lost
    assert breaches(merged(heard(1.2, attempt=2, turn="turn~2"), last)) == lost
    torn = merged(heard(1.2, node="m", turn="turn"), last)
    assert breaches([*torn[:-3], DataLost(at=1.25), *torn[-3:]]) == []
    too_late = [
        *merged(heard(1.2, turn="turn"), last)[:-3],
        answered(1.4, last),
        heard(1.45, turn="turn"),
    ]
    assert lost[0] in breaches([*too_late, outcome(1.6, reason="merged")])


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


@pytest.mark.parametrize("story", ATTEMPTS, ids=list(ATTEMPTS))
def test_wrong_attempts_are_caught(story: str) -> None:
    events, words = ATTEMPTS[story]
    found = [text for text in breaches(events) if text.startswith("attempts")]
    assert any(words in text for text in found), found


def test_what_a_stopped_node_hears_late_was_sent_in_time() -> None:
    stopped = [
        Disturbed(at=1.05, subject="n"),
        heard(1.1, node="m", attempt=2),
        Undisturbed(at=6.0, subject="n"),
        heard(6.001),
    ]
    found = breaches([opened(), joined(), joined(node="m"), *said(1.0), *stopped])
    assert found == []


def test_a_silent_node_may_answer_before_its_jobs_have_moved() -> None:
    silent = JobWithdrawn(at=1.2, node="n", job_id=FIRST.job_id, of_silent_node=True)
    assert breaches(story_with(4, FIRST, silent)) == []


# ---- time -------------------------------------------------------------------------------------


def test_an_outcome_that_does_not_come_in_time_is_caught() -> None:
    waiting = [opened(), *said(1.0)]
    assert breaches([*waiting, *ticks(1.0, 20.0)]) == []
    assert breaches([*waiting, *ticks(1.0, 22.0)]) == ["deadline: s:0 has no outcome after 20.2 s"]
    outage = [Disturbed(at=5.0, subject=EVERYBODY), Undisturbed(at=15.0, subject=EVERYBODY)]
    assert breaches([*waiting, *outage, *ticks(15.0, 34.0)]) == []


def test_work_that_waits_beside_a_free_node_is_caught() -> None:
    waiting = [opened(), joined(), *said(1.0), *ticks(1.0, 8.0)]
    assert breaches(waiting) == ["starvation: s:0 waits for 5.2 s while a node is free"]
    jumped = [*waiting[:-20], ClockJumped(at=3.0), *ticks(3.0, 12.0)]
    assert breaches(jumped) == []
    unsound = [opened(), joined(is_sound=False), *waiting[2:]]
    assert breaches(unsound) == []
    gone = [*waiting[:2], NodeLeft(at=0.5, node="n"), *waiting[2:]]
    assert breaches(gone) == []
    disturbed = [*waiting[:2], Disturbed(at=0.5, subject="n"), *waiting[2:]]
    assert breaches(disturbed) == []


def test_work_that_waits_for_a_full_node_is_not() -> None:
    waiting = [*crowd(2), opened(session="x"), *said(1.2, session="x"), *ticks(1.2, 9.0)]
    assert breaches(waiting) == []


def stalled_crowd() -> list[Event]:
    """Ten utterances at a full node, and a free one beside it."""
    events: list[Event] = [joined(capacity=10), joined(node="free")]
    for number in range(10):
        session = f"s{number}"
        events += [opened(session=session), *said(1.0, session=session)]
        events.append(heard(1.1, session=session))
    return events


def test_a_run_that_stands_still_is_caught() -> None:
    still = [*stalled_crowd(), *ticks(1.5, 7.0)]
    assert breaches(still) == ["progress: no outcome for 5.2 s while a node is free"]
    moving = [*stalled_crowd(), *ticks(1.5, 4.0), outcome(4.0, session="s0", reason="job_timeout")]
    assert breaches([*moving, *ticks(4.0, 8.5)]) == []


# ---- manners ----------------------------------------------------------------------------------


def test_complaints_and_refused_resumes_are_caught() -> None:
    assert breaches([Complaint(at=1.0, text="hears nonsense")]) == ["manners: hears nonsense"]
    early = ResumeRefused(at=13.0, session="s", away_seconds=1.5)
    late = ResumeRefused(at=19.0, session="s", away_seconds=6.5)
    assert breaches([opened(), late]) == []
    assert breaches([opened(), early]) == ["manners: s was away 1.5 s and is not known"]
    slow = [Disturbed(at=8.0, subject="*"), Undisturbed(at=9.0, subject="*")]
    assert breaches([opened(), *slow, early]) == []


def test_every_rule_is_seen_to_fail() -> None:
    """A rule without a story here would be a check that nobody has seen work."""
    stories = [events for events, _ in (*OUTCOMES.values(), *AUDIO.values(), *ATTEMPTS.values())]
    stories += [[opened(), joined(), *said(1.0), *said(1.1, 1), heard(1.2, index=1), heard(1.3)]]
    stories += [merged(heard(1.2, node="m"), heard(1.3, index=1))]
    stories += [crowd(3), [opened(), joined(), *said(1.0), *ticks(1.0, 22.0)]]
    stories += [[*stalled_crowd(), *ticks(1.5, 7.0)], [Complaint(at=1.0, text="")]]
    broken = {text.partition(":")[0] for events in stories for text in breaches(events)}
    assert broken == set(Oracle(LIMITS).rules)


def test_what_is_over_is_forgotten() -> None:
    oracle = Oracle(LIMITS)
    for event in [*whole_story(), *ticks(30.0, 200.0)]:
        oracle.take(event)
    for rule in oracle._rules:
        parts = [part for name, part in vars(rule).items() if name not in ("_calm", "_free")]
        assert not any("'s'" in str(part) for part in parts), parts
