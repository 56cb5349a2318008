"""Which session that waits for its client ends first."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from actors.session.presence.detached import DetachedQueue, Waiter
from protocol.ids import SessionId


def ending(most: int, *waiters: Waiter) -> list[int]:
    """Return which ones end when these come to wait, one after the other."""
    queue, ended = DetachedQueue(most), []
    for index, waiter in enumerate(waiters):
        queue.add(SessionId(str(index)), waiter)
        excess = queue.take_excess()
        if excess is not None:
            ended.append(int(excess))
    return ended


SILENT = Waiter(has_spoken=False)
SPOKE = Waiter()
RESUMABLE = Waiter(is_resumable=True)


def test_nobody_ends_while_there_is_room() -> None:
    assert ending(3, SPOKE, SILENT, RESUMABLE) == []


def test_who_never_spoke_ends_before_who_did_whatever_it_asked_for() -> None:
    assert ending(2, SPOKE, RESUMABLE, SILENT) == [2]
    assert ending(2, SPOKE, Waiter(has_spoken=False, is_resumable=True), SPOKE) == [1]


def test_who_cannot_resume_ends_before_who_can() -> None:
    assert ending(2, RESUMABLE, SPOKE, RESUMABLE) == [1]


def test_among_equals_the_longest_waiting_ends() -> None:
    assert ending(2, SPOKE, SPOKE, SPOKE, SPOKE) == [0, 1]


def test_of_gateways_those_end_first_that_have_had_an_outcome() -> None:
    waits, answered = Waiter(is_gateway=True), Waiter(is_gateway=True, is_answered=True)
    assert ending(2, waits, answered, waits) == [1]
    queue = DetachedQueue(1)
    queue.add(SessionId("a"), waits)
    queue.add(SessionId("b"), waits)
    queue.answered(SessionId("b"))
    assert queue.take_excess() == "b"


def test_an_owner_above_its_share_loses_its_own_before_anybody_else_does() -> None:
    flood, other = Waiter(owner="flood", is_resumable=True), Waiter(owner="o", has_spoken=False)
    assert ending(4, other, flood, flood, flood, flood, flood) == [1, 2]


def test_one_that_is_back_waits_no_longer_and_begins_again_when_it_is_lost() -> None:
    queue = DetachedQueue(2)
    for name in ("a", "b"):
        queue.add(SessionId(name), SPOKE)
    queue.remove(SessionId("a"))
    queue.add(SessionId("a"), SPOKE)
    queue.add(SessionId("c"), SPOKE)
    assert queue.take_excess() == "b"
    assert queue.take_excess() is None


WAITERS = st.builds(
    Waiter, st.sampled_from(["", "a", "b", "c"]), st.booleans(), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "remove", "answer"]), st.integers(0, 30), WAITERS
    ),
    max_size=200,
)


@given(st.integers(1, 12), STEPS)
def test_whatever_happens_it_is_the_one_that_an_exhaustive_look_finds(
    most: int, steps: list[tuple[str, int, Waiter]]
) -> None:
    queue, numbers = DetachedQueue(most), count()
    known: dict[SessionId, tuple[int, Waiter]] = {}
    for step, number, waiter in steps:
        name = SessionId(str(number))
        if step == "add":
            queue.add(name, waiter)
            known[name] = next(numbers), waiter
        elif step == "remove":
            queue.remove(name)
            known.pop(name, None)
        elif name in known:
            queue.answered(name)
            since, was = known[name]
            known[name] = (
                since,
                Waiter(
                    was.owner, was.has_spoken, was.is_resumable, was.is_gateway, is_answered=True
                ),
            )
        expected = None
        if len(known) > most:
            owners = [one.owner for _since, one in known.values()]
            expected = min(
                known,
                key=lambda one: (
                    not known[one][1].owner or owners.count(known[one][1].owner) * 4 <= most,
                    known[one][1].rank,
                    known[one][0],
                ),
            )
            del known[expected]
        assert queue.take_excess() == expected
        assert len(queue) == len(known) <= most


def test_what_is_kept_does_not_grow_with_comings_and_goings() -> None:
    queue = DetachedQueue(10)
    for _ in range(2_000):
        queue.add(SessionId("a"), SPOKE)
        queue.remove(SessionId("a"))
    queue.add(SessionId("a"), SPOKE)
    kept = len(queue._all.heap) + sum(len(one.heap) for one in queue._owners.values())
    assert kept < 200
