"""The oracle of chaos runs: a check that cannot fail is none, so each is shown to fail."""

from tests.chaos.log import (
    EVERYBODY,
    Complaint,
    Disturbed,
    ResumeRefused,
    TurnedAway,
    Undisturbed,
)
from tests.chaos.rules.oracle import Oracle
from tests.chaos.rules.stories import (
    ATTEMPTS,
    AUDIO,
    LIMITS,
    OUTCOMES,
    breaches,
    crowd,
    heard,
    joined,
    merged,
    opened,
    said,
    stalled_crowd,
    ticks,
    whole_story,
)


def test_complaints_and_refused_resumes_are_caught() -> None:
    assert breaches([Complaint(at=1.0, text="hears nonsense")]) == ["manners: hears nonsense"]
    early = ResumeRefused(at=13.0, session="s", away_seconds=1.5)
    late = ResumeRefused(at=19.0, session="s", away_seconds=6.5)
    assert breaches([opened(), late]) == []
    assert breaches([opened(), early]) == ["manners: s was away 1.5 s and is not known"]
    slow = [Disturbed(at=8.0, subject="*"), Undisturbed(at=9.0, subject="*")]
    assert breaches([opened(), *slow, early]) == []


def test_who_is_turned_away_for_no_reason_is_noticed() -> None:
    away = TurnedAway(at=30.0, text="s hears come back later")
    assert breaches([away]) == ["manners: s hears come back later"]
    trouble = Disturbed(at=25.0, subject=EVERYBODY)
    assert breaches([trouble, away]) == []
    assert breaches([trouble, Undisturbed(at=28.0, subject=EVERYBODY), away]) == []


def test_every_rule_is_seen_to_fail() -> None:
    """A rule without a story here would be a check that nobody has seen work."""
    stories = [events for events, _ in (*OUTCOMES.values(), *AUDIO.values(), *ATTEMPTS.values())]
    backwards = [heard(1.2, index=1, turn="turn"), heard(1.3, turn="turn")]
    stories += [[opened(), joined(), *said(1.0), *said(1.1, 1), *backwards]]
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
