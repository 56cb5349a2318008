"""UplinkRestore: what of a session's uplink outlives its instance.

It says what another instance needs to go on, and goes on where another one stopped: what was cut
there is open here, and its audio comes again. Must not: decide what is cut.
"""

from collections.abc import Callable, Iterable

from actors.admission import HeldAudio
from actors.messages.job import JobEnded
from actors.messages.session import ChunkArrived
from actors.session.cut import Cut
from actors.session.downlink.outcome import Outcome, outcome_of
from actors.session.job_spec import Numbers
from actors.session.options import UplinkOptions
from actors.session.profile import Request, SessionProfile, in_language
from actors.session.record.moved import TakenOverSession
from actors.session.record.saved import CutRecord, SessionRecord, TurnRecord, saved_cut
from actors.session.record.saved_room import AudienceRecord, restored_readers, saved_audience
from actors.session.resume.audio_replay import AudioReplay
from actors.session.resume.cut_ledger import CutLedger, MemberCutLedger
from actors.session.uplink.indexes import UsedIndexes
from actors.session.uplink.progress import AudioProgress
from actors.session.uplink.segment import Turn
from actors.session.uplink.segmenter import CLOSING_SILENCE_MS, Segmenter
from actors.session.utterances import OpenUtterances, Utterance
from protocol.audio import silence
from protocol.errors import MissingReason
from protocol.ids import RequestId, TurnId
from storage.job import JobState


class UplinkRestore:
    """Segmenter, index counter and open utterances of one session, to be saved and restored.

    Invariant: what it holds in bytes (chunks not cut yet and open utterances) is what it has
    taken from the process's ledger.
    """

    def __init__(self, profile: SessionProfile, options: UplinkOptions, held: HeldAudio) -> None:
        self.open = OpenUtterances()
        self.epoch = 0
        """The session's epoch in the store; 0 until it is claimed."""
        self._profile = profile
        self._options = options
        self._held = held
        self._accounted_bytes = 0
        self._accounted_open = 0
        self._indexes = UsedIndexes()
        self._segmenter = Segmenter(
            options.segmenter,
            audio_format=profile.audio_format,
            sample_rate_hz=profile.sample_rate_hz,
        )
        self.progress: AudioProgress | None = None
        """What has arrived and what may be forgotten; None unless the client may resume."""
        self.ledger: CutLedger | None = None
        """What another instance would have to know of the cuts; None as above."""
        self.said = MemberCutLedger()
        """The same of those that only others hear, in a room."""
        self.wall_ms: Callable[[], int] = lambda: 0
        self._replay: AudioReplay | None = None
        """For audio that was cut elsewhere and comes again."""
        self._filled: list[Utterance] = []
        self._restored: list[tuple[Utterance, CutRecord]] = []
        if profile.is_resumable:
            self.progress = AudioProgress(options.audio_ack_interval_ms)
            self.ledger = CutLedger()

    def _remember(
        self, cut: Cut, utterance: Utterance, request: Request, *, is_message: bool
    ) -> None:
        """Note where it was cut, and who hears it."""
        spec, track = utterance.spec, utterance.track
        if self.ledger is None or not spec.cut:
            return
        own = request if track is None else in_language(request, track)
        asked = own.text() if is_message or own != request else None
        numbers = Numbers(spec.job_id, spec.utterance_index, spec.session_epoch, spec.cut)
        saved = saved_cut(cut, numbers, asked, saved_audience(utterance, self.wall_ms()))
        if spec.cut > 0:
            self.ledger.add(spec.request_id, saved)
        else:
            self.said.add(saved)

    @property
    def number(self) -> int:
        """The latest number, see `next_number`."""
        return 0 if self.ledger is None else self.ledger.count

    def next_number(self) -> int:
        """Return the number of what the client hears next in order; 0 if it cannot resume."""
        return 0 if self.ledger is None else self.ledger.next_number()

    def next_said_number(self) -> int:
        """Return the number of what only others hear; 0 if the session cannot be resumed."""
        return 0 if self.ledger is None else self.said.next_number()

    def said_settled(self, utterance_index: int) -> None:
        """Those who hear an utterance have it, in whichever language has ended."""
        if not self.open.has_spoken(utterance_index):
            self.said.settle(utterance_index)

    def saved(self) -> SessionRecord:
        """Return what another instance needs besides the cuts."""
        segmenter, ledger, turn = self._segmenter, self.ledger, self._segmenter.turn
        return SessionRecord(
            number=self.number,
            end_seq=0 if self.progress is None else self.progress.end_seq,
            next_index=self._indexes.next_index,
            client_indexes=self._indexes.client_runs,
            audio_format=segmenter.audio_format,
            sample_rate_hz=segmenter.sample_rate_hz,
            turn=None if turn is None else TurnRecord(turn.turn_id, turn.next_part, turn.ticks),
            ends=() if ledger is None else ledger.ends,
            said_number=self.said.count,
        )

    def restore(self, moved: TakenOverSession, now_ms: float) -> dict[int, Utterance]:
        """Begin where another instance ended; return the open utterances by number.

        Their audio comes with what the client sends again, from the first of them on.
        """
        saved = moved.saved
        self.epoch = moved.epoch
        self._indexes = UsedIndexes.restored(
            saved.next_index + moved.count - saved.number, saved.client_indexes
        )
        ledger = self.ledger = CutLedger(moved.count)
        replay = self._replay = AudioReplay(saved.end_seq)
        if saved.audio_format is not None:
            self._segmenter.declare_format(saved.audio_format, saved.sample_rate_hz)
        ended = moved.outcomes.keys() | moved.heard()
        opened: dict[int, Utterance] = {}
        next_seq = saved.end_seq
        for cut in saved.cuts:
            is_open = cut.number not in ended
            if is_open:
                opened[cut.number] = self._reopen(cut, moved, now_ms)
            elif opened:
                ledger.keep(cut)
            if cut.first_seq is not None and cut.last_seq is not None:
                replay.add(cut.index, (cut.first_seq, cut.last_seq), wanted=is_open)
                if is_open:
                    next_seq = min(next_seq, cut.first_seq)
        for cut in saved.said:
            if cut.first_seq is not None and cut.last_seq is not None:
                is_open = moved.is_open(cut, self._told_before_ms)
                replay.add(cut.index, (cut.first_seq, cut.last_seq), wanted=is_open)
                if is_open:
                    next_seq = min(next_seq, cut.first_seq)
        self._restore_heard(moved, opened, now_ms)
        if saved.turn is not None:
            turn, parts = saved.turn, _parts_of(saved.turn.turn_id, self.open)
            again = Turn.restored(turn.turn_id, turn.next_part, turn.ticks, parts)
            self._segmenter.restore(again, now_ms)
        if self.progress is not None:
            self.progress.restore(next_seq, saved.end_seq)
        self.detached(now_ms)
        return opened

    def _restore_heard(
        self, moved: TakenOverSession, opened: dict[int, Utterance], now_ms: float
    ) -> None:
        """Go on with what others hear: what has a job is open, the rest is told again."""
        self.said = MemberCutLedger(moved.saved.said_number)
        by_index: dict[int, list[tuple[CutRecord, AudienceRecord]]] = {}
        for cut in (*moved.saved.cuts, *moved.saved.said):
            if cut.heard_by is not None:
                by_index.setdefault(cut.index, []).append((cut, cut.heard_by))
        for cuts in by_index.values():
            readers = restored_readers([heard_by for _, heard_by in cuts])
            for cut, _ in cuts:
                utterance = opened.get(cut.number)
                is_said = cut.number < 0 and moved.is_open(cut, self._told_before_ms)
                if utterance is None and is_said:
                    utterance = self._reopen(cut, moved, now_ms)
                elif utterance is None:
                    utterance = self._rebuilt(cut, moved, now_ms)
                    if cut.number < 0:
                        self.said.add(cut)
                utterance.readers = readers
                self._restored.append((utterance, cut))

    @property
    def _told_before_ms(self) -> int:
        """What was cut before that (Unix ms) everybody has been told."""
        options = self._options
        return self.wall_ms() - options.job_lifetime_ms - int(options.overdue_ms)

    def take_restored(self, moved: TakenOverSession) -> list[tuple[Utterance, Outcome | None]]:
        """Return, once, what others hear, with the outcome of what is not open."""
        restored, self._restored = self._restored, []
        found: list[tuple[Utterance, Outcome | None]] = []
        for utterance, cut in restored:
            known = moved.outcomes.get(cut.number)
            if self.open.get(cut.job_id) is not None:
                found.append((utterance, None))
            elif cut.heard_by is None or cut.heard_by.cut_at_ms < self._told_before_ms:
                self.said.settle(cut.index)
            elif known is not None:
                found.append((utterance, outcome_of(utterance, known)))
            else:
                lost = MissingReason.INSTANCE_LOST
                ended = JobEnded(cut.job_id, JobState.FAILED, lost, None, 0, None)
                found.append((utterance, Outcome(utterance, ended)))
        return found

    def _reopen(self, saved: CutRecord, moved: TakenOverSession, now_ms: float) -> Utterance:
        """Return an utterance that was cut elsewhere; what it consists of comes again."""
        utterance = self._rebuilt(saved, moved, now_ms)
        self.open.add(utterance)
        if self.ledger is not None and self.progress is not None:
            if saved.number > 0:
                self.ledger.add(utterance.spec.request_id, saved)
            else:
                self.said.add(saved)
            self.progress.cut(utterance.spec.request_id, saved.first_seq)
        if saved.closing and saved.first_seq is None:
            self._fill(utterance, b"")
        return utterance

    def _rebuilt(self, saved: CutRecord, moved: TakenOverSession, now_ms: float) -> Utterance:
        spec, work = moved.job(saved, self._options)
        heard_by = saved.heard_by
        return Utterance(
            spec=spec,
            work=work,
            reason=saved.reason,
            audio=None,
            begun_at_ms=now_ms,
            cut_at_ms=now_ms + spec.deadline_in_ms - self._options.job_lifetime_ms,
            is_repeatable=saved.request is not None,
            awaits_replay=True,
            has_job=saved.job_id in moved.jobs,
            track=None if heard_by is None else heard_by.track(spec.language),
        )

    def chunk_again(self, message: ChunkArrived) -> None:
        """Take audio only if it was cut before: nothing else counts any more."""
        replay, progress = self._replay, self.progress
        if replay is None or progress is None or not replay.covers(message.seq):
            return
        if progress.take(message.seq):
            self._take_again(replay, message)

    def _take_again(self, replay: AudioReplay, message: ChunkArrived) -> None:
        """Take audio that was cut elsewhere: the boundaries decide what it belongs to."""
        restored = replay.take(message.seq, message.audio)
        if restored is not None:
            for utterance in list(self.open):
                is_it = utterance.spec.utterance_index == restored.utterance_index
                if is_it and utterance.awaits_replay:
                    self._fill(utterance, restored.audio)
        self._account()

    def _fill_repeated(self, key: RequestId, audio: bytes) -> None:
        """A whole utterance was sent again: it may be one whose audio is missing here."""
        for utterance in self.open:
            if utterance.spec.request_id == key and utterance.awaits_replay:
                self._fill(utterance, audio)
                self._account()
                return

    def _fill(self, utterance: Utterance, audio: bytes) -> None:
        work = utterance.work
        audio = audio or silence(work.audio_format, CLOSING_SILENCE_MS, work.sample_rate_hz)
        self.open.fill(utterance, audio)
        self._filled.append(utterance)

    @property
    def has_filled(self) -> bool:
        """Whether `take_filled` has something."""
        return bool(self._filled)

    def take_filled(self) -> list[Utterance]:
        """Return the utterances whose audio came again since the last look."""
        filled, self._filled = self._filled, []
        return filled

    def detached(self, now_ms: float) -> None:
        """The client lost its socket: if it may resume, its quiet is no pause.

        Else the pause clock runs, whatever it played: it says no more that it has ended.
        """
        if self.progress is not None:
            self._segmenter.hold_pause(now_ms)
        else:
            self._segmenter.playback_ended(now_ms)

    def _account(self) -> None:
        """Settle with the ledger what is held more or less than before."""
        holds = self._segmenter.held_bytes + self.open.held_bytes
        if self._replay is not None:
            holds += self._replay.held_bytes
        change = holds - self._accounted_bytes
        if change > 0:
            self._held.take(change)
        elif change < 0:
            self._held.give_back(-change)
        self._accounted_bytes = holds
        now_open = len(self.open)
        if now_open != self._accounted_open:
            self._held.count(now_open - self._accounted_open)
            self._accounted_open = now_open


def _parts_of(turn_id: TurnId, opened: Iterable[Utterance]) -> set[int]:
    """Return the positions of a turn's open segments."""
    return {each.spec.turn_part for each in opened if each.spec.turn_id == turn_id}
