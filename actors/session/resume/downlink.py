"""DownlinkRestore: what of a session's downlink outlives its instance.

It says what another instance could not know by itself: exceptions from the order of cuts, and what
others said in the room. Neither is sent before the store has it, so that no number ever stands for
two things. And it goes on where another instance stopped. Must not: decide what is delivered.
"""

from collections.abc import Callable, Iterable
from typing import Any

from actors.session.downlink.downlink import Downlink
from actors.session.downlink.outcome import (
    MemberUtterance,
    Sayable,
    WireOutcome,
    known_outcome,
    without_speech,
)
from actors.session.downlink.sequencer import Delivery
from actors.session.record.moved import KnownHeard, KnownOutcome, TakenOverSession
from actors.session.record.saved_room import HeardRecord
from actors.session.utterances import Utterance
from protocol.codec import encode_utf8
from protocol.ids import RequestId
from protocol.session_outbound import MissingResult, TranslationResult
from storage.sessions import HeardEntry

_GATE_MS = 500.0
"""How long outcomes wait for the store to know of them."""


class DownlinkRestore(Downlink):
    """The downlink of a session that may have begun elsewhere, and may go on elsewhere."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.wants_note = False
        """Something is to be stored before it is sent."""
        self.heard: list[HeardEntry] = []
        """Words of others that the next note tells of."""
        self.next_number: Callable[[], int] = lambda: 0
        """Numbers what others say among the cuts: both go out in the order of these numbers."""
        self._is_restoring = False

    def expect_heard(self, key: RequestId) -> None:
        """Give what another member said its place, and its number, among all that is heard."""
        super().expect_heard(key)
        if self._on_delivered is not None:
            self._numbers[key] = self.next_number()

    def number_of(self, key: RequestId) -> int | None:
        """Return the number of what is expected; None: it was delivered."""
        return self._numbers.get(key)

    def note_again(self, heard: Iterable[HeardEntry]) -> None:
        """A note was lost: the next one says it as well."""
        self.heard[:0] = heard
        self.wants_note = self.wants_note or bool(self.heard)

    # ---- before it is heard -----------------------------------------------------------------

    def _on_order(self, deliveries: list[Delivery[RequestId, Sayable]], now_ms: float) -> None:
        """Another order than that of the cuts, and words of others, are stored before that.

        Should the store be away, they are sent all the same after a moment.
        """
        if self._on_delivered is None:
            return
        passed = self._sequencer.take_passed()
        for key in passed:
            self.order.pass_over(self._numbers[key])
        has_heard = False
        for delivery in deliveries:
            if delivery.late:
                self.order.deliver_late(self._numbers[delivery.key], delivery.delivery_seq)
            if isinstance(delivery.outcome, MemberUtterance):
                has_heard = not self._is_restoring
            else:
                del self._numbers[delivery.key]
        if passed or has_heard or any(delivery.late for delivery in deliveries):
            self.wants_note = True
            self._gate_ends_ms = now_ms + _GATE_MS

    def _on_heard_sent(self, key: RequestId, message: WireOutcome) -> None:
        if self._on_delivered is None:
            return
        number = self._numbers.pop(key)
        if not self._is_restoring:
            if isinstance(message, TranslationResult) and message.tts_audio:
                message = without_speech(message)
            text = encode_utf8(message).decode()
            self.heard.append(HeardEntry(number, key, message.utterance_index, text))

    # ---- from another instance --------------------------------------------------------------

    def restore(self, moved: TakenOverSession, opened: dict[int, Utterance], now_ms: float) -> None:
        """Begin where another instance ended.

        What was delivered there, and what can be, is remembered for the replay that follows.
        """
        self._is_restoring = True
        self.order = moved.order
        open_heard = moved.open_heard()
        self._pass_over_lost(moved, {*moved.outcomes, *moved.words, *opened, *open_heard})
        sequence = self.order.sequence(moved.count)
        is_waiting = False
        for number, seq in sequence.items():
            known = moved.outcomes.get(number) or _told(moved, number)
            expected = opened.get(number) or open_heard.get(number)
            if known is None and expected is None:
                continue  # too long ago, or told without a record: the client has heard it
            if not is_waiting:
                self._sequencer.go_on(seq)
            is_waiting = is_waiting or known is None
            if known is not None:
                self._restore_known(moved, known, number, now_ms)
            elif isinstance(expected, HeardRecord):
                self._sequencer.expect(expected.key)
                self._numbers[expected.key] = number
            elif expected is not None:
                self.expect(expected)
        if not is_waiting:
            self._sequencer.go_on(max([moved.last_delivery_seq, *sequence.values()]) + 1)
        for number in sorted(self.order.passed):
            known = moved.outcomes.get(number) or _told(moved, number)
            expected = opened.get(number) or open_heard.get(number)
            if isinstance(expected, HeardRecord):
                self._expect_heard_late(expected.key, number)
            elif expected is not None:
                self._expect_late(expected)
            elif known is not None:
                self._restore_known(moved, known, number, now_ms, is_passed=True)
        self._is_restoring = False

    def _pass_over_lost(self, moved: TakenOverSession, known: set[int]) -> None:
        """Leave no gap where something was lost with its place: words of others are told again."""
        for number, seq in self.order.sequence(moved.count).items():
            if number not in known and seq > moved.last_delivery_seq:
                self.order.pass_over(number)

    def _restore_known(
        self,
        moved: TakenOverSession,
        known: KnownOutcome | KnownHeard,
        number: int,
        now_ms: float,
        *,
        is_passed: bool = False,
    ) -> None:
        """Deliver an outcome that is recorded; its speech is gone."""
        said: Sayable
        if isinstance(known, KnownHeard):
            key, said = known.key, MemberUtterance(_as_told(known.said or {}))
            if is_passed:
                self._expect_heard_late(key, number)
            else:
                self._sequencer.expect(key)
                self._numbers[key] = number
        else:
            said = known_outcome(moved.profile, moved.epoch, known)
            key = said.utterance.spec.request_id
            if is_passed:
                self._expect_late(said.utterance)
            else:
                self.expect(said.utterance)
        self._deliver(self._sequencer.ready(key, said, now_ms) or [], now_ms)

    def _expect_late(self, utterance: Utterance) -> None:
        """Expect an utterance that later ones went out before, elsewhere."""
        spec = utterance.spec
        self._expected[spec.request_id] = spec.turn_id
        self._expect_heard_late(spec.request_id, spec.cut)

    def _expect_heard_late(self, key: RequestId, number: int) -> None:
        self._sequencer.pass_over(key)
        self._numbers[key] = number


def _told(moved: TakenOverSession, number: int) -> KnownHeard | None:
    """Return what others said under this number, if what it was is kept."""
    words = moved.words.get(number)
    return None if words is None or words.said is None else words


def _as_told(said: dict[str, Any]) -> WireOutcome:
    kind = MissingResult if said.get("type") == "missing_result" else TranslationResult
    return kind.model_validate(said)
