"""UplinkRestore: goes on with an uplink where another instance stopped.

What was cut there is open here, and its audio comes again: the recorded boundaries decide what it
belongs to. Made with a session that is taken over; it fills the `Uplink` once, and then takes the
audio that comes again. Must not: decide what is cut.
"""

from collections.abc import Callable, Iterable

from actors.media import CONVERTED_RATE_HZ
from actors.messages.job import JobEnded
from actors.messages.session import ChunkArrived
from actors.room.audience import Track
from actors.session.downlink.outcome import Outcome
from actors.session.record.moved import TakenOverSession
from actors.session.record.saved import CutRecord
from actors.session.record.saved_room import AudienceRecord, restored_readers
from actors.session.resume.audio_replay import AudioReplay
from actors.session.resume.cut_records import CutRecords
from actors.session.resume.downlink import outcome_of
from actors.session.uplink.conversion import Piece
from actors.session.uplink.progress import AudioProgress, StreamBegins
from actors.session.uplink.segment import Turn
from actors.session.uplink.segmenter import CLOSING_SILENCE_MS
from actors.session.uplink.uplink import Uplink
from actors.session.utterances import Utterance
from protocol.audio.framing import AudioFormat, silence
from protocol.errors import MissingReason
from protocol.ids import TurnId
from storage.job import JobState


class UplinkRestore:
    """The cuts of one session that were made elsewhere, until their audio is here again."""

    def __init__(
        self,
        uplink: Uplink,
        progress: AudioProgress,
        records: CutRecords,
        moved: TakenOverSession,
        wall_ms: Callable[[], int],
    ) -> None:
        self._uplink = uplink
        self._progress = progress
        self._records = records
        self._moved = moved
        self._wall_ms = wall_ms
        self._replay: AudioReplay | None = AudioReplay(moved.saved.end_seq)
        """None once the session is over."""
        self._filled: list[Utterance] = []
        self._heard: list[tuple[Utterance, CutRecord]] = []

    def begin(self, now_ms: float) -> dict[int, Utterance]:
        """Fill the uplink; return the open utterances by number.

        Their audio comes with what the client sends again, from the first of them on.
        """
        moved, uplink, saved = self._moved, self._uplink, self._moved.saved
        uplink.opening.epoch = moved.epoch
        next_index = saved.next_index + moved.count - saved.number
        uplink.indexes.restore(next_index, saved.client_indexes)
        uplink.counts_from_seq = uplink.counts_from_seq and not saved.has_first_index
        self._records.go_on(moved.count, saved.member_cut_count)
        if saved.audio_format is not None:
            uplink.segmenter.declare_format(saved.audio_format, saved.sample_rate_hz)
        if saved.client_cuts:
            uplink.segmenter.client_cuts()
        uplink.segmenter.heard_ticks = saved.heard_ticks
        opened, next_seq = self._reopen_own(now_ms)
        next_seq = min(next_seq, self._expect_members())
        self._restore_heard(opened, now_ms)
        if saved.turn is not None:
            turn, parts = saved.turn, _parts_of(saved.turn.turn_id, uplink.open)
            again = Turn.restored(turn.turn_id, turn.next_part, turn.ticks, parts)
            uplink.segmenter.restore(again, now_ms)
        next_seq = StreamBegins(saved.streams).begin_of(next_seq)
        self._progress.restore(next_seq, saved.end_seq, saved.joined_seq)
        uplink.detached(now_ms)
        return opened

    def _reopen_own(self, now_ms: float) -> tuple[dict[int, Utterance], int]:
        """Open what has no outcome; return it, and the first `seq` that it needs."""
        moved, saved = self._moved, self._moved.saved
        ended = moved.outcomes.keys() | moved.heard()
        opened: dict[int, Utterance] = {}
        next_seq = saved.end_seq
        for cut in saved.cuts:
            is_open = cut.number not in ended
            if is_open:
                opened[cut.number] = self._reopen(cut, now_ms)
            elif opened:
                self._records.own.keep(cut)
            next_seq = min(next_seq, self._expect(cut, is_open=is_open))
        return opened, next_seq

    def _expect_members(self) -> int:
        """Expect the audio of what only others hear; return the first `seq` that it needs."""
        moved, next_seq = self._moved, self._moved.saved.end_seq
        for cut in moved.saved.member_cuts:
            is_open = moved.is_open(cut, self._told_before_ms)
            next_seq = min(next_seq, self._expect(cut, is_open=is_open))
        return next_seq

    def _expect(self, cut: CutRecord, *, is_open: bool) -> int:
        if self._replay is None or cut.first_seq is None or cut.last_seq is None:
            return self._moved.saved.end_seq
        self._replay.add(cut.index, (cut.first_seq, cut.last_seq), wanted=is_open)
        return cut.first_seq if is_open else self._moved.saved.end_seq

    def _restore_heard(self, opened: dict[int, Utterance], now_ms: float) -> None:
        """Go on with what others hear: what has a job is open, the rest is told again."""
        moved = self._moved
        by_index: dict[int, list[tuple[CutRecord, AudienceRecord]]] = {}
        for cut in (*moved.saved.cuts, *moved.saved.member_cuts):
            if cut.heard_by is not None:
                by_index.setdefault(cut.index, []).append((cut, cut.heard_by))
        for cuts in by_index.values():
            readers = restored_readers([heard_by for _, heard_by in cuts])
            for cut, _ in cuts:
                utterance = opened.get(cut.number)
                if utterance is None and cut.number < 0 and self._is_open(cut):
                    utterance = self._reopen(cut, now_ms)
                elif utterance is None:
                    utterance = self._rebuilt(cut, now_ms)
                    if cut.number < 0:
                        self._records.members.add(cut)
                utterance.readers = readers
                self._heard.append((utterance, cut))

    def _is_open(self, cut: CutRecord) -> bool:
        return self._moved.is_open(cut, self._told_before_ms)

    @property
    def _told_before_ms(self) -> int:
        """What was cut before that (Unix ms) everybody has been told."""
        options = self._uplink.options
        return self._wall_ms() - options.job_lifetime_ms - int(options.overdue_ms)

    def take_heard(self) -> list[tuple[Utterance, Outcome | None]]:
        """Return, once, what others hear, with the outcome of what is not open."""
        heard, self._heard = self._heard, []
        found: list[tuple[Utterance, Outcome | None]] = []
        for utterance, cut in heard:
            known = self._moved.outcomes.get(cut.number)
            if self._uplink.open.jobs.get(cut.job_id) is not None:
                found.append((utterance, None))
            elif cut.heard_by is None or cut.heard_by.cut_at_ms < self._told_before_ms:
                self._records.members.settle(cut.index)
            elif known is not None:
                found.append((utterance, outcome_of(utterance, known)))
            else:
                lost = MissingReason.INSTANCE_LOST
                ended = JobEnded(cut.job_id, JobState.FAILED, lost, None, 0, None)
                found.append((utterance, Outcome(utterance, ended)))
        return found

    def _reopen(self, saved: CutRecord, now_ms: float) -> Utterance:
        """Return an utterance that was cut elsewhere; what it consists of comes again."""
        utterance = self._rebuilt(saved, now_ms)
        self._uplink.open.add(utterance)
        self._records.add(utterance, saved)
        self._progress.cut(utterance.spec.request_id, saved.first_seq)
        if saved.closing and saved.first_seq is None:
            self._fill(utterance, b"")
        return utterance

    def _rebuilt(self, saved: CutRecord, now_ms: float) -> Utterance:
        options = self._uplink.options
        spec, work = self._moved.job(saved, options)
        return Utterance(
            spec=spec,
            work=work,
            reason=saved.reason,
            audio=None,
            begun_at_ms=now_ms,
            cut_at_ms=now_ms + spec.deadline_in_ms - options.job_lifetime_ms,
            is_repeatable=saved.request is not None,
            awaits_replay=True,
            has_job=saved.job_id in self._moved.jobs,
            track=_track(saved, spec.language),
            lane=saved.lane,
        )

    # ---- audio that comes again -------------------------------------------------------------

    def take(self, message: ChunkArrived) -> bool:
        """Take audio that was cut elsewhere; False if it is none of that.

        Raises:
            ProtocolError: the audio is not in the session's format; nothing has changed.
        """
        replay = self._replay
        if replay is None or not replay.covers(message.seq):
            return False
        uplink = self._uplink
        if self._progress.has(message.seq) or uplink.is_on_its_way(message.seq):
            return True
        taken = uplink.take_in(message)
        if taken is None:
            return True
        if taken.begins is not None:
            uplink.segmenter.redeclare(*taken.begins)
        uplink.segmenter.measure(taken.audio, taken.opus_ticks)
        self._take(replay, message.seq, taken.audio)
        return True

    def converted(self, piece: Piece) -> bool:
        """Take audio that was cut elsewhere and comes from a converter; False if it is none."""
        replay, seq = self._replay, piece.chunk.seq
        if replay is None or not replay.covers(seq):
            return False
        if piece.begins:
            self._uplink.segmenter.redeclare(AudioFormat.PCM16, CONVERTED_RATE_HZ)
        self._take(replay, seq, piece.chunk.audio, is_last=not piece.part)
        return True

    def _take(self, replay: AudioReplay, seq: int, audio: bytes, *, is_last: bool = True) -> None:
        if is_last:
            self._progress.take(seq)
        restored = replay.take(seq, audio, is_last=is_last)
        if restored is not None:
            for utterance in list(self._uplink.open):
                is_it = utterance.spec.utterance_index == restored.utterance_index
                if is_it and utterance.awaits_replay:
                    self._fill(utterance, restored.audio)
        self._uplink.replayed(replay.held_bytes)

    def repeated(self, utterance_index: int, audio: bytes) -> None:
        """A whole utterance was sent again: it may be one whose audio is missing here."""
        for utterance in list(self._uplink.open):
            is_it = utterance.spec.utterance_index == utterance_index
            if is_it and utterance.awaits_replay:
                self._fill(utterance, audio)
        self._uplink.account()

    def forget(self, utterance: Utterance) -> None:
        """It has its outcome: its audio is only passed over."""
        index = utterance.spec.utterance_index
        if self._replay is None or not utterance.awaits_replay:
            return
        if not self._uplink.open.has_spoken(index):
            self._replay.forget(index)
            self._uplink.replayed(self._replay.held_bytes)

    def drop(self) -> None:
        """The session is over."""
        self._replay = None
        self._filled.clear()

    def take_filled(self) -> list[Utterance]:
        """Return the utterances whose audio came again since the last look."""
        filled, self._filled = self._filled, []
        return filled

    def _fill(self, utterance: Utterance, audio: bytes) -> None:
        work = utterance.work
        audio = audio or silence(work.audio_format, CLOSING_SILENCE_MS, work.sample_rate_hz)
        self._uplink.open.fill(utterance, audio)
        self._filled.append(utterance)


def _track(saved: CutRecord, language: str) -> Track | None:
    """Return in which of several languages it was asked for; None: there was one."""
    if saved.heard_by is not None:
        return saved.heard_by.track(language)
    if saved.lane is None:
        return None
    return Track(language, for_speaker=True, further_language=saved.further_language)


def _parts_of(turn_id: TurnId, opened: Iterable[Utterance]) -> set[int]:
    """Return the positions of a turn's open segments."""
    return {each.spec.turn_part for each in opened if each.spec.turn_id == turn_id}
