"""How much audio the process holds, and whose turn it is to be refused."""

from hypothesis import given
from hypothesis import strategies as st

from actors.held_audio import HeldAudio, HeldShare


def test_held_audio_returns_to_zero() -> None:
    held = HeldAudio(max_bytes=100)
    share = held.share("")
    share.hold(60, 1)
    share.hold(100, 2)
    assert (held.held_bytes, held.utterances) == (100, 2)
    share.hold(0, 0)
    assert (held.held_bytes, held.utterances) == (0, 0)


def test_bytes_beyond_the_bound_are_counted_too() -> None:
    held = HeldAudio(max_bytes=100)
    share = held.share("")
    share.hold(101, 0)
    assert share.limit is not None
    assert held.held_bytes == 101
    share.hold(100, 0)
    assert share.limit is None


def test_it_shows_its_state() -> None:
    held = HeldAudio(max_bytes=100, max_utterances=9)
    held.share("").hold(3, 2)
    assert repr(held) == "<HeldAudio 3 of 100 bytes, 2 of 9 utterances>"


# ---- shares ---------------------------------------------------------------------------------


def holding(held: HeldAudio, size_bytes: int, owner: str = "") -> HeldShare:
    share = held.share(owner)
    share.hold(size_bytes, 0)
    return share


def test_a_session_has_a_bound_of_its_own() -> None:
    held = HeldAudio(1000, per_session_bytes=100)
    share = holding(held, 100)
    assert share.limit is None
    share.hold(101, 0)
    assert share.limit == "max_held_audio_per_session"
    assert holding(held, 50).limit is None


def test_an_owner_holds_a_quarter_at_most_while_others_are_there() -> None:
    held = HeldAudio(1000)
    shares = [holding(held, 100, "flood") for _ in range(5)]
    assert [share.limit for share in shares] == [None] * 5
    other = holding(held, 100, "other")
    assert {share.limit for share in shares} == {"owners_share_of_held_audio"}
    assert other.limit is None
    other.hold(0, 0)
    assert shares[0].limit is None


def test_nobodys_sessions_share_no_quarter() -> None:
    held = HeldAudio(1000)
    shares = [holding(held, 100) for _ in range(5)]
    holding(held, 100, "other")
    assert {share.limit for share in shares} == {None}


def test_who_floods_does_not_silence_a_neighbour_that_holds_little() -> None:
    held = HeldAudio(100_000)
    flooders = [holding(held, 1_000) for _ in range(120)]
    neighbour = holding(held, 32)
    assert neighbour.limit is None
    assert {share.limit for share in flooders} == {"max_held_audio_bytes"}


def test_too_many_utterances_are_refused_whoever_opened_them() -> None:
    held = HeldAudio(1000, max_utterances=1)
    share = held.share("one")
    share.hold(0, 2)
    assert held.share("other").limit == "max_open_utterances"


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-300, 500)), max_size=60))
def test_the_sums_are_right_after_anything(steps: list[tuple[int, int]]) -> None:
    held = HeldAudio(1_000)
    shares = [held.share(owner) for owner in ("a", "a", "b", "", "c")]
    own = [0] * 5
    for which, wanted in steps:
        change = max(wanted, -own[which])
        own[which] += change
        shares[which].hold(own[which], 0)
        assert held.held_bytes == sum(own)
        assert held.holders == sum(map(bool, own))
        by_owner = {"a": own[0] + own[1], "b": own[2], "": own[3], "c": own[4]}
        assert held.owners == {owner: size for owner, size in by_owner.items() if size}
