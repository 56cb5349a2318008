"""Notes: what the store keeps of a session, so that another instance can go on with it.

With each cut the store is told what that takes (`SessionRecord`); what no cut carries is noted
apart. Made for a session that asked for `resume`. Must not: know when the session begins, pauses
or ends.
"""

from actors.messages.job import JobEnded
from actors.messages.takeover import RecordSession, SessionRecorded
from actors.session.downlink.gate import OutcomeGate
from actors.session.parts import Parts
from actors.session.profile.resumption import Resumption
from actors.session.profile.update import difference
from actors.session.record.saved import SessionRecord, TurnRecord
from actors.session.resume.cut_records import CutRecords
from actors.session.uplink.progress import AudioProgress
from actors.session.utterances import Utterance
from protocol.encode import encode_audio_ack
from storage.sessions import Claim, HeardEntry


class Notes:
    """The part of a session that outlives its instance; all times are monotonic ms."""

    def __init__(
        self,
        parts: Parts,
        records: CutRecords,
        progress: AudioProgress,
        gate: OutcomeGate,
        resumption: Resumption,
    ) -> None:
        self.records = records
        self._parts = parts
        self._uplink = parts.uplink
        self._progress = progress
        self._gate = gate
        self._resumption = resumption
        self._noting_seq: int | None = None
        """While a note is on its way: up to where it tells of cuts."""
        self._tokens_from = ""
        """To be noted: the lowest token that is valid."""
        self._serial = 0
        self._unconfirmed: dict[int, tuple[HeardEntry, ...]] = {}
        """Utterances of others by the note that tells of them, until the store has it."""

    # ---- what the store is sent -------------------------------------------------------------

    def claim(self) -> Claim:
        """Return what the session is claimed with."""
        profile = self._parts.profile
        return Claim(
            profile.session_id,
            profile.tenant_id,
            known_epoch=self._uplink.opening.epoch,
            token_key=self._resumption.mint.key,
            profile=profile.text(),
            session_state=self.state(),
        )

    def state(self) -> str:
        """Return what another instance would need."""
        records, life, order = self.records, self._parts.life, self._gate.order
        segmenter, indexes = self._uplink.segmenter, self._uplink.indexes
        turn, member = segmenter.turn, self._parts.room.member
        saved = SessionRecord(
            number=records.own.count,
            end_seq=self._progress.end_seq,
            joined_seq=self._progress.joined_seq,
            next_index=indexes.next_index,
            has_first_index=self._parts.profile.is_browser and not self._uplink.counts_from_seq,
            client_indexes=indexes.client_runs,
            audio_format=segmenter.audio_format,
            sample_rate_hz=segmenter.framing.sample_rate_hz,
            wishes=difference(self._parts.profile, self._uplink.opening.wishes),
            heard_ticks=segmenter.settled_ticks,
            streams=tuple(self._progress.streams.runs),
            client_cuts=segmenter.endpointing.has_client_cut,
            turn=None if turn is None else TurnRecord(turn.turn_id, turn.next_part, turn.ticks),
            passed=tuple(sorted(order.passed)),
            crossed=tuple(sorted(order.crossed)),
            late=tuple(order.late.items()),
            ends=records.own.ends,
            closing=life.is_closing,
            acknowledge=life.acknowledge,
            room=None if member is None else member.saved,
            heard=() if member is None else member.heard_records,
            member_cut_count=records.members.count,
        )
        return saved.text(records.own.texts(), records.members.texts())

    def state_with(self, utterance: Utterance) -> str:
        """Return what the store keeps with a cut for another instance."""
        utterance.end_seq = self._progress.end_seq
        return self.state()

    def note(self) -> None:
        """Have the store keep what no cut carries."""
        self._noting_seq = self._progress.end_seq
        self._serial += 1
        heard = self._gate.take_heard()
        if heard:
            self._unconfirmed[self._serial] = heard
        self._parts.dispatcher.tell(
            RecordSession(
                self._parts.ref,
                self._parts.session_id,
                self.state(),
                self._tokens_from,
                self._noting_seq,
                self._serial,
                heard,
            )
        )
        self._tokens_from = ""

    def note_if_needed(self) -> None:
        """One note at a time, but for what outcomes wait for."""
        progress, gate, member = self._progress, self._gate, self._parts.room.member
        lags = (progress.lags or progress.has_joined) and self._noting_seq is None
        is_elsewhere = member is not None and member.take_unsaved()
        if gate.wants_note or self._tokens_from or lags or is_elsewhere:
            progress.lags = progress.has_joined = gate.wants_note = False
            self.note()

    def settle_token(self) -> None:
        """The client has spoken: it knows its newest token, and the store shall, too."""
        number = self._resumption.settle()
        if number is not None:
            self._tokens_from = str(number)

    def end_offer(self) -> None:
        """The grace is over: nobody may come back any more, here or elsewhere."""
        self._tokens_from = str(self._resumption.beyond)
        self.note()  # before anything says that the session closes

    # ---- what the store says ----------------------------------------------------------------

    def recorded(self, message: SessionRecorded) -> None:
        """The store has a note, and all before it."""
        if message.serial == self._serial:
            self._noting_seq = None
            self._parts.downlink.open_gate()
        member = self._parts.room.member
        for serial in [one for one in self._unconfirmed if one <= message.serial]:
            for heard in self._unconfirmed.pop(serial):
                if member is not None:
                    member.kept(heard.key)
        self._progress.stored(message.end_seq)

    def claimed(self) -> None:
        """The store knows the session; what was noted before may be lost."""
        self._noting_seq = None  # should its note be lost, the next one says it as well
        lost, self._unconfirmed = self._unconfirmed, {}
        self._gate.note_again(one for heard in lost.values() for one in heard)

    def stored(self, utterance: Utterance) -> None:
        """The store has the utterance's job, and with it all that was cut up to here."""
        self._progress.stored(utterance.end_seq)

    def ended(self, utterance: Utterance, message: JobEnded) -> None:
        """An utterance has its outcome; where no job tells it, it is kept here."""
        if message.attempt:
            self.stored(utterance)
        elif message.reason is not None and utterance.spec.cut:
            self.records.ended_unasked(utterance, message.reason)

    # ---- what the client hears beside it ----------------------------------------------------

    @property
    def due_ms(self) -> float | None:
        """When `acknowledge_audio` may have something to say."""
        return None if self._parts.downlink.outbox is None else self._progress.due_ms

    def acknowledge_audio(self, now_ms: float) -> None:
        """Tell the client what it may forget, if that is due."""
        if self._parts.downlink.outbox is None:
            return
        next_seq = self._progress.acknowledge(now_ms)
        if next_seq is not None:
            session_id = self._parts.session_id
            self._parts.downlink.send(encode_audio_ack(session_id, next_seq))
