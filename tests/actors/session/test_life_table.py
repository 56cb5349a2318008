"""The table of a session's life: what may happen in which phase."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.session.life import TABLE, Event, Life, Phase, Refusal


def life_in(phase: Phase) -> Life:
    return Life(phase)


def test_every_phase_has_its_row() -> None:
    assert TABLE.keys() == set(Phase)


def test_only_an_open_session_takes_what_its_client_asks() -> None:
    taking = {phase for phase in Phase if life_in(phase).take(Event.ASK)}
    assert taking == {phase for phase in Phase if life_in(phase).is_open}
    assert taking == {Phase.ACTIVE, Phase.DETACHED}


def test_a_session_that_is_over_stays_so() -> None:
    assert {TABLE[Phase.OVER][event] for event in TABLE[Phase.OVER]} == {
        Phase.OVER,
        Refusal.ENDING,
    }


def test_what_cannot_happen_is_a_bug() -> None:
    with pytest.raises(LookupError, match="FINISH cannot happen to a session that is ACTIVE"):
        life_in(Phase.ACTIVE).take(Event.FINISH)


def test_a_phase_that_goes_on_keeps_its_end() -> None:
    life = life_in(Phase.DETACHED)
    life.ends_ms = 5.0
    assert life.take(Event.LOSE_SOCKET)
    assert life.ends_ms == 5.0
    assert life.take(Event.ATTACH)
    assert life.ends_ms is None


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_nobody_comes_back_from_the_end(events: list[Event]) -> None:
    life, order = Life(), {Phase.ACTIVE: 0, Phase.DETACHED: 0}
    for event in events:
        before = order.get(life.phase, 1)
        if event in TABLE[life.phase]:
            life.take(event)
        assert order.get(life.phase, 1) >= before
