"""Downlink: from the ends of jobs to what the client hears, in the order it spoke.

The sending half of a session: order, groups, and what was delivered lately. Sending never waits;
while the client is away what it would have heard is only remembered.

A client that comes back gets what it has missed no faster than it reads: all of it at once would
be more than may wait for one socket. What becomes ready meanwhile queues up behind.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf

from actors.messages.job import JobEnded, PartialArrived, ResultReplaced
from actors.messages.session import PlaybackEnded
from actors.ports import Outbox
from actors.session.downlink.correctable import Correctable
from actors.session.downlink.gate import OutcomeGate
from actors.session.downlink.grouping import Grouping, GroupPart
from actors.session.downlink.outcome import (
    MemberUtterance,
    Outcome,
    Sayable,
    WireOutcome,
    asr_partial,
    encode_outcome,
    is_failure,
    ui_event,
    wire_outcome,
    without_speech,
    without_text,
)
from actors.session.downlink.sent_outcomes import SentOutcomes
from actors.session.downlink.sequencer import Delivery, Sequencer
from actors.session.options import DownlinkOptions
from actors.session.profile.profile import SessionProfile
from actors.session.utterances import Utterance
from protocol.codec import encode_utf8
from protocol.errors import CloseCode
from protocol.ids import JobId, RequestId, request_id
from protocol.messages.session_outbound import MissingResult, TranslationResult, UiEventKind
from protocol.wire import WireMessage
from storage.job import JobState

_REPLAY_PAUSE_MS = 20.0
"""How long a replay waits before it looks again whether its client has read on."""


class Downlink:
    """Sequencer, groups and outbox of one session.

    Invariant: every expected utterance is delivered once, with a `delivery_seq` of its own.
    """

    def __init__(
        self,
        profile: SessionProfile,
        options: DownlinkOptions,
        wall_ms: Callable[[], int],
        gate: OutcomeGate | None = None,
    ) -> None:
        self.outbox: Outbox | None = None
        self.has_delivered = False
        """Whether the client was given an outcome, though it may have been away."""
        self.is_cut = False
        """The socket took no more: it is gone, though its end has not been heard of."""
        self.gate = gate
        """None: the client cannot resume."""
        self._session_id = profile.session_id
        self._knows_results_only = profile.is_gateway
        """The client waits for a `translation_result`, without a limit, and skips all else."""
        self._replayed_seq: int | None = None
        """While a replay goes on: the last delivery that it has sent."""
        self._replay_at_ms = inf
        self._wall_ms = wall_ms
        self._sequencer: Sequencer[RequestId, Sayable] = Sequencer(options.sequencer)
        self._grouping = Grouping()
        self._lanes: dict[str, Grouping] = {}
        """By lane, where there are lanes: what was spoken before is context in one language."""
        self._expected: dict[RequestId, tuple[str, str | None]] = {}
        """Utterances whose outcome was not delivered yet, in order, with their turns and lanes."""
        self._empty: Correctable[JobId, Outcome] | None = None
        """Empty answers held back by the order: a full one may still come."""
        self._sent: SentOutcomes[RequestId, WireOutcome] = SentOutcomes(
            options.replay_max_outcomes, options.replay_max_bytes, without_speech
        )

    @property
    def due_ms(self) -> float:
        """When `poll` has something to do (monotonic ms); infinite: time changes nothing."""
        gate, due_ms = self.gate, inf
        if self._sequencer.waiting:
            due_ms = self._sequencer.deadline_ms or inf
        if gate is not None and gate.ends_ms is not None:
            due_ms = min(due_ms, gate.ends_ms)
        return due_ms if self._replayed_seq is None else min(due_ms, self._replay_at_ms)

    @property
    def is_unread(self) -> bool:
        """Whether something that the client has said waits to be read."""
        return self.outbox is not None and self.outbox.is_unread

    @property
    def is_caught_up(self) -> bool:
        """Whether the client, if it is there, has been sent everything that was delivered."""
        return self._replayed_seq is None and (self.gate is None or not self.gate.is_holding)

    def send(self, message: WireMessage | bytes) -> None:
        """Write a message to the client, if it is there."""
        if self.outbox is not None and not self.outbox.send(message):
            self.is_cut = True

    def send_once_noted(self, message: WireMessage, now_ms: float) -> None:
        """Write a message when the store has what it is about, or after a moment."""
        if self.gate is not None:
            self.gate.shut(now_ms)
        if self.gate is None or self._replayed_seq is not None:
            self.send(message)
        elif self.outbox is not None:
            self.gate.holds_back(message)

    # ---- the client's comings and goings ----------------------------------------------------

    def disconnect(self) -> None:
        """The client is away: from now on outcomes are only remembered."""
        self.outbox = None
        self.is_cut = False
        self._replayed_seq = None
        if self.gate is not None:
            self.gate.drop_held()  # it is kept for the replay

    def connect(self, outbox: Outbox) -> None:
        """The client is here, on this socket."""
        self.disconnect()
        self.outbox = outbox

    def replay(self, last_delivery_seq: int, now_ms: float) -> None:
        """Send again, in order, what was delivered after this; live outcomes follow."""
        self._sent.free(last_delivery_seq)
        self._replayed_seq = last_delivery_seq
        self._go_on_replaying(now_ms)

    def _go_on_replaying(self, now_ms: float) -> None:
        if self._replayed_seq is None or self.outbox is None:
            return
        for delivery in self._sent.since(self._replayed_seq):
            if self.outbox.is_backed_up:
                self._replay_at_ms = now_ms + _REPLAY_PAUSE_MS
                return
            self.send(delivery.outcome)
            self._replayed_seq = delivery.delivery_seq
        self._replayed_seq = None

    # ---- progress ---------------------------------------------------------------------------

    def progress(
        self,
        utterance: Utterance,
        event: UiEventKind,
        now_ms: float,
        wait_ms_estimate: int | None = None,
    ) -> None:
        """Show how far an utterance has come."""
        if self.outbox is not None:
            self.outbox.send(ui_event(utterance, event, now_ms, wait_ms_estimate=wait_ms_estimate))

    def partial(self, utterance: Utterance, so_far: PartialArrived) -> None:
        """Show text that was recognised so far."""
        self.send(asr_partial(utterance, so_far))

    # ---- outcomes ---------------------------------------------------------------------------

    def expect(self, utterance: Utterance) -> None:
        """Give the utterance its place in the order of cuts, and its job what was spoken before."""
        spec, lane, expected = utterance.spec, utterance.lane, self._expected
        self._sequencer.expect(spec.request_id, lane)
        ahead = 0
        if expected:
            turns = {turn_id for turn_id, of_lane in expected.values() if of_lane == lane}
            ahead = len(turns - {spec.turn_id})
        grouping = self._grouping if lane is None else self._grouping_of(lane)
        place = grouping.upcoming(utterance.begun_at_ms, ahead)
        expected[spec.request_id] = spec.turn_id, lane
        if place is not None:
            part, context_text = place
            work = utterance.work
            utterance.work = work.in_group(part.group_id, part.part_index, context_text or None)
        if self.gate is not None:
            self.gate.expect(spec.request_id, spec.cut)

    def ended(self, utterance: Utterance, ended: JobEnded, now_ms: float) -> None:
        """Take the end of an utterance's job; deliver it when its turn has come."""
        outcome = Outcome(utterance, ended)
        self.show_end(utterance, ended, now_ms)
        if ended.state is JobState.EMPTY and ended.result is not None:
            if self._empty is None:
                self._empty = Correctable(None)
            self._empty.add(ended.job_id, outcome)
        ready = self._sequencer.ready(utterance.spec.request_id, outcome, now_ms)
        if ready:
            self._deliver(ready, now_ms)

    def show_end(self, utterance: Utterance, ended: JobEnded, now_ms: float) -> None:
        """Show how a job ended, whoever hears its outcome."""
        outbox = self.outbox
        if outbox is None:
            return
        if ended.reason is None:
            outbox.send(ui_event(utterance, UiEventKind.ASR_FINAL, now_ms))
            if ended.result is not None and ended.result.text_translated:
                outbox.send(ui_event(utterance, UiEventKind.NMT_DONE, now_ms))
        elif is_failure(ended.reason):
            outbox.send(ui_event(utterance, UiEventKind.ERROR, now_ms, reason=ended.reason))

    def expect_heard(self, key: RequestId) -> None:
        """Give what another member spoke its place among all that the client hears."""
        self._sequencer.expect(key)
        if self.gate is not None:
            self.gate.expect_heard(key)

    def settle(self, key: RequestId, outcome: Sayable, now_ms: float) -> None:
        """Take what became of something expected; deliver it when its turn has come."""
        self._deliver(self._sequencer.ready(key, outcome, now_ms) or [], now_ms)

    def correct_heard(self, key: RequestId, heard: MemberUtterance) -> None:
        """Put a full result in the place of an empty one, unless that was delivered by now."""
        self._sequencer.replace(key, heard)

    def replace(self, message: ResultReplaced) -> bool:
        """Put a full result in the place of an empty one, unless that was delivered by now."""
        held = None if self._empty is None else self._empty.take(message.job_id)
        if held is None:
            return False
        ended = replace(held.ended, state=JobState.DONE, reason=None, result=message.result)
        outcome = Outcome(held.utterance, ended)
        return self._sequencer.replace(held.utterance.spec.request_id, outcome)

    def poll(self, now_ms: float) -> None:
        """Deliver what has waited long enough for an earlier outcome; go on with a replay."""
        self._deliver(self._sequencer.poll(now_ms), now_ms)
        if self.gate is not None and self.gate.ends_ms is not None and now_ms >= self.gate.ends_ms:
            self.open_gate()
        if now_ms >= self._replay_at_ms:
            self._go_on_replaying(now_ms)

    def repeat(self, utterance_index: int) -> bool:
        """Send the outcomes of an utterance again, one for each language.

        False when none is remembered and none will come.
        """
        own = request_id(self._session_id, utterance_index, "")
        found = self._sent.those(lambda key: key.startswith(own))
        for outcome in found:
            self.send(outcome)
            if isinstance(outcome, MissingResult):
                self.hang_up(outcome.reason.value)
        # what was not delivered yet will be, once
        return bool(found) or any(key.startswith(own) for key in self._expected)

    def flush(self, now_ms: float) -> None:
        """Deliver what waits for an order that nobody will complete any more."""
        self._deliver(self._sequencer.poll(inf), now_ms)

    def free_replay(self, last_delivery_seq: int) -> None:
        """The client has everything up to here."""
        self._sent.free(last_delivery_seq)

    def playback_ended(self, message: PlaybackEnded, now_ms: float) -> None:
        """What is spoken from now on may belong to the same group."""
        for grouping in (self._grouping, *self._lanes.values()):
            grouping.playback_ended(message.group_id, now_ms)

    def _part(self, outcome: Sayable, now_ms: float) -> GroupPart | None:
        """Place an outcome in the conversation when it is delivered: parts are in its order."""
        if isinstance(outcome, MemberUtterance):
            heard = outcome.outcome
            if isinstance(heard, MissingResult):
                return None
            return self._grouping.assign(heard.text_asr, heard.text_translated, now_ms)
        result = outcome.ended.result
        if outcome.ended.reason is not None or result is None:
            return None
        group_id, lane = outcome.utterance.work.group_id, outcome.utterance.lane
        grouping = self._grouping if lane is None else self._grouping_of(lane)
        return grouping.assign(result.text_asr, result.text_translated, now_ms, group_id)

    def _grouping_of(self, lane: str) -> Grouping:
        known = self._lanes.get(lane)
        if known is None:
            known = self._lanes[lane] = Grouping()
        return known

    def _deliver(self, deliveries: list[Delivery[RequestId, Sayable]], now_ms: float) -> None:
        gate, passed = self.gate, self._sequencer.passed
        if gate is not None and deliveries:
            gate.on_order(deliveries, passed, now_ms)
        passed.clear()
        self.has_delivered = self.has_delivered or bool(deliveries)
        for delivery in deliveries:
            outcome = delivery.outcome
            is_kept = gate is not None
            if isinstance(outcome, Outcome):
                if self._empty is not None:
                    self._empty.take(outcome.ended.job_id)
                del self._expected[delivery.key]
                is_kept = is_kept or outcome.utterance.is_repeatable
                if not is_kept and not self._knows_results_only:
                    self._send_once(outcome, delivery, now_ms)
                    continue
            message = self._message(delivery, now_ms)
            if is_kept:
                self._keep(delivery, message)
            if gate is None:
                self.send(message)
            else:
                if isinstance(outcome, MemberUtterance):
                    gate.on_heard(delivery.key, message)
                if not gate.holds_back(message) and self._replayed_seq is None:
                    self.send(message)
                gate.answered(delivery.key)
            if isinstance(message, MissingResult):
                self.hang_up(message.reason.value)

    def _send_once(
        self, outcome: Outcome, delivery: Delivery[RequestId, Sayable], now_ms: float
    ) -> None:
        """Send an outcome of which nothing is kept: whoever is away does not hear it."""
        part, outbox = self._part(outcome, now_ms), self.outbox
        if outbox is not None and not outbox.send(
            encode_outcome(
                outcome, delivery.delivery_seq, part, self._wall_ms(), late=delivery.late
            )
        ):
            self.is_cut = True

    def _message(self, delivery: Delivery[RequestId, Sayable], now_ms: float) -> WireOutcome:
        outcome, gate = delivery.outcome, self.gate
        if (
            gate is not None
            and gate.is_restoring
            and isinstance(outcome, Outcome)
            and outcome.utterance.spec.cut in gate.restored_late
        ):
            delivery = replace(delivery, late=True)
        message = wire_outcome(delivery, self._part(outcome, now_ms), self._wall_ms())
        if not self._knows_results_only or not isinstance(message, MissingResult):
            return message
        if is_failure(message.reason) or isinstance(outcome, MemberUtterance):
            return message
        return without_text(message, outcome.ended.job_id, self._grouping.assign("", "", now_ms))

    def hang_up(self, why: str) -> None:
        """End the wait of a client that understands a closed socket and no other refusal."""
        if self._knows_results_only and self.outbox is not None and not self._expected:
            self.outbox.close(CloseCode.INTERNAL_ERROR, f"no translation: {why}")

    def open_gate(self) -> None:
        """Send what waited for its exception to be stored."""
        held = [] if self.gate is None else self.gate.open()
        if self._replayed_seq is None:
            for message in held:
                self.send(message)

    def _keep(self, delivery: Delivery[RequestId, Sayable], message: WireOutcome) -> None:
        """Keep what was delivered; its size is the one on the wire, whatever the node put in."""
        sent = Delivery(delivery.key, message, delivery.delivery_seq, delivery.late)
        speech_bytes = len(message.tts_audio) if isinstance(message, TranslationResult) else 0
        text_bytes = len(encode_utf8(message)) - speech_bytes
        self._sent.remember(sent, text_bytes, speech_bytes)

    # ---- a session that began elsewhere -----------------------------------------------------

    def begin_at(self, delivery_seq: int) -> None:
        """Let the next delivery have this number."""
        self._sequencer.go_on(delivery_seq)

    def expect_heard_again(self, key: RequestId, number: int) -> None:
        """Expect what another member spoke under a number that it has."""
        self._sequencer.expect(key)
        if self.gate is not None:
            self.gate.expect(key, number)

    def expect_late(self, key: RequestId, number: int, turn_id: str | None) -> None:
        """Expect what later ones went out before, elsewhere; no turn: another member spoke it."""
        if turn_id is not None:
            self._expected[key] = turn_id, None
        self._sequencer.pass_over(key)
        if self.gate is not None:
            self.gate.expect(key, number)
