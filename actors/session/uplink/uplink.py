"""Uplink: from audio that arrives to utterances that want a node.

The receiving half of a session: segmentation, indexes and the audio it holds. It decides and
counts; the session's actor tells others what came of it.
"""

from collections.abc import Callable
from typing import TypeAlias

from actors.admission import HeldAudio
from actors.messages.session import ChunkArrived, UtteranceArrived
from actors.room.audience import Audience, Readers, Track
from actors.session.cut import Cut
from actors.session.job_spec import Numbers, spec_of, work_of
from actors.session.options import UplinkOptions
from actors.session.profile import Request, SessionProfile, asked_by, in_language
from actors.session.resume.uplink import UplinkRestore
from actors.session.uplink.indexes import IndexUse, Repeated
from actors.session.utterances import Utterance
from protocol.audio import AudioFormat, measure, opus_ticks, pcm_ticks, ticks_to_ms
from protocol.errors import ErrorCode, ProtocolError
from protocol.ids import JobId, new_job_id, request_id
from protocol.session_inbound import Utterance as UtteranceMessage

__all__ = ["Repeated", "Uplink", "UplinkOptions"]

_LATE_MS = 100
"""So long after its time a wake-up comes only from a loop that was held up."""
_LOOK_AGAIN_MS = 200
_SAME_TURN_MS = 500
"""Audio so soon after a pause was due, and before the alarm rang, was here before the pause."""


WhoHears: TypeAlias = Callable[[Request, list[Track]], Audience | None]
"""From what is asked, and the tracks of the turn's open segments, to who hears it."""


class Uplink(UplinkRestore):
    """Takes audio and says what was cut."""

    def __init__(self, profile: SessionProfile, options: UplinkOptions, held: HeldAudio) -> None:
        super().__init__(profile, options, held)
        self._was_late = False
        self._uplink_ms: int | None = None
        self.audience: WhoHears | None = None
        """Asked who hears what was cut; None: nobody but the speaker."""

    def take_index(self) -> int:
        """Return an index that nothing else of this session has or will have."""
        return self._indexes.take_next()

    @property
    def deadline_ms(self) -> float | None:
        """When `poll` has something to do (monotonic ms); None: not before something arrives."""
        return self._segmenter.deadline_ms

    @property
    def overdue_at_ms(self) -> float | None:
        """When the first open utterance must have had its outcome; None when nothing is open."""
        since_ms = self.open.waiting_since_ms
        if since_ms is None:
            return None
        return since_ms + self._options.job_lifetime_ms + self._options.overdue_ms

    @property
    def is_over_bound(self) -> bool:
        """True when more is open than may be, here or in the process: what is cut is refused."""
        return self._held.is_over or len(self.open) > self._options.max_open

    def chunk(self, message: ChunkArrived, now_ms: float, wall_ms: int) -> list[Utterance]:
        """Take a piece of audio; return what was cut.

        Raises:
            ProtocolError: the audio is not in the session's format; nothing has changed.
        """
        if self.progress is not None and not self.progress.take(message.seq):
            return []
        if self._replay is not None and self._replay.covers(message.seq):
            self._take_again(self._replay, message)
            return []
        if message.client_timestamp_ms is not None:
            self._uplink_ms = max(0, wall_ms - message.client_timestamp_ms)
        return self._chunk(message, now_ms)

    def whole(self, message: UtteranceArrived, now_ms: float) -> list[Utterance] | Repeated:
        """Take a whole utterance, or a tiny one that is a chunk of a stream.

        Raises:
            ProtocolError: no audio, audio not in its format, or an index that is taken.
        """
        said = message.message
        if not said.audio:
            raise ProtocolError(ErrorCode.INVALID_MESSAGE, "utterance: audio is empty")
        if self._is_tiny(said):
            measure(said.audio, said.audio_format, said.sample_rate)  # or it declares nothing
            self._segmenter.declare_format(said.audio_format, said.sample_rate)
            return self._tiny(said, now_ms)
        cut = self._segmenter.whole(said.audio, said.audio_format, said.sample_rate, now_ms)
        match self._indexes.take(said.utterance_index):
            case IndexUse.TAKEN:
                text = f"utterance_index {said.utterance_index} is in use"
                raise ProtocolError(ErrorCode.INVALID_MESSAGE, text)
            case IndexUse.REPEATED:
                sid = self._profile.session_id
                key = request_id(sid, said.utterance_index, said.tgt_lang)
                self._fill_repeated(key, said.audio)
                return Repeated(key)
            case IndexUse.FRESH:
                return self._said(cut, said.utterance_index, said, now_ms)

    # ---- time -------------------------------------------------------------------------------

    def poll(self, now_ms: float, *, is_unread: bool = False) -> list[Utterance]:
        """Return what a pause or a hangover has cut by now.

        A speaker whose words wait to be read is not quiet. Who is asked late cannot know: what came
        meanwhile is read right after this, so it is asked once more.
        """
        due_ms = self._segmenter.deadline_ms
        is_late = due_ms is not None and now_ms >= due_ms + _LATE_MS and not self._was_late
        self._was_late = is_late
        if (is_unread or is_late) and self._segmenter.excuse_pause(now_ms, _LOOK_AGAIN_MS):
            return []
        return self._utterances(self._segmenter.poll(now_ms), now_ms)

    def flush(self, now_ms: float) -> list[Utterance]:
        """Cut what was said so far into a last utterance."""
        return self._utterances(self._segmenter.flush(now_ms), now_ms)

    def resumed(self, now_ms: float) -> None:
        """The client is back and sends again what it does not know to have arrived."""
        if self.progress is not None:
            self._segmenter.release_pause(now_ms)
            self.progress.resumed(self._segmenter.heard_ms, now_ms)

    def playback_started(self, now_ms: float) -> None:
        """The client plays speech: its silence is no pause."""
        self._segmenter.playback_started(now_ms)

    def playback_ended(self, now_ms: float) -> None:
        """The client may speak again."""
        self._segmenter.playback_ended(now_ms)

    def close(self, job_id: JobId) -> Utterance | None:
        """An utterance has its outcome: let go of it. None when it had one before."""
        utterance = self.open.close(job_id)
        if utterance is not None:
            spec = utterance.spec
            is_last = not self.open.has_spoken(spec.utterance_index)
            if utterance.track is None or is_last:
                self._segmenter.turn_segment_closed(utterance.work.turn_id, spec.turn_part)
            if utterance.awaits_replay and self._replay is not None and is_last:
                self._replay.forget(spec.utterance_index)
            self._account()
        return utterance

    def release_audio(self, utterance: Utterance) -> None:
        """Let go of an open utterance's audio."""
        self.open.release(utterance)
        self._account()

    def overdue(self, now_ms: float) -> list[Utterance]:
        """Return the open utterances whose outcome is not waited for any longer."""
        limit_ms = self._options.job_lifetime_ms + self._options.overdue_ms
        return [said for said in self.open if said.turn_cut_at_ms + limit_ms <= now_ms]

    def drop_all(self) -> None:
        """The session is over: nothing is held any more."""
        for utterance in list(self.open):
            self.open.close(utterance.spec.job_id)
        self._replay = None
        self._held.give_back(self._accounted_bytes)
        self._held.count(-self._accounted_open)
        self._accounted_bytes = self._accounted_open = 0

    def _chunk(self, message: ChunkArrived, now_ms: float) -> list[Utterance]:
        segmenter, audio = self._segmenter, message.audio
        due_ms = segmenter.deadline_ms
        if due_ms is not None and due_ms < now_ms <= due_ms + _SAME_TURN_MS:
            segmenter.excuse_pause(now_ms, _LOOK_AGAIN_MS)
        is_late = False
        if self.progress is not None and audio:
            is_late = self.progress.is_late(segmenter.heard_ms, now_ms)
        cuts = segmenter.chunk(
            audio,
            seq=message.seq,
            is_final=message.is_final,
            now_ms=now_ms,
            is_late=is_late,
            opus_ticks=message.opus_ticks,
        )
        return self._utterances(cuts, now_ms)

    def _tiny(self, said: UtteranceMessage, now_ms: float) -> list[Utterance]:
        """Take a tiny utterance as a chunk; its index is no `seq`, so it stands with the last."""
        if self.progress is None:
            return self._chunk(
                ChunkArrived(said.audio, said.utterance_index, is_final=False), now_ms
            )
        if not self.progress.take_tiny(said.utterance_index):
            return []
        return self._chunk(ChunkArrived(said.audio, self.progress.last_seq, is_final=False), now_ms)

    def _is_tiny(self, said: UtteranceMessage) -> bool:
        if said.manual_cut or self._profile.is_gateway:
            return False
        if said.audio_format is AudioFormat.OPUS:
            ticks = opus_ticks(said.audio)
        else:
            ticks = pcm_ticks(len(said.audio), said.sample_rate)
        return ticks_to_ms(ticks) < self._options.tiny_utterance_ms

    def _utterances(self, cuts: list[Cut], now_ms: float) -> list[Utterance]:
        cut_now: list[Utterance] = []
        for cut in cuts:
            cut_now += self._said(cut, self.take_index(), None, now_ms)
        if self.progress is not None:
            self.progress.segment(self._segmenter.first_seq)
        if not cuts:
            self._account()
        return cut_now

    def _said(
        self, cut: Cut, index: int, said: UtteranceMessage | None, now_ms: float
    ) -> list[Utterance]:
        """Return what was cut: once, or once for each language that is heard in a room."""
        request = asked_by(self._profile, said)
        audience = None if self.audience is None else self.audience(request, self._open_tracks(cut))
        uplink_ms, self._uplink_ms = self._uplink_ms, None
        if audience is None:
            utterances = [self._utterance(cut, index, request, None)]
        else:
            tracks = audience.tracks
            readers = Readers(audience.readers, len(tracks))
            utterances = [self._utterance(cut, index, request, track) for track in tracks]
            for utterance in utterances:
                utterance.readers = readers
        for utterance in utterances:
            utterance.cut_at_ms = now_ms
            utterance.uplink_ms = uplink_ms
            utterance.is_repeatable = said is not None
            if self.progress is not None:
                self.progress.cut(utterance.spec.request_id, cut.first_seq)
            self.open.add(utterance)
            self._remember(cut, utterance, request, is_message=said is not None)
        self._account()
        return utterances

    def _utterance(self, cut: Cut, index: int, request: Request, track: Track | None) -> Utterance:
        if track is not None:
            request = in_language(request, track)
        is_own = track is None or track.for_speaker
        job_id = new_job_id(self._profile.session_id)
        number = self.next_number() if is_own else self.next_said_number()
        numbers = Numbers(job_id, index, self.epoch, number)
        spec = spec_of(self._profile, request, cut, numbers, self._options.job_lifetime_ms)
        return Utterance(
            spec=spec,
            work=work_of(request, cut, None if track is None else track.further_language),
            reason=cut.reason,
            audio=cut.audio,
            cut_at_ms=0.0,
            begun_at_ms=cut.first_chunk_at_ms,
            track=track,
        )

    def _open_tracks(self, cut: Cut) -> list[Track]:
        """Return in which languages, and for whom, the open segments of the cut's turn are."""
        if not cut.turn_part:
            return []
        return [
            said.track or Track(said.spec.language, for_speaker=True)
            for said in self.open
            if said.spec.turn_id == cut.turn_id
        ]
