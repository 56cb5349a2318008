"""Notes: what a session that can be resumed leaves in the store, and finds there.

With each cut the store is told what another instance would need to go on (`SessionRecord`); what
no cut carries is noted apart. A session that begins in the middle is restored from it. Must not:
know when the session begins, pauses or ends.
"""

from dataclasses import replace
from typing import Any

from actors.messages.job import JobEnded, UtteranceWanted
from actors.messages.room import RoomMessage, RoomOver, RoomSeen
from actors.messages.session import ChunkArrived, SessionClaimed, SessionOpened
from actors.messages.takeover import RecordSession, SessionRecorded, SocketResumed
from actors.ports import Outbox
from actors.session.member.member import Member
from actors.session.profile import SessionProfile
from actors.session.record.moved import TakenOverSession
from actors.session.record.saved import EndRecord
from actors.session.resumption import Resumption, TokenMint, new_token_key
from actors.session.setup import SessionSetup
from actors.session.speech import Speech
from actors.session.utterances import Utterance
from protocol.ids import RequestId
from storage.sessions import Claim, HeardEntry

STORE_WAIT_MS = 250.0
"""A store that does not answer in this time is away; sessions begin without it all the same."""


class Notes(Speech):
    """The part of a session that outlives its instance."""

    def __init__(
        self,
        profile: SessionProfile,
        setup: SessionSetup,
        outbox: Outbox | None,
        moved: TakenOverSession | None,
    ) -> None:
        super().__init__(profile, setup, outbox)
        self._resumption: Resumption | None = None
        self._noting_seq: int | None = None
        """While a note is on its way: up to where it tells of cuts."""
        self._tokens_from = ""
        """To be noted: the lowest token that is valid."""
        self._note_serial = 0
        self._unconfirmed: dict[int, tuple[HeardEntry, ...]] = {}
        """Words of others by the note that tells of them, until the store has it."""
        self._welcome_at_ms: float | None = None
        """Until when the acknowledgement waits for the store."""
        self._resumed: SocketResumed | None = None
        """A client that is back, and hears so once it is known who else is in its room."""
        self._is_token_fresh = False
        """The client has not spoken since it was given its token."""
        self._is_closing = False
        self._acknowledge = False
        if profile.is_resumable:
            mint = TokenMint(profile.session_id, new_token_key()) if moved is None else moved.mint
            self._resumption = Resumption(
                profile.credential,
                outbox,
                mint,
                presented=None if moved is None else moved.presented,
                use_binary_frame=profile.use_binary_frame,
            )
            setup.presence.offer(profile.session_id, self._resumption)

    def _restore(self, moved: TakenOverSession) -> None:
        """Go on where another instance ended; what was delivered there waits for its replay."""
        now_ms, rooms, saved = self.now_ms(), self._setup.rooms, moved.saved
        room = None
        if rooms is not None and (saved.room is not None or saved.words or saved.said):
            room = self._make_room(rooms)
            room.restore(moved, now_ms)
        opened = self._uplink.restore(moved, now_ms)
        self._downlink.restore(moved, opened, now_ms)
        self._is_closing, self._acknowledge = saved.closing, saved.acknowledge
        if room is not None:
            self._restore_said(room, moved)
            room.go_on(moved, now_ms)
        self._send_filled()

    def _restore_said(self, room: Member, moved: TakenOverSession) -> None:
        """Tell the others again what they may not have heard: once it is seen where they are."""
        code = "" if moved.saved.room is None else moved.saved.room.code
        said: set[int] = set()
        restored = self._uplink.take_restored(moved)
        for utterance, _ in restored:
            index = utterance.spec.utterance_index
            room.cut_elsewhere(utterance, code, is_first=index not in said)
            said.add(index)
        for _, ended in restored:
            if ended is not None:
                room.ended(ended)

    def _welcome(self, *, resumed: bool) -> None:
        """Acknowledge `session_init`; a client that may resume is told how and from where."""
        self._welcome_at_ms = None
        ack = self._profile.acknowledgement()
        if self._resumption is not None and self._uplink.progress is not None:
            self._is_token_fresh = True
            extensions: dict[str, Any] = {
                "resume_token": self._resumption.renew(self._uplink.epoch),
                "resumed": resumed,
                "next_seq": self._uplink.progress.next_seq,
            }
            if resumed:
                extensions["message"] = "session resumed"
            ack = ack.model_copy(update=extensions)
        self._downlink.send(ack)

    # ---- who hears what comes next ----------------------------------------------------------

    def _on_resumed(self, message: SocketResumed) -> None:
        """Speak with the client on this socket."""
        raise NotImplementedError

    def _waits_for_room(self, message: SocketResumed) -> bool:
        """Whether the client is answered later: what it says next is for those in its room."""
        earlier, self._resumed = self._resumed, None
        if earlier is not None and earlier is not message and self._resumption is not None:
            self._resumption.meet()
        if earlier is message or self._room is None or not self._room.is_reclaiming:
            return False
        self._resumed = message
        self._welcome_at_ms = self.now_ms() + STORE_WAIT_MS
        return True

    def _wait_no_longer(self) -> None:
        if self._resumed is None:
            self._welcome(resumed=False)
        else:
            self._on_resumed(self._resumed)

    def _on_room(self, message: RoomMessage) -> None:
        if self._resumed is not None and isinstance(message, RoomSeen | RoomOver):
            self._on_resumed(self._resumed)
        super()._on_room(message)

    # ---- what the store is told -------------------------------------------------------------

    def _open_in_store(self) -> None:
        profile, claim = self._profile, None
        if self._resumption is not None:
            claim = Claim(
                profile.session_id,
                profile.tenant_id,
                known_epoch=self._uplink.epoch,
                token_key=self._resumption.mint.key,
                profile=profile.text(),
                session_state=self._state(),
            )
        self._setup.directory.dispatcher.tell(
            SessionOpened(self.actor_ref, profile.session_id, profile.tenant_id, claim)
        )

    def _state(self) -> str:
        """Return what another instance would need; empty when nobody can resume the session."""
        ledger = self._uplink.ledger
        if ledger is None:
            return ""
        order, room = self._downlink.order, self._room
        saved = self._uplink.saved()
        if order.passed or order.late or self._is_closing:
            saved = replace(
                saved,
                passed=tuple(sorted(order.passed)),
                late=tuple(order.late.items()),
                closing=self._is_closing,
                acknowledge=self._acknowledge,
            )
        if room is not None:
            saved = replace(saved, room=room.saved, words=room.heard_records)
        return saved.text(ledger.texts(), self._uplink.said.texts())

    def _state_with(self, utterance: Utterance) -> str:
        if self._uplink.progress is None:
            return ""
        utterance.end_seq = self._uplink.progress.end_seq
        return self._state()

    def _note(self) -> None:
        """Have the store keep what no cut carries."""
        progress = self._uplink.progress
        if progress is None:
            return
        self._noting_seq = progress.end_seq
        self._note_serial += 1
        heard, self._downlink.heard = tuple(self._downlink.heard), []
        if heard:
            self._unconfirmed[self._note_serial] = heard
        self._setup.directory.dispatcher.tell(
            RecordSession(
                self.actor_ref,
                self._profile.session_id,
                self._state(),
                self._tokens_from,
                self._noting_seq,
                self._note_serial,
                heard,
            )
        )
        self._tokens_from = ""

    def _note_if_needed(self) -> None:
        """One note at a time, but for what outcomes wait for."""
        progress = self._uplink.progress
        if progress is None:
            return
        lags = progress.lags and self._noting_seq is None
        is_elsewhere = self._room is not None and self._room.take_unsaved()
        if self._downlink.wants_note or self._tokens_from or lags or is_elsewhere:
            progress.lags = self._downlink.wants_note = False
            self._note()

    def _on_noted(self, message: SessionRecorded) -> None:
        if message.serial == self._note_serial:
            self._noting_seq = None
            self._downlink.open_gate()
        for serial in [one for one in self._unconfirmed if one <= message.serial]:
            for heard in self._unconfirmed.pop(serial):
                if self._room is not None:
                    self._room.kept(heard.key)
        if self._uplink.progress is not None:
            self._uplink.progress.stored(message.end_seq)

    def _on_claimed(self, message: SessionClaimed) -> None:
        self._uplink.epoch = message.epoch
        self._noting_seq = None  # should its note be lost, the next one says it as well
        lost, self._unconfirmed = self._unconfirmed, {}
        self._downlink.note_again(one for heard in lost.values() for one in heard)

    def _settle_token(self) -> None:
        """The client has spoken: it knows its newest token, and the store shall, too."""
        number = None if self._resumption is None else self._resumption.settle()
        if number is not None:
            self._tokens_from = str(number)

    def _end_offer(self) -> None:
        """The grace is over: nobody may come back any more, here or elsewhere."""
        self._setup.presence.withdraw(self._profile.session_id)
        if self._resumption is not None:
            self._tokens_from = str(self._resumption.beyond)
            self._note()  # before anything says that the session closes

    # ---- what becomes of cuts ---------------------------------------------------------------

    def _on_known(self, utterance: Utterance) -> None:
        """The store has the job, and with it all that was cut up to here."""
        if self._uplink.progress is not None:
            self._uplink.progress.stored(utterance.end_seq)

    def _on_ended(self, message: JobEnded) -> None:
        utterance = self._uplink.open.get(message.job_id)
        ledger = self._uplink.ledger
        if utterance is not None and ledger is not None:
            if message.attempt:
                self._on_known(utterance)
            elif message.reason is not None and utterance.spec.cut:
                spec, reason = utterance.spec, message.reason.value
                index, language = spec.utterance_index, spec.language
                ledger.end(EndRecord(spec.cut, index, language, spec.job_id, reason))
        super()._on_ended(message)

    def _on_delivered(self, key: RequestId) -> None:
        super()._on_delivered(key)
        if self._uplink.ledger is not None:
            self._uplink.ledger.answered(key)

    # ---- audio that comes again -------------------------------------------------------------

    def _on_wanted(self, message: UtteranceWanted) -> None:
        utterance = self._uplink.open.get(message.job_id)
        if utterance is not None and utterance.awaits_replay:
            utterance.wanted_attempt = message.attempt
        else:
            super()._on_wanted(message)

    def _on_chunk_again(self, message: ChunkArrived) -> None:
        self._uplink.chunk_again(message)
        self._send_filled()

    def _send_filled(self) -> None:
        """What was cut elsewhere is whole again: a node waits for it, or it never was a job."""
        for utterance in self._uplink.take_filled():
            if utterance.wanted_attempt is not None:
                self._supply(utterance, utterance.wanted_attempt)
                utterance.wanted_attempt = None
            elif not utterance.has_job:
                utterance.has_job = True
                self._tell_cut(utterance)
