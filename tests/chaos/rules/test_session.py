"""What the rules about sessions and their audio find."""

import pytest

from tests.chaos.log import (
    SessionAbandoned,
    SessionResumed,
    SpeechBegan,
)
from tests.chaos.rules.stories import (
    AUDIO,
    HALF,
    OUT_OF_ORDER,
    OUTCOMES,
    SPEECH,
    breaches,
    ended,
    heard,
    joined,
    opened,
    outcome,
    story_with,
    whole_story,
)


def test_a_good_run_has_no_breach() -> None:
    assert breaches(whole_story()) == []


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
