"""What was delivered to a recipient, kept so that it can be delivered again.

A client that resumes asks for everything after the last delivery it saw; a repeated request asks
for the outcome of one key. Bounded in number and bytes, and speech goes before text: words
without their voice are worth more than no words. Pure. Must not: know what an outcome is.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from actors.session.downlink.sequencer import Delivery

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Remembered(Generic[K, T]):
    """A delivery that can be repeated, with its `delivery_seq`."""

    __slots__ = ("delivery", "speech_bytes", "text_bytes")

    def __init__(self, delivery: Delivery[K, T], text_bytes: int, speech_bytes: int) -> None:
        self.delivery = delivery
        self.text_bytes = text_bytes
        """Size of everything but the speech."""
        self.speech_bytes = speech_bytes
        """Size of the speech still in the outcome; 0 when there was none or it was dropped."""


class SentOutcomes(Generic[K, T]):
    """The latest deliveries to one recipient, oldest first.

    `without_speech` returns an outcome as it is replayed once its speech was dropped. The queues
    are lists: some hundred entries move in no time, and an empty deque takes 0.6 kB.
    """

    __slots__ = (
        "_deliveries",
        "_held_bytes",
        "_max_bytes",
        "_max_outcomes",
        "_spoken",
        "_without_speech",
    )

    def __init__(self, max_outcomes: int, max_bytes: int, without_speech: Callable[[T], T]) -> None:
        self._max_outcomes = max_outcomes
        self._max_bytes = max_bytes
        self._without_speech = without_speech
        self._held_bytes = 0
        self._deliveries: list[Remembered[K, T]] = []
        self._spoken: list[Remembered[K, T]] = []
        """Those whose speech is still here."""

    def __repr__(self) -> str:
        return (
            f"<SentOutcomes {len(self._deliveries)} outcomes, {len(self._spoken)} with speech, "
            f"{self._held_bytes} bytes>"
        )

    def __len__(self) -> int:
        """Return how many outcomes are remembered."""
        return len(self._deliveries)

    @property
    def held_bytes(self) -> int:
        """Bytes of the remembered outcomes."""
        return self._held_bytes

    def remember(self, delivery: Delivery[K, T], text_bytes: int, speech_bytes: int) -> None:
        """Keep a delivery, made after all others kept; make room for it."""
        kept = Remembered(delivery, text_bytes, speech_bytes)
        self._deliveries.append(kept)
        self._held_bytes += text_bytes + speech_bytes
        if speech_bytes:
            self._spoken.append(kept)
        while len(self._deliveries) > self._max_outcomes:
            self._forget_oldest()
        while self._held_bytes > self._max_bytes and self._spoken:
            self._silence_oldest()
        while self._held_bytes > self._max_bytes:
            self._forget_oldest()

    def since(self, last_delivery_seq: int) -> list[Delivery[K, T]]:
        """Return what was delivered after this one, in order, as far as it is remembered."""
        return [
            kept.delivery
            for kept in self._deliveries
            if kept.delivery.delivery_seq > last_delivery_seq
        ]

    def those(self, is_wanted: Callable[[K], bool]) -> list[T]:
        """Return the outcomes of these keys, as far as they are remembered, in order."""
        found = (kept.delivery for kept in self._deliveries)
        return [one.outcome for one in found if is_wanted(one.key)]

    def free(self, up_to_seq: int) -> int:
        """Forget what the recipient has (this delivery and all before); return how many."""
        freed = 0
        while self._deliveries and self._deliveries[0].delivery.delivery_seq <= up_to_seq:
            self._forget_oldest()
            freed += 1
        return freed

    def _forget_oldest(self) -> None:
        kept = self._deliveries.pop(0)
        self._held_bytes -= kept.text_bytes + kept.speech_bytes
        if self._spoken and self._spoken[0] is kept:
            self._spoken.pop(0)

    def _silence_oldest(self) -> None:
        kept = self._spoken.pop(0)
        before = kept.delivery
        kept.delivery = Delivery(
            before.key, self._without_speech(before.outcome), before.delivery_seq, before.late
        )
        self._held_bytes -= kept.speech_bytes
        kept.speech_bytes = 0
