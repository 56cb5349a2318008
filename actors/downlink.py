"""Downlink: from the ends of jobs to what the client hears, in the order it spoke.

The sending half of a session: order, groups, and what was delivered lately. Sending never waits;
while the client is away what it would have heard is only remembered.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import TypeAlias

from actors.grouping import Grouping
from actors.messages import JobEnded, PlaybackEnded, ResultReplaced
from actors.outcome import Outcome, is_failure, ui_event, wire_outcome
from actors.ports import Outbox
from actors.replay import ReplayBuffer
from actors.sequencer import Delivery, Sequencer, SequencerOptions
from actors.utterances import Utterance
from protocol.ids import JobId, RequestId, SessionId
from protocol.session_outbound import AsrPartial, MissingResult, TranslationResult, UiEventKind
from protocol.wire import WireMessage
from storage.job import JobState

WireOutcome: TypeAlias = TranslationResult | MissingResult

_ENVELOPE_BYTES = 512
"""What an outcome takes besides its texts and speech, roughly."""


@dataclass(frozen=True, slots=True)
class DownlinkOptions:
    """What the downlink of a session needs to know."""

    sequencer: SequencerOptions
    replay_max_outcomes: int
    replay_max_bytes: int


class Downlink:
    """Sequencer, groups and outbox of one session.

    Invariant: every expected utterance is delivered once, with a `delivery_seq` of its own.
    """

    def __init__(
        self, session_id: SessionId, options: DownlinkOptions, wall_ms: Callable[[], int]
    ) -> None:
        self.outbox: Outbox | None = None
        self._wall_ms = wall_ms
        self._sequencer: Sequencer[RequestId, Outcome] = Sequencer(options.sequencer)
        self._grouping = Grouping(session_id)
        self._held_empty: dict[JobId, Outcome] = {}
        """Empty outcomes held back by the order: a full one may still come."""
        self._replay: ReplayBuffer[RequestId, WireOutcome] = ReplayBuffer(
            options.replay_max_outcomes, options.replay_max_bytes, _without_speech
        )

    @property
    def deadline_ms(self) -> float | None:
        """When `poll` has something to do (monotonic ms)."""
        return self._sequencer.deadline_ms

    def send(self, message: WireMessage) -> None:
        """Write a message to the client, if it is there."""
        if self.outbox is not None:
            self.outbox.send(message)

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

    def partial(self, utterance: Utterance, text: str, *, is_final: bool) -> None:
        """Show text that was recognised so far."""
        self.send(
            AsrPartial(
                session_id=utterance.spec.session_id,
                utterance_index=utterance.spec.utterance_index,
                job_id=utterance.spec.job_id,
                text=text,
                is_final=is_final,
                trace_id=utterance.work.trace_id,
            )
        )

    # ---- outcomes ---------------------------------------------------------------------------

    def expect(self, utterance: Utterance) -> None:
        """Give the utterance its place in the order of cuts."""
        self._sequencer.expect(utterance.spec.request_id)

    def ended(self, utterance: Utterance, ended: JobEnded, now_ms: float) -> None:
        """Take the end of an utterance's job; deliver it when its turn has come."""
        outcome = self._outcome(utterance, ended, now_ms)
        if ended.reason is None:
            self.progress(utterance, UiEventKind.ASR_FINAL, now_ms)
            if ended.result is not None and ended.result.text_translated:
                self.progress(utterance, UiEventKind.NMT_DONE, now_ms)
        elif is_failure(ended.reason) and self.outbox is not None:
            self.outbox.send(ui_event(utterance, UiEventKind.ERROR, now_ms, reason=ended.reason))
        if ended.state is JobState.EMPTY:
            self._held_empty[ended.job_id] = outcome
        ready = self._sequencer.ready(utterance.spec.request_id, outcome, now_ms)
        self._deliver(ready or [])

    def replace(self, message: ResultReplaced, now_ms: float) -> bool:
        """Put a full result in the place of an empty one, unless that was delivered by now."""
        held = self._held_empty.get(message.job_id)
        if held is None:
            return False
        ended = replace(held.ended, state=JobState.DONE, reason=None, result=message.result)
        outcome = self._outcome(held.utterance, ended, now_ms)
        return self._sequencer.replace(held.utterance.spec.request_id, outcome)

    def poll(self, now_ms: float) -> None:
        """Deliver what has waited long enough for an earlier outcome."""
        self._deliver(self._sequencer.poll(now_ms))

    def repeat(self, key: RequestId) -> bool:
        """Send a delivered outcome again; False when none is remembered and none will come."""
        if key in self._sequencer:
            return True  # not delivered yet: it will be, once
        found = self._replay.find(key)
        if found is None:
            return False
        self.send(found.outcome)
        return True

    def flush(self) -> None:
        """Deliver what waits for an order that nobody will complete any more."""
        self._deliver(self._sequencer.poll(inf))

    def free_replay(self, last_delivery_seq: int) -> None:
        """The client has everything up to here."""
        self._replay.free(last_delivery_seq)

    def playback_ended(self, message: PlaybackEnded, now_ms: float) -> None:
        """What is said from now on may belong to the same group."""
        self._grouping.playback_ended(message.group_id, now_ms)

    def _outcome(self, utterance: Utterance, ended: JobEnded, now_ms: float) -> Outcome:
        result = ended.result
        if ended.reason is not None or result is None:
            return Outcome(utterance, ended, None)
        part = self._grouping.assign(result.text_asr, result.text_translated, now_ms)
        return Outcome(utterance, ended, part)

    def _deliver(self, deliveries: list[Delivery[RequestId, Outcome]]) -> None:
        for delivery in deliveries:
            self._held_empty.pop(delivery.outcome.ended.job_id, None)
            message = wire_outcome(
                delivery.outcome, delivery.delivery_seq, self._wall_ms(), late=delivery.late
            )
            if delivery.outcome.utterance.is_repeatable:
                self._remember(delivery, message)
            self.send(message)

    def _remember(self, delivery: Delivery[RequestId, Outcome], message: WireOutcome) -> None:
        sent = Delivery(delivery.key, message, delivery.delivery_seq, delivery.late)
        speech_bytes = text_bytes = 0
        if isinstance(message, TranslationResult):
            speech_bytes = len(message.tts_audio)
            text_bytes = len(message.text_asr) + len(message.text_translated)
        self._replay.remember(sent, text_bytes + _ENVELOPE_BYTES, speech_bytes)


def _without_speech(message: WireOutcome) -> WireOutcome:
    if isinstance(message, MissingResult):
        return message
    return message.model_copy(update={"tts_audio": "", "tts_lost": True})
