"""Whose jobs may wait for a node."""

from hypothesis import given
from hypothesis import strategies as st

from actors.ports import SocketJobs
from actors.waiting_jobs import WaitingJobs, WaitingShare
from protocol.ids import JobId


def add(share: WaitingShare, *numbers: int) -> None:
    for number in numbers:
        share.add(JobId(str(number)))


def test_an_owner_alone_may_fill_the_queue() -> None:
    share = WaitingJobs(max_jobs=8).share("flood", None)
    add(share, *range(8))
    assert share.limit is None


def test_an_owner_has_a_quarter_at_most_while_others_are_there() -> None:
    waiting = WaitingJobs(max_jobs=8)
    shares = [waiting.share("flood", None) for _ in range(2)]
    neighbour = waiting.share("other", None)
    add(shares[0], 0)
    assert [share.limit for share in shares] == [None, None]
    add(shares[1], 1)
    assert {share.limit for share in shares} == {"owners_share_of_queued_jobs"}
    assert neighbour.limit is None
    neighbour.drop()
    assert [share.limit for share in shares] == [None, None]


def test_many_who_flood_together_leave_a_place_for_who_speaks() -> None:
    waiting = WaitingJobs(max_jobs=100)
    crowd = [waiting.share(f"flood {number}", None) for number in range(50)]
    neighbour = waiting.share("other", None)
    for attempt in range(20):
        for number, share in enumerate(crowd):
            if share.limit is None:
                add(share, 100 * attempt + number)
    assert waiting.waiting <= 76
    assert {share.limit for share in crowd if share.holds} == {"equal_share_of_queued_jobs"}
    assert neighbour.limit is None


def test_what_nobody_serves_takes_half_of_the_places_at_most() -> None:
    waiting = WaitingJobs(max_jobs=8)
    crowd = [waiting.share(f"flood {number}", None) for number in range(8)]
    assert crowd[0].limit_of_unserved is None
    for number, share in enumerate(crowd):
        if share.limit_of_unserved is None:
            share.add(JobId(str(number)), is_unserved=True)
    assert waiting.waiting == waiting.unserved == 4
    assert crowd[0].limit_of_unserved == "unserved_share_of_queued_jobs"
    assert {share.limit for share in crowd} == {None}, "who is served finds a place"
    crowd[0].remove(JobId("0"))
    assert crowd[7].limit_of_unserved is None
    crowd[1].drop()
    assert (waiting.waiting, waiting.unserved) == (2, 2)


def test_who_is_alone_may_wait_for_nodes_of_any_kind() -> None:
    share = WaitingJobs(max_jobs=4).share("early", None)
    for number in range(4):
        share.add(JobId(str(number)), is_unserved=True)
    assert share.limit_of_unserved is None


def test_a_job_that_runs_takes_no_place() -> None:
    waiting = WaitingJobs(max_jobs=4)
    share, _other = waiting.share("flood", None), waiting.share("other", None)
    add(share, 1, 1)
    assert share.limit == "owners_share_of_queued_jobs"
    share.remove(JobId("1"))
    share.remove(JobId("1"))
    assert share.limit is None


def test_nobodys_sessions_share_no_quarter() -> None:
    waiting = WaitingJobs(max_jobs=4)
    share, _other = waiting.share("", None), waiting.share("other", None)
    add(share, *range(4))
    assert share.limit is None


def test_jobs_of_closed_sessions_count_on_the_socket_that_opened_them() -> None:
    waiting, socket = WaitingJobs(max_per_socket=3), SocketJobs()
    closed, now = waiting.share("a", socket), waiting.share("a", socket)
    elsewhere = waiting.share("a", SocketJobs())
    add(closed, 1, 2)
    add(now, 3)
    assert now.limit == "sockets_share_of_queued_jobs"
    assert elsewhere.limit is None
    closed.drop()
    assert now.limit is None


def test_what_one_session_may_have_is_for_the_queue_to_say() -> None:
    share = WaitingJobs(max_per_socket=3).share("a", SocketJobs())
    add(share, *range(9))
    assert share.limit is None


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "drop"]), st.integers(0, 5), st.integers(0, 9)),
    max_size=100,
)


@given(STEPS)
def test_after_anything_the_answer_is_that_of_counting_all_jobs(
    steps: list[tuple[str, int, int]],
) -> None:
    waiting, sockets = WaitingJobs(max_jobs=12, max_per_socket=4), [SocketJobs() for _ in range(3)]
    owners = ["a", "a", "a", "b", "", "c"]
    places = [0, 0, 1, 1, 2, 2]
    shares = [
        waiting.share(owner, sockets[place]) for owner, place in zip(owners, places, strict=True)
    ]
    jobs: list[set[int]] = [set() for _ in owners]
    over: set[int] = set()
    for step, which, number in steps:
        if step == "drop":
            shares[which].drop()
            jobs[which].clear()
            over.add(which)
        elif step == "add":
            add(shares[which], number)
            jobs[which] |= set() if which in over else {number}
        else:
            shares[which].remove(JobId(str(number)))
            jobs[which].discard(number)
        for one in {*range(6)} - over:
            like = [i for i in range(6) if owners[i] == owners[one]]
            of_owner = sum(len(jobs[i]) for i in like)
            on_socket = sum(len(jobs[i]) for i in range(6) if places[i] == places[one])
            are_others = any(i not in over and owners[i] != owners[one] for i in range(6))
            expected = None
            if owners[one] and are_others and of_owner >= 3:
                expected = "owners_share_of_queued_jobs"
            if on_socket > len(jobs[one]) and on_socket >= 4:
                expected = "sockets_share_of_queued_jobs"
            assert shares[one].limit == expected
    for share in shares:
        share.drop()
    assert waiting.owners == {}
    assert [socket.waiting for socket in sockets] == [0, 0, 0]
