"""DownlinkRestore: goes on with a downlink where another instance stopped.

What was delivered there, and what can be, is kept for the replay that follows; what is open has
its place again. Made once, with a session that is taken over. Must not: decide what is delivered.
"""

from dataclasses import replace
from typing import Any

from pydantic_core import to_json

from actors.messages.job import JobEnded
from actors.session.cut import Cut, CutReason
from actors.session.downlink.downlink import Downlink
from actors.session.downlink.gate import OutcomeGate
from actors.session.downlink.outcome import MemberUtterance, Outcome, Sayable, WireOutcome
from actors.session.profile.job_spec import Numbers, spec_of, work_of
from actors.session.profile.profile import SessionProfile
from actors.session.profile.request import asked_by
from actors.session.record.moved import KnownHeard, KnownOutcome, TakenOverSession
from actors.session.record.saved import CutRecord
from actors.session.record.saved_room import HeardRecord
from actors.session.utterances import Utterance
from protocol.audio.framing import AudioFormat
from protocol.ids import TraceId, TurnId
from protocol.messages.node_inbound import JobResult
from protocol.messages.session_outbound import MissingResult, TranslationResult
from storage.job import JobState


class DownlinkRestore:
    """Fills the downlink of one session that began elsewhere."""

    def __init__(self, downlink: Downlink, gate: OutcomeGate, moved: TakenOverSession) -> None:
        self._downlink = downlink
        self._gate = gate
        self._moved = moved
        self._expected: dict[int, Utterance | HeardRecord] = {}
        """What is open, by number."""
        self._cuts = {cut.number: cut for cut in moved.saved.cuts}

    def begin(self, opened: dict[int, Utterance], now_ms: float) -> None:
        """Fill the downlink; `opened` are the utterances that are open, by number."""
        moved, gate, downlink = self._moved, self._gate, self._downlink
        gate.is_restoring = True
        gate.order = moved.order
        self._expected = {**opened, **moved.open_heard()}
        self._pass_over_lost({*moved.outcomes, *moved.heard_outcomes, *self._expected})
        sequence = gate.order.sequence(moved.count)
        gate.restored_late = self._late_in_language(sequence)
        # what is neither known nor expected was too long ago, or sent without a record
        places = [
            one for one in sequence.items() if self._known(one[0]) or one[0] in self._expected
        ]
        sent = self._replay(places, now_ms)
        if sent < len(places):
            downlink.begin_at(places[sent][1])
        else:
            downlink.begin_at(max([moved.last_delivery_seq, *sequence.values()]) + 1)
        waiting = [number for number, _ in places[sent:]]
        if gate.order.crossed:
            waiting = sorted({*waiting, *gate.order.crossed})
        for number in waiting:
            self._expect(number, now_ms)
        for number in sorted(gate.order.passed - gate.order.crossed - {*waiting}):
            self._expect(number, now_ms, is_passed=True)
        gate.is_restoring = False

    def _replay(self, places: list[tuple[int, int]], now_ms: float) -> int:
        """Deliver what stands before the first outcome that is waited for; return how many."""
        for at, (number, seq) in enumerate(places):
            if self._known(number) is None or self._is_held_back(number):
                return at
            self._downlink.begin_at(seq)
            self._expect(number, now_ms)
        return len(places)

    def _is_held_back(self, number: int) -> bool:
        """Whether an earlier one of the same language, which others went out before, is open."""
        lane = self._lane(number)
        crossed = self._gate.order.crossed
        return any(one < number and self._lane(one) == lane for one in crossed)

    def _lane(self, number: int) -> str | None:
        record = self._cuts.get(number)
        return None if record is None else record.lane

    def _late_in_language(self, sequence: dict[int, int]) -> set[int]:
        """Return what a later one of its language was sent before."""
        outcomes, late = self._moved.outcomes, set()
        for number, seq in self._gate.order.late.items():
            one = outcomes.get(number)
            for other, other_seq in sequence.items():
                known = outcomes.get(other)
                is_same = one is None or known is None or one.language == known.language
                if other > number and other_seq < seq and is_same:
                    late.add(number)
        return late

    def _expect(self, number: int, now_ms: float, *, is_passed: bool = False) -> None:
        """Give it a place in the order, and deliver what is known already."""
        known, expected, downlink = self._known(number), self._expected.get(number), self._downlink
        if known is not None:
            self._deliver(known, number, now_ms, is_passed=is_passed)
        elif isinstance(expected, HeardRecord) and is_passed:
            downlink.expect_late(expected.key, number, None)
        elif isinstance(expected, HeardRecord):
            downlink.expect_heard_again(expected.key, number)
        elif expected is not None and is_passed:
            self._expect_late(expected)
        elif expected is not None:
            downlink.expect(expected)

    def _known(self, number: int) -> KnownOutcome | KnownHeard | None:
        return self._moved.outcomes.get(number) or self._heard(number)

    def _pass_over_lost(self, known: set[int]) -> None:
        """Leave no gap where something was lost with its place: its speaker tells it again."""
        moved, order = self._moved, self._gate.order
        for number, seq in order.sequence(moved.count).items():
            if number not in known and seq > moved.last_delivery_seq:
                order.pass_over(number)

    def _heard(self, number: int) -> KnownHeard | None:
        """Return what another member spoke under this number, if what it was is kept."""
        known = self._moved.heard_outcomes.get(number)
        return None if known is None or known.message is None else known

    def _deliver(
        self,
        known: KnownOutcome | KnownHeard,
        number: int,
        now_ms: float,
        *,
        is_passed: bool = False,
    ) -> None:
        """Deliver an outcome that is recorded; its speech is gone."""
        downlink = self._downlink
        outcome: Sayable
        if isinstance(known, KnownHeard):
            key, outcome = known.key, MemberUtterance(message_of(known.message or {}))
            if is_passed:
                downlink.expect_late(key, number, None)
            else:
                downlink.expect_heard_again(key, number)
        else:
            record = self._cuts.get(number)
            outcome = known_outcome(self._moved.profile, self._moved.epoch, known, record)
            outcome.utterance.lane = None if record is None else record.lane
            key = outcome.utterance.spec.request_id
            if is_passed:
                self._expect_late(outcome.utterance)
            else:
                downlink.expect(outcome.utterance)
        downlink.settle(key, outcome, now_ms)

    def _expect_late(self, utterance: Utterance) -> None:
        """Expect an utterance that later ones went out before, elsewhere."""
        spec = utterance.spec
        self._downlink.expect_late(spec.request_id, spec.cut, spec.turn_id)


def message_of(recorded: dict[str, Any]) -> WireOutcome:
    """Return what another member spoke, as the client was sent it."""
    kind = MissingResult if recorded.get("type") == "missing_result" else TranslationResult
    return kind.model_validate_json(to_json(recorded))


def _lies_at_ms(recorded: dict[str, Any], record: CutRecord | None) -> tuple[int, int]:
    """Return where an utterance began and ended in its session's audio."""
    if "speech_start_ms" in recorded:
        return recorded["speech_start_ms"], recorded["speech_end_ms"]
    return (0, 0) if record is None else (record.start_ms, record.start_ms + record.duration_ms)


def known_outcome(
    profile: SessionProfile, epoch: int, known: KnownOutcome, record: CutRecord | None = None
) -> Outcome:
    """Return an outcome that another instance recorded, as far as it did.

    `record`: its cut, where that is still kept.
    """
    recorded = known.recorded
    index, language = known.utterance_index, known.language
    trace_id = TraceId(recorded.get("trace_id") or profile.trace_id)
    start_ms, end_ms = _lies_at_ms(recorded, record)
    cut = Cut(
        CutReason.MANUAL, b"", AudioFormat.PCM16, profile.sample_rate_hz, end_ms - start_ms,
        TurnId(""), 0, ends_turn=True, closing=False, first_seq=None, last_seq=None, padding_ms=0,
        start_ms=start_ms, first_chunk_at_ms=0.0,
    )  # fmt: skip
    request = replace(asked_by(profile, None), target=language, trace_id=trace_id)
    numbers = Numbers(known.job_id, index, epoch, known.number)
    spec = spec_of(profile, request, cut, numbers, 0)
    work = work_of(request, cut)
    utterance = Utterance(spec, work, cut.reason, None, begun_at_ms=0.0, cut_at_ms=0.0)
    return outcome_of(utterance, known)


def outcome_of(utterance: Utterance, known: KnownOutcome) -> Outcome:
    """Return the outcome of an utterance that was restored."""
    if known.reason is not None:
        ended = JobEnded(known.job_id, JobState.FAILED, known.reason, None, 0, None)
        return Outcome(utterance, ended)
    answer = {**known.recorded, "job_id": known.job_id, "success": True, "tts_audio": ""}
    result = JobResult.model_validate_json(to_json(answer))
    ended = JobEnded(known.job_id, JobState.DONE, None, result, 0, None)
    return Outcome(
        utterance,
        ended,
        lost_speech=known.recorded.get("spoken") is True,
        truncated=known.recorded.get("truncated") is True,
    )
