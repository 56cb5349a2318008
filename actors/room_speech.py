"""RoomSpeech: what a speaker's words become for the other members of its room.

Each listener is told when something is cut, and what became of it, once. Ordering and numbering
are the listener's own.
"""

from actors.audience import Listener
from actors.outcome import WireOutcome, has_opus_speech
from actors.room_messages import WordsCorrected, WordsCut, WordsReady
from actors.room_setup import RoomSetup
from actors.runtime import tell
from actors.transcoder import TranscodeSpeech, bring
from actors.utterances import Utterance
from protocol.ids import JobId, RequestId, SessionId, request_id
from protocol.session_outbound import TranslationResult

_EMPTY_KEPT = 8
"""Utterances whose empty answer may still be replaced: nodes do so at once or not at all."""


class RoomSpeech:
    """One speaker's words on their way to the listeners."""

    __slots__ = ("_empty", "_setup", "_speaker")

    def __init__(self, speaker: SessionId, setup: RoomSetup) -> None:
        self._speaker = speaker
        self._setup = setup
        self._empty: dict[JobId, Utterance] = {}

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
        self._bring(track.listeners, WordsReady(utterance.spec.request_id, outcome))
        text = outcome.text_asr if isinstance(outcome, TranslationResult) else ""
        served = readers.job_ended(has_text=bool(text.strip()))
        self._bring(served, WordsReady(self._readers_key(utterance), _recognised(outcome)))
        if is_empty:
            self._empty[utterance.spec.job_id] = utterance
            while len(self._empty) > _EMPTY_KEPT:
                del self._empty[next(iter(self._empty))]

    def empty(self, job_id: JobId) -> Utterance | None:
        """Return the utterance whose job ended empty a moment ago, once."""
        return self._empty.pop(job_id, None)

    def corrected(self, utterance: Utterance, outcome: TranslationResult) -> None:
        """Send a full result after an empty one."""
        if utterance.track is not None:
            key = utterance.spec.request_id
            self._bring(utterance.track.listeners, WordsCorrected(key, outcome))

    def _readers_key(self, utterance: Utterance) -> RequestId:
        return request_id(self._speaker, utterance.spec.utterance_index, utterance.spec.source)

    def _tell_cut(
        self, utterance: Utterance, listeners: tuple[Listener, ...], key: RequestId, code: str
    ) -> None:
        work, index = utterance.work, utterance.spec.utterance_index
        cut = WordsCut(key, self._speaker, index, code, work.turn_id, work.trace_id)
        bring(self._setup.directory, listeners, cut)

    def _bring(self, listeners: tuple[Listener, ...], message: WordsReady | WordsCorrected) -> None:
        """Tell each listener; speech is turned into PCM16 once for all who want it so."""
        transcoder, at_once = self._setup.transcoder, listeners
        if transcoder is not None and has_opus_speech(message.outcome):
            pcm16 = tuple(listener for listener in listeners if listener.wants_pcm16)
            at_once = tuple(listener for listener in listeners if not listener.wants_pcm16)
            if pcm16:
                tell(transcoder, TranscodeSpeech(message, pcm16))
        bring(self._setup.directory, at_once, message)


def _recognised(outcome: WireOutcome) -> WireOutcome:
    """Return what who understands the speaker gets: the words alone."""
    if not isinstance(outcome, TranslationResult):
        return outcome
    return outcome.model_copy(update={"text_translated": "", "tts_audio": ""})
