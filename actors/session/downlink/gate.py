"""OutcomeGate: outcomes that the client may hear only once the store knows of them. Pure.

Another instance could not know by itself of exceptions from the order of cuts, nor of what other
members of the room spoke. Neither is sent before the store has it, so that no `delivery_seq` ever
stands for two things. Made for a session that can be resumed; others need none.
"""

from collections.abc import Iterable
from typing import Protocol

from actors.session.downlink.outcome import (
    MemberUtterance,
    Sayable,
    WireOutcome,
    without_speech,
)
from actors.session.downlink.sequencer import Delivery
from actors.session.record.saved import DeliveryOrder
from protocol.beginning import OUTCOME_MAX_BYTES, beginnings
from protocol.codec import encode_utf8
from protocol.ids import RequestId
from protocol.messages.session_outbound import TranslationResult
from protocol.wire import WireMessage
from storage.sessions import HeardEntry

_GATE_MS = 500.0
"""How long outcomes wait for the store to know of them."""


class OutcomeRecorder(Protocol):
    """Numbers what a client hears, and learns what it has heard."""

    def next_number(self) -> int:
        """Return the number of what the client hears next in order."""

    def answered(self, key: RequestId) -> None:
        """An outcome was delivered, and is kept until its client has it."""


class OutcomeGate:
    """The numbers of what is expected, and what is not sent before it is stored."""

    __slots__ = ("_held", "_numbers", "_recorder", "ends_ms", "heard", "is_restoring", "order",
                 "restored_late", "wants_note")  # fmt: skip

    def __init__(self, recorder: OutcomeRecorder) -> None:
        self.order = DeliveryOrder()
        """Exceptions from the order of cuts, for another instance."""
        self.wants_note = False
        """Something is to be stored before it is sent."""
        self.heard: list[HeardEntry] = []
        """Utterances of other members that the next note tells of."""
        self.ends_ms: float | None = None
        """While it is shut: when it opens, whatever the store has (monotonic ms)."""
        self.restored_late: set[int] = set()
        """What was sent late before, in its own language, by number."""
        self.is_restoring = False
        """What is delivered comes from the store: it need not be stored again."""
        self._recorder = recorder
        self._numbers: dict[RequestId, int] = {}
        """The places of what is expected among all that the client hears."""
        self._held: list[WireMessage] = []

    @property
    def is_holding(self) -> bool:
        """Whether something waits for the store."""
        return bool(self._held)

    def expect(self, key: RequestId, number: int) -> None:
        """Expect an outcome that has a number."""
        self._numbers[key] = number

    def expect_heard(self, key: RequestId) -> None:
        """Number what another member says among the cuts: both go out in that order."""
        self._numbers[key] = self._recorder.next_number()

    def number_of(self, key: RequestId) -> int | None:
        """Return the number of what is expected; None: it was delivered."""
        return self._numbers.get(key)

    def take_heard(self) -> tuple[HeardEntry, ...]:
        """Return, once, the utterances of others that a note has to tell of."""
        heard, self.heard = tuple(self.heard), []
        return heard

    def note_again(self, heard: Iterable[HeardEntry]) -> None:
        """A note was lost: the next one says it as well."""
        self.heard[:0] = heard
        self.wants_note = self.wants_note or bool(self.heard)

    # ---- deliveries -------------------------------------------------------------------------

    def on_order(
        self,
        deliveries: list[Delivery[RequestId, Sayable]],
        passed: list[RequestId],
        now_ms: float,
    ) -> None:
        """Shut for another order than that of the cuts, and for utterances of other members.

        Should the store be away, they are sent all the same after a moment.
        """
        for key in passed:
            self.order.pass_over(self._numbers[key])
        is_exception = bool(passed)
        sent: set[RequestId] = set()
        for delivery in deliveries:
            number = self._numbers[delivery.key]
            for key, earlier in self._numbers.items():
                if key == delivery.key:
                    break
                if earlier < number and key not in sent and earlier not in self.order.passed:
                    self.order.cross(earlier)
                    is_exception = True
            sent.add(delivery.key)
            if number in self.order.passed:
                self.order.deliver_late(number, delivery.delivery_seq)
                is_exception = True
            if isinstance(delivery.outcome, MemberUtterance):
                is_exception = is_exception or not self.is_restoring
            else:
                del self._numbers[delivery.key]
        if is_exception:
            self.shut(now_ms)

    def shut(self, now_ms: float) -> None:
        """Send nothing before the store has a note, or a moment has passed."""
        self.wants_note = True
        self.ends_ms = now_ms + _GATE_MS

    def on_heard(self, key: RequestId, message: WireOutcome) -> None:
        """Note what the client hears of another member."""
        number = self._numbers.pop(key)
        if not self.is_restoring:
            if isinstance(message, TranslationResult) and message.tts_audio:
                message = without_speech(message)
            text = encode_utf8(_kept(message)).decode()
            self.heard.append(HeardEntry(number, key, message.utterance_index, text))

    def answered(self, key: RequestId) -> None:
        """An outcome is kept for a resume: its audio need not come again."""
        self._recorder.answered(key)

    def holds_back(self, message: WireMessage) -> bool:
        """Keep a message while the gate is shut; False: it is open."""
        if self.ends_ms is None:
            return False
        self._held.append(message)
        return True

    def open(self) -> list[WireMessage]:
        """Return what waited for its exception to be stored."""
        self.ends_ms = None
        held, self._held = self._held, []
        return held

    def drop_held(self) -> None:
        """The client is gone: it hears what waited by a replay."""
        self._held.clear()


def _kept(message: WireOutcome) -> WireOutcome:
    """Return what is kept of a message without speech: all, or the beginning of its texts."""
    if not isinstance(message, TranslationResult):
        return message
    texts = {"text_asr": message.text_asr, "text_translated": message.text_translated}
    kept = beginnings(texts, OUTCOME_MAX_BYTES)
    return message if kept == texts else message.model_copy(update={**kept, "truncated": True})
