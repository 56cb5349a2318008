"""Speaking: what a member of a room says to the others, and which of them still has to get it.

The listeners of each job hear of its cut at once and of its outcome when it comes; who understands
the speaker gets the recognised text of whichever job has it first. A listener that may move says
when it has an outcome; until then it is kept here, and sent again where the room shows the listener
next. Links may lose what they carry: what is not confirmed is sent again now and then, too. Must
not: decide for whom jobs are made.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from actors.directory import send_to_listeners
from actors.messages.room import (
    HeardCorrection,
    HeardCut,
    HeardOutcome,
    HeardPartial,
    Listener,
    RoomView,
)
from actors.room.setup import RoomSetup
from actors.room.transcoder import TranscodeSpeech
from actors.runtime.actor import tell
from actors.session.downlink.correctable import Correctable
from actors.session.downlink.outcome import WireOutcome, has_opus_speech, without_speech
from actors.session.utterances import Utterance
from protocol.ids import InstanceId, JobId, RequestId, SessionId, request_id
from protocol.messages.session_outbound import AsrPartial, TranslationResult

_SPEECH_KEPT_BYTES = 1 << 20
"""Speech for listeners on their way to another instance: beyond it they get the text alone."""
_MOST_KEPT = 200
"""Outcomes for them, at most: more than are spoken in any grace."""


_AGAIN_MS = 1_000
"""So long after it was sent what is not confirmed is sent again: most take some milliseconds."""
_MOST_PATIENT_MS = 16_000
"""The wait doubles up to here, for who is away confirms nothing."""


class Settles(Protocol):
    """Is notified when nobody waits for (some of) the jobs of an utterance any more."""

    def settled(self, utterance_index: int) -> None:
        """Its listeners have what became of it."""


@dataclass(slots=True)
class _Sent:
    """An utterance in one language, as its listeners were notified of it."""

    cut: HeardCut
    listeners: dict[SessionId, Listener]
    waiting: set[SessionId] = field(default_factory=set)
    """Those of them that are not known to have what became of it."""
    ready: HeardOutcome | None = None
    speech_bytes: int = 0


class Speaking:
    """The utterances of one speaker on their way to the listeners."""

    __slots__ = (
        "_again_at_ms",
        "_again_ms",
        "_at",
        "_empty",
        "_sent",
        "_settles",
        "_setup",
        "_speaker",
        "_speech_bytes",
    )

    def __init__(self, speaker: SessionId, setup: RoomSetup, settles: Settles) -> None:
        self._speaker = speaker
        self._setup = setup
        self._empty: Correctable[JobId, Utterance] = Correctable()
        self._sent: dict[RequestId, _Sent] = {}
        """What somebody waits for, in the order of cuts."""
        self._at: dict[SessionId, tuple[InstanceId, int]] = {}
        """Where each listener was sent it last: instance and epoch."""
        self._speech_bytes = 0
        self._again_at_ms: float | None = None
        self._again_ms = _AGAIN_MS
        self._settles = settles

    def __len__(self) -> int:
        return len(self._sent)

    def cut(self, utterance: Utterance, room_code: str, *, is_first: bool) -> None:
        """Tell the listeners of one job; with the first of an utterance also its readers."""
        track, readers = utterance.track, utterance.readers
        if track is None or readers is None:
            return
        self._tell_cut(utterance, track.listeners, utterance.spec.request_id, room_code)
        if is_first:
            self._tell_cut(utterance, readers.waiting, self._readers_key(utterance), room_code)

    def ended(self, utterance: Utterance, outcome: WireOutcome, *, is_empty: bool) -> None:
        """Bring the outcome of one job to its listeners, and to the readers if they wait for it."""
        track, readers = utterance.track, utterance.readers
        if track is None or readers is None:
            return
        self._tell_ready(HeardOutcome(utterance.spec.request_id, outcome))
        text = outcome.text_asr if isinstance(outcome, TranslationResult) else ""
        if readers.job_ended(has_text=bool(text.strip())):
            as_spoken = _as_spoken(outcome, utterance.spec.source)
            key = self._readers_key(utterance)
            self._tell_ready(HeardOutcome(key, as_spoken, is_as_spoken=True))
        if is_empty:
            self._empty.add(utterance.spec.job_id, utterance)

    def partial(self, utterance: Utterance, text: AsrPartial, room_code: str) -> None:
        """Show text so far to those who understand the speaker; nobody misses one that is lost."""
        if utterance.readers is not None:
            there = tuple(self._placed(listener) for listener in utterance.readers.all)
            send_to_listeners(self._setup.directory, there, HeardPartial(room_code, text))

    def empty(self, job_id: JobId) -> Utterance | None:
        """Return the utterance whose job ended empty a moment ago, once."""
        return self._empty.take(job_id)

    def corrected(self, utterance: Utterance, outcome: TranslationResult) -> None:
        """Send a full result after an empty one."""
        if utterance.track is None:
            return
        key = utterance.spec.request_id
        if key in self._sent:
            self._keep(self._sent[key], HeardOutcome(key, outcome))
        self._bring(utterance.track.listeners, HeardCorrection(key, outcome))

    # ---- until they have it -----------------------------------------------------------------

    def taken(self, key: RequestId, listener: SessionId) -> None:
        """A listener has what became of it."""
        sent = self._sent.get(key)
        if sent is not None and sent.ready is not None:
            sent.waiting.discard(listener)
            self._let_go(key)

    def deadline_ms(self, now_ms: float) -> float | None:
        """Return when `poll` has something to do (monotonic ms); None while all have all."""
        if not any(sent.ready is not None for sent in self._sent.values()):
            self._again_at_ms, self._again_ms = None, _AGAIN_MS
        elif self._again_at_ms is None:
            self._again_at_ms = now_ms + self._again_ms
        return self._again_at_ms

    def poll(self, now_ms: float) -> None:
        """Tell again what is not known to have arrived."""
        if self._again_at_ms is None or now_ms < self._again_at_ms:
            return
        self._again_at_ms, self._again_ms = None, min(2 * self._again_ms, _MOST_PATIENT_MS)
        for sent in self._sent.values():
            if sent.ready is not None:
                waiting = [sent.listeners[who] for who in sent.waiting if who in self._at]
                self._bring(waiting, sent.cut)
                self._bring(waiting, sent.ready)

    def seen(self, view: RoomView) -> None:
        """Tell those who are somewhere else than before what they may have missed."""
        places = {seat.session_id: (seat.instance_id, seat.epoch) for seat in view.seats}
        for left in [who for who in self._at if who not in places]:
            del self._at[left]
        moved = {who: at for who, at in places.items() if self._at.get(who) != at}
        self._at.update(moved)
        if moved:
            self._again_at_ms, self._again_ms = None, _AGAIN_MS
        for key, sent in list(self._sent.items()):
            sent.waiting &= places.keys()
            missed = [sent.listeners[who] for who in moved if who in sent.waiting]
            self._bring(missed, sent.cut)
            if sent.ready is not None:
                self._bring(missed, sent.ready)
                sent.waiting -= {one.session_id for one in missed if not one.resumes}
                self._let_go(key)

    def left(self) -> None:
        """The speaker has left the room: where its listeners go is not seen any more."""
        for key, sent in list(self._sent.items()):
            sent.waiting.clear()
            if sent.ready is not None:
                self._let_go(key)

    def _tell_cut(
        self, utterance: Utterance, listeners: tuple[Listener, ...], key: RequestId, code: str
    ) -> None:
        if not listeners:
            return
        work, index = utterance.work, utterance.spec.utterance_index
        cut = HeardCut(key, self._speaker, index, code, work.turn_id, work.trace_id)
        by_id = {listener.session_id: listener for listener in listeners}
        self._sent[key] = _Sent(cut, by_id, set(by_id))
        self._bring(listeners, cut)

    def _tell_ready(self, message: HeardOutcome) -> None:
        sent = self._sent.get(message.key)
        if sent is None:
            return
        self._keep(sent, message)
        self._bring(sent.listeners.values(), message)
        sent.waiting = {
            who for who in sent.waiting if sent.listeners[who].resumes or who not in self._at
        }
        self._let_go(message.key)
        self._stay_within_bounds()

    def _keep(self, sent: _Sent, message: HeardOutcome) -> None:
        self._speech_bytes -= sent.speech_bytes
        outcome = message.outcome
        sent.speech_bytes = 0
        if isinstance(outcome, TranslationResult):
            sent.speech_bytes = len(outcome.tts_audio)
        self._speech_bytes += sent.speech_bytes
        sent.ready = message

    def _let_go(self, key: RequestId) -> None:
        """Forget what everybody has."""
        sent = self._sent[key]
        if sent.ready is None or sent.waiting:
            return
        del self._sent[key]
        self._speech_bytes -= sent.speech_bytes
        self._settles.settled(sent.cut.utterance_index)

    def _stay_within_bounds(self) -> None:
        """Speech goes first, the oldest first."""
        if len(self._sent) <= _MOST_KEPT and self._speech_bytes <= _SPEECH_KEPT_BYTES:
            return
        for key, sent in list(self._sent.items()):
            if sent.ready is None:
                continue
            if len(self._sent) > _MOST_KEPT:
                sent.waiting.clear()
                self._let_go(key)
            elif self._speech_bytes > _SPEECH_KEPT_BYTES and sent.speech_bytes:
                self._keep(sent, replace(sent.ready, outcome=without_speech(sent.ready.outcome)))

    # ---- the way there ----------------------------------------------------------------------

    def _readers_key(self, utterance: Utterance) -> RequestId:
        return request_id(self._speaker, utterance.spec.utterance_index, utterance.spec.source)

    def _bring(
        self, listeners: Iterable[Listener], message: HeardCut | HeardOutcome | HeardCorrection
    ) -> None:
        """Tell each listener; speech is turned into PCM16 once for all who want it so."""
        there = tuple(self._placed(listener) for listener in listeners)
        transcoder, at_once = self._setup.transcoder, there
        if (
            transcoder is not None
            and not isinstance(message, HeardCut)
            and has_opus_speech(message.outcome)
        ):
            pcm16 = tuple(listener for listener in there if listener.wants_pcm16)
            at_once = tuple(listener for listener in there if not listener.wants_pcm16)
            if pcm16:
                tell(transcoder, TranscodeSpeech(message, pcm16))
        send_to_listeners(self._setup.directory, at_once, message)

    def _placed(self, listener: Listener) -> Listener:
        at = self._at.get(listener.session_id)
        if at is None or at[0] == listener.instance_id:
            return listener
        return replace(listener, instance_id=at[0])


def _as_spoken(outcome: WireOutcome, language: str) -> WireOutcome:
    """Return what who understands the speaker gets: the recognised text, in both places."""
    update: dict[str, object] = {"tgt_lang": language}
    if isinstance(outcome, TranslationResult):
        update |= {"text_translated": outcome.text_asr, "tts_audio": ""}
    return outcome.model_copy(update=update)
