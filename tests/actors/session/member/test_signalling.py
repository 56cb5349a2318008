"""Offers that cross, candidates that come too early: literal times."""

from hypothesis import given
from hypothesis import strategies as st

from actors.session.member.signalling import MAX_HELD, PATIENCE_MS, Exchange
from protocol.ids import SessionId
from protocol.messages.webrtc import WebrtcAnswer, WebrtcIce, WebrtcOffer, WebrtcSignal

A, B = SessionId("s-a"), SessionId("s-b")
HOLD_MS = 300


def exchange() -> Exchange:
    return Exchange(A, HOLD_MS)


def other(sender: SessionId) -> SessionId:
    return B if sender == A else A


def offer(sender: SessionId, mark: int = 0) -> WebrtcOffer:
    return WebrtcOffer(room_code="123456", to=other(sender), sdp={"sdp": f"offer {mark}"})


def answer(sender: SessionId) -> WebrtcAnswer:
    return WebrtcAnswer(room_code="123456", to=other(sender), sdp={"sdp": "answer"})


def ice(sender: SessionId, mark: int = 0) -> WebrtcIce:
    return WebrtcIce(room_code="123456", to=other(sender), candidate={"candidate": mark})


def call(pair: Exchange, caller: SessionId, at_ms: float = 0) -> None:
    """Let an offer be made that is passed on at this time."""
    assert pair.take(caller, offer(caller), at_ms - HOLD_MS) == []
    assert pair.poll(at_ms) == [(caller, offer(caller))]


def test_an_offer_waits_for_one_that_may_cross_it() -> None:
    for caller in (A, B):
        pair = exchange()
        assert pair.take(caller, offer(caller), 0) == []
        assert pair.deadline_ms == HOLD_MS
        assert pair.poll(HOLD_MS - 1) == []
        assert pair.poll(HOLD_MS) == [(caller, offer(caller))]
        assert pair.poll(HOLD_MS + 1) == []
        assert pair.deadline_ms is None


def test_of_crossing_offers_the_one_from_the_smaller_id_survives_whichever_comes_first() -> None:
    for first, second in ((A, B), (B, A)):
        pair = exchange()
        pair.take(first, offer(first), 0)
        assert pair.take(second, offer(second), 100) == []
        assert pair.poll(HOLD_MS + 99) == [], "the later one's browser needs its moment, too"
        assert pair.poll(HOLD_MS + 100) == [(A, offer(A))]
        assert pair.poll(10 * HOLD_MS) == []


def test_who_offers_again_while_its_offer_waits_replaces_it() -> None:
    pair = exchange()
    pair.take(A, offer(A, 1), 0)
    pair.take(A, offer(A, 2), 200)
    assert pair.poll(HOLD_MS) == [(A, offer(A, 2))]
    pair = exchange()
    pair.take(A, offer(A), 0)
    pair.take(B, offer(B, 1), 10)
    pair.take(B, offer(B, 2), 20)
    assert pair.poll(HOLD_MS + 20) == [(A, offer(A))]


def test_an_offer_that_was_passed_on_is_not_crossed_any_more() -> None:
    for caller in (A, B):
        pair = exchange()
        call(pair, caller)
        assert pair.take(other(caller), offer(other(caller)), 1) == []
        callee = other(caller)
        assert pair.take(callee, answer(callee), 2) == [(callee, answer(callee))]


def test_who_offers_again_before_the_answer_replaces_its_offer() -> None:
    pair = exchange()
    call(pair, A)
    assert pair.take(A, offer(A, 2), 10) == [(A, offer(A, 2))]


def test_an_offer_without_an_answer_stands_in_nobodys_way_for_ever() -> None:
    pair = exchange()
    call(pair, A)
    assert pair.take(B, offer(B, 1), PATIENCE_MS - 1) == []
    assert pair.take(B, offer(B, 2), PATIENCE_MS) == []
    assert pair.poll(PATIENCE_MS + HOLD_MS) == [(B, offer(B, 2))]


def test_candidates_of_both_wait_until_a_moment_after_the_answer_in_their_order() -> None:
    pair = exchange()
    call(pair, A)
    for number, sender in enumerate((A, B, A)):
        assert pair.take(sender, ice(sender, number), 10) == []
    assert pair.take(B, answer(B), 100) == [(B, answer(B))]
    assert pair.take(B, ice(B, 3), 399) == []
    assert pair.deadline_ms == 400
    assert pair.poll(399) == []
    assert pair.poll(400) == [(A, ice(A, 0)), (B, ice(B, 1)), (A, ice(A, 2)), (B, ice(B, 3))]
    assert pair.deadline_ms is None
    assert pair.take(A, ice(A, 4), 401) == [(A, ice(A, 4))]


def test_a_candidate_after_the_hold_brings_those_that_waited_before_it() -> None:
    pair = exchange()
    call(pair, A)
    pair.take(A, ice(A, 1), 0)
    pair.take(B, answer(B), 10)
    assert pair.take(A, ice(A, 2), 310) == [(A, ice(A, 1)), (A, ice(A, 2))]


def test_candidates_that_came_before_the_offer_are_kept() -> None:
    pair = exchange()
    pair.take(A, ice(A, 1), 0)
    pair.take(A, offer(A), 1)
    pair.take(B, ice(B, 2), 1)
    pair.poll(301)
    pair.take(B, answer(B), 302)
    assert pair.poll(602) == [(A, ice(A, 1)), (B, ice(B, 2))]


def test_a_link_may_be_made_again() -> None:
    pair = exchange()
    call(pair, A)
    pair.take(B, answer(B), 1)
    assert pair.take(B, offer(B, 2), 5000) == []
    assert pair.poll(5300) == [(B, offer(B, 2))]
    assert pair.take(A, ice(A), 5301) == []
    assert pair.take(A, answer(A), 5302) == [(A, answer(A))]
    assert pair.poll(5602) == [(A, ice(A))]


def test_an_answer_to_an_offer_of_ones_own_goes_nowhere() -> None:
    pair = exchange()
    call(pair, A)
    assert pair.take(A, answer(A), 1) == []


def test_a_link_that_nobody_answers_holds_nothing_for_ever() -> None:
    pair = exchange()
    for number in range(MAX_HELD + 50):
        pair.take(A, ice(A, number), 0)
    assert repr(pair) == f"<Exchange IDLE {MAX_HELD} candidates held>"
    assert pair.deadline_ms == PATIENCE_MS
    assert pair.poll(PATIENCE_MS) == []
    assert pair.deadline_ms is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from((A, B)),
            st.sampled_from((offer, answer, ice)),
            st.integers(0, 2000),
        ),
        max_size=40,
    )
)
def test_whatever_is_said_no_offer_crosses_another_and_nothing_is_passed_twice(
    said: list[tuple[SessionId, object, int]],
) -> None:
    pair, now_ms = exchange(), 0
    passed: list[tuple[SessionId, WebrtcSignal]] = []
    for number, (sender, make, wait_ms) in enumerate(said):
        now_ms += wait_ms
        signal = make(sender).model_copy(update={"room_code": str(number)})  # type: ignore[operator]
        passed += pair.take(sender, signal, now_ms)
    passed += pair.poll(now_ms + PATIENCE_MS)
    marks = [signal.room_code for _, signal in passed]
    assert len(marks) == len(set(marks))
    open_offer: SessionId | None = None
    last_ms = 0
    moments = {str(n): sum(w for *_, w in said[: n + 1]) for n in range(len(said))}
    for sender, signal in passed:
        if isinstance(signal, WebrtcAnswer):
            open_offer = None
        if isinstance(signal, WebrtcOffer):
            is_old = moments[signal.room_code] - last_ms > PATIENCE_MS - 2 * HOLD_MS
            assert open_offer in {None, sender} or is_old, "two offers crossed"
            open_offer, last_ms = sender, moments[signal.room_code]
