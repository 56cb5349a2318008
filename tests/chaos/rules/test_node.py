"""What the rules about nodes, attempts and merged words find."""

import pytest

from tests.chaos.log import (
    Answer,
    DataLost,
    Disturbed,
    Event,
    JobWithdrawn,
    Undisturbed,
)
from tests.chaos.rules.stories import (
    ATTEMPTS,
    FIRST,
    answered,
    breaches,
    crowd,
    heard,
    joined,
    merged,
    opened,
    outcome,
    said,
    story_with,
)


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


def test_a_node_that_hears_a_turn_out_of_order_is_caught() -> None:
    words = [opened(), joined(), *said(1.0), *said(1.1, 1)]
    last = heard(1.2, index=1, turn="turn")
    assert breaches([*words, last, heard(1.3, turn="turn")]) == [
        "order: n gets s:0 of a turn after 1"
    ]
    assert breaches([*words, last, heard(1.3)]) == []
    assert breaches([*words, last, heard(1.3, node="m", turn="turn")]) == []
    further = [
        heard(1.2, index=1, attempt=2, turn="turn~2"),
        heard(1.3, attempt=2, turn="turn~2"),
    ]
    assert "order: n gets s~2:0 of a turn after 1" in breaches([*words, *further])
    assert breaches([*words, last, heard(1.3, attempt=2, turn="turn~2")]) == []
    late = heard(1.3, on_former_socket=True, turn="turn")
    assert breaches([*words, last, late]) == []


def test_a_store_that_lost_its_data_may_choose_another_node() -> None:
    words = [opened(), joined(), *said(1.0), heard(1.2), DataLost(at=1.3)]
    assert breaches([*words, heard(1.4, node="m")]) == []
    assert any("a second time" in text for text in breaches([*words, heard(1.4)]))


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
