"""What is kept of delivered outcomes. An outcome here is its text and its speech."""

from actors.session.downlink.sent_outcomes import SentOutcomes
from actors.session.downlink.sequencer import Delivery

Said = tuple[str, bytes]


def buffer(max_outcomes: int = 10, max_bytes: int = 1000) -> SentOutcomes[str, Said]:
    return SentOutcomes(max_outcomes, max_bytes, without_speech=lambda said: (said[0], b""))


def remember(kept: SentOutcomes[str, Said], seq: int, text: str, speech: int = 0) -> None:
    delivery = Delivery(f"key-{seq}", (text, b"s" * speech), seq, late=False)
    kept.remember(delivery, text_bytes=len(text), speech_bytes=speech)


def spoken(kept: SentOutcomes[str, Said]) -> list[tuple[int, bool]]:
    return [(item.delivery_seq, bool(item.outcome[1])) for item in kept.since(0)]


def test_everything_after_a_delivery_comes_again_in_order() -> None:
    kept = buffer()
    for seq in (1, 2, 3, 4):
        remember(kept, seq, "text", 10)
    assert [item.delivery_seq for item in kept.since(2)] == [3, 4]
    assert kept.since(4) == []
    assert kept.since(0)[0] == Delivery("key-1", ("text", b"s" * 10), 1, late=False)


def test_the_outcome_of_a_key_is_found() -> None:
    kept = buffer()
    remember(kept, 1, "one")
    assert [text for text, _ in kept.those("key-1".__eq__)] == ["one"]
    assert kept.those("key-2".__eq__) == []


def test_what_the_recipient_has_is_forgotten() -> None:
    kept = buffer()
    for seq in (1, 2, 3):
        remember(kept, seq, "text", 10)
    assert kept.free(2) == 2
    assert kept.free(2) == 0
    assert [item.delivery_seq for item in kept.since(0)] == [3]
    assert kept.those("key-2".__eq__) == []
    assert kept.held_bytes == 14
    assert kept.free(9) == 1
    assert kept.held_bytes == 0


def test_only_so_many_outcomes_are_kept() -> None:
    kept = buffer(max_outcomes=2)
    for seq in (1, 2, 3):
        remember(kept, seq, "text", 10)
    assert [item.delivery_seq for item in kept.since(0)] == [2, 3]
    assert kept.held_bytes == 28


def test_speech_goes_before_text_and_the_oldest_first() -> None:
    kept = buffer(max_bytes=100)
    remember(kept, 1, "x" * 10, 40)
    remember(kept, 2, "x" * 10)
    remember(kept, 3, "x" * 10, 40)
    assert spoken(kept) == [(1, False), (2, False), (3, True)]
    assert kept.held_bytes == 70


def test_text_goes_when_no_speech_is_left() -> None:
    kept = buffer(max_bytes=100)
    remember(kept, 1, "x" * 40, 30)
    remember(kept, 2, "x" * 40, 30)
    remember(kept, 3, "x" * 40, 30)
    assert spoken(kept) == [(2, False), (3, False)]
    assert kept.held_bytes == 80


def test_an_outcome_too_large_for_the_buffer_is_not_kept() -> None:
    kept = buffer(max_bytes=100)
    remember(kept, 1, "x" * 101)
    assert (len(kept), kept.held_bytes) == (0, 0)
    remember(kept, 2, "x" * 10, 1000)
    assert spoken(kept) == [(2, False)]


def test_a_buffer_of_no_size_keeps_nothing() -> None:
    kept = buffer(max_outcomes=0)
    remember(kept, 1, "x", 1)
    assert (len(kept), kept.held_bytes) == (0, 0)


def test_it_shows_its_state() -> None:
    kept = buffer()
    remember(kept, 1, "text", 10)
    assert repr(kept) == "<SentOutcomes 1 outcomes, 1 with speech, 14 bytes>"
