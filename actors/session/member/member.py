"""Member: a session's part in a room, from the wish to enter to the last outcome.

What it says goes to the other members (`Speaking`), what they say comes to its client
(`Hearing`), and their voice links are helped up (`VoiceLinks`). Made when the client first asks
for a room. Must not: decide when the session ends.
"""

from typing import Protocol, assert_never

from actors.messages.job import PartialArrived
from actors.messages.room import (
    HeardAcknowledged,
    HeardCorrection,
    HeardCut,
    HeardOutcome,
    HeardPartial,
    MemberMessage,
    MemberSpoke,
    RoomChanged,
    RoomChangedElsewhere,
    RoomOver,
    RoomRequested,
    RoomSeen,
    SeatGranted,
    SeatReclaimed,
    SeatRefused,
    SignalArrived,
    SignalRelayed,
)
from actors.room.audience import Audience, Track, audience, listener_of
from actors.room.setup import RoomSetup
from actors.runtime.actor import tell
from actors.session.downlink.downlink import Downlink
from actors.session.downlink.outcome import (
    MemberUtterance,
    Outcome,
    WireOutcome,
    asr_partial,
    wire_outcome,
)
from actors.session.downlink.sequencer import Delivery
from actors.session.member.aliases import Aliases
from actors.session.member.hearing import Hearing
from actors.session.member.seat import MemberSeat
from actors.session.member.speaking import Settles, Speaking
from actors.session.member.voice_links import VoiceLinks
from actors.session.profile.profile import SessionProfile
from actors.session.profile.request import Request
from actors.session.record.moved import TakenOverSession
from actors.session.record.saved_room import HeardRecord, RoomRecord
from actors.session.uplink.indexes import UsedIndexes
from actors.session.utterances import Utterance
from protocol.ids import JobId, RequestId, session_of
from protocol.messages.rooms import RoomExpired
from protocol.messages.session_outbound import TranslationResult
from storage.job import JobState

_FIRST_OF_PAGES = 100_000
_SECONDS_A_DAY = 86_400
_ONE_BYTE = "AA=="


class OfSession(Settles, Protocol):
    """What a member knows of the session that it is a part of."""

    indexes: UsedIndexes
    """What it hears takes an index, as what it says does."""
    overdue_ms: float
    """From a cut to when its outcome is not waited for."""


class Member:
    """The room of one session, or none. All times are monotonic ms."""

    __slots__ = (
        "_downlink",
        "_first_language",
        "_hearing",
        "_indexes",
        "_profile",
        "_seat",
        "_setup",
        "_unconfirmed",
        "_voice_links",
        "speaking",
    )

    def __init__(
        self,
        profile: SessionProfile,
        setup: RoomSetup,
        downlink: Downlink,
        session: OfSession,
    ) -> None:
        self._profile = profile
        self._setup = setup
        self._downlink = downlink
        self._indexes = session.indexes
        self._first_language: str | None = None
        aliases = Aliases(profile.session_id)
        self._seat = MemberSeat(profile, setup, downlink, self, aliases)
        self._hearing = Hearing(session.overdue_ms, aliases)
        self._unconfirmed: list[RequestId] = []
        """Outcomes whose speakers are notified that it has them, once it is seen where they are."""
        self.speaking = Speaking(profile.session_id, setup, session)
        """What it says to the others, until they have it."""
        self._voice_links = VoiceLinks(profile.session_id, setup, downlink, aliases)

    @property
    def is_seated(self) -> bool:
        """Whether it is in a room now."""
        return self._seat.view is not None

    def deadline_ms(self, now_ms: float) -> float | None:
        """Return when `poll` has something to do."""
        deadlines = (
            self._hearing.deadline_ms,
            self._voice_links.deadline_ms,
            self.speaking.deadline_ms(now_ms),
        )
        return min((at_ms for at_ms in deadlines if at_ms is not None), default=None)

    def on(self, message: MemberMessage, now_ms: float) -> None:
        """Handle one message."""
        match message:
            case RoomRequested():
                self._seat.request(message, now_ms)
            case SignalArrived():
                self._voice_links.signal(message.signal, self._seat.view, now_ms)
            case SignalRelayed():
                self._voice_links.relayed(message.sender, message.signal, self._seat.view, now_ms)
            case HeardCut():
                self._on_heard_cut(message, now_ms)
            case HeardAcknowledged():
                self.speaking.taken(message.key, message.listener)
            case HeardOutcome():
                outcome = self._audible(message)
                self._hear(message.key, self._hearing.ready(message.key, outcome), now_ms)
            case HeardPartial():
                self._on_heard_partial(message)
            case HeardCorrection():
                self._on_heard_correction(message)
            case SeatGranted():
                self._seat.granted(message, now_ms)
            case SeatReclaimed():
                self._seat.reclaimed(message)
            case SeatRefused():
                self._seat.refused(message, now_ms)
            case RoomSeen():
                self._on_seen(message, now_ms)
            case RoomChanged():
                if message.code in self._setup.actors:
                    tell(self._setup.at(message.code), RoomChangedElsewhere(message.version))
            case RoomOver():
                self._on_over(message, now_ms)
            case _:
                assert_never(message)

    def poll(self, now_ms: float) -> None:
        """Do what is due: candidates that waited, outcomes that got lost or will not come."""
        self.speaking.poll(now_ms)
        self._voice_links.poll(self._seat.view, now_ms)
        for key, heard in self._hearing.overdue(now_ms, self._setup.wall_ms()):
            self._hear(key, heard, now_ms)

    # ---- coming and going -------------------------------------------------------------------

    def leave(self, now_ms: float) -> None:
        """Leave the room; what was spoken and not heard yet ends here."""
        if self._seat.leave():
            self._give_up_hearing(now_ms)
            self.speaking.left()

    def close(self, now_ms: float) -> None:
        """The session ends."""
        self._seat.close()
        self.leave(now_ms)

    def listen(self, *, is_listening: bool) -> None:
        """The client came or went: no jobs are made for one that could not hear them."""
        self._seat.listen(is_listening=is_listening)

    # ---- from one instance to another -------------------------------------------------------

    def ask_for(self, wishes: SessionProfile) -> None:
        """The session asks for something else than before, which may change what it hears here."""
        self._seat.ask_for(wishes)

    @property
    def is_inside(self) -> bool:
        """Whether it is in a room, alone or not."""
        return self._seat.view is not None

    @property
    def hears_as_in_room(self) -> bool:
        """Whether the client plays speech as in a room, or may when it comes."""
        return self._seat.code is not None or self._seat.is_asking

    @property
    def is_reclaiming(self) -> bool:
        """Whether it came from another instance, and has not seen its room yet."""
        return self._seat.is_reclaiming

    @property
    def saved(self) -> RoomRecord | None:
        """Which room it is in, for another instance."""
        code = self._seat.saved_code
        return None if code is None else RoomRecord(code, self._first_language)

    @property
    def heard_records(self) -> tuple[HeardRecord, ...]:
        """What others spoke and its client has not heard."""
        gate = self._downlink.gate
        return () if gate is None else self._hearing.saved(gate.number_of)

    def take_unsaved(self) -> bool:
        """Return whether the room is another one than the store was sent, once."""
        is_unsaved, self._seat.is_unsaved = self._seat.is_unsaved, False
        return is_unsaved

    def restore(self, moved: TakenOverSession, now_ms: float) -> None:
        """Begin where another instance stopped: what others spoke has its place already."""
        room = moved.saved.room
        heard = moved.heard()
        had = [one.key for one in moved.saved.heard if one.number in heard]
        had += [one.key for one in moved.heard_outcomes.values()]
        code = "" if room is None else room.code
        self._hearing.restore(moved.open_heard().values(), had, code, now_ms)
        self._first_language = None if room is None else room.first_language

    def go_on(self, moved: TakenOverSession, now_ms: float) -> None:
        """Have its seat here from now on; without one nobody tells it anything any more."""
        room = moved.saved.room
        if room is None:
            self._give_up_hearing(now_ms)
        else:
            self._seat.reclaim(room.code, moved.epoch)

    def vacate(self) -> None:
        """The session goes on elsewhere, and its seat goes along."""
        self._seat.vacate()

    def kept(self, key: RequestId) -> None:
        """The store has what another member spoke: the client hears it, wherever it goes."""
        self._hearing.delivered(key)
        self._confirm(key)

    def _confirm(self, key: RequestId) -> None:
        """Tell the speaker to let go of it."""
        speaker, view = session_of(key), self._seat.view
        if view is None:
            self._unconfirmed.append(key)
            return
        seat = view.seat(speaker)
        if seat is None:
            return  # it has left, and keeps nothing for others
        there = self._setup.directory.session_at(seat.instance_id, speaker)
        if there is not None:
            tell(there, HeardAcknowledged(key, self._profile.session_id))

    def store_emptied(self) -> None:
        """The store has lost its data, and the room with it."""
        self._seat.store_emptied()

    def _on_seen(self, message: RoomSeen, now_ms: float) -> None:
        self._seat.seen(message.view)
        if self._seat.view is message.view:
            present = {seat.session_id for seat in message.view.seats}
            self._voice_links.keep_only(present)
            self.speaking.seen(message.view)
            unconfirmed, self._unconfirmed = self._unconfirmed, []
            for key in unconfirmed:
                self._confirm(key)
            for key, heard in self._hearing.orphaned(present, self._setup.wall_ms()):
                self._hear(key, heard, now_ms)

    def _on_over(self, message: RoomOver, now_ms: float) -> None:
        if self._seat.over(message.code):
            self._downlink.send(RoomExpired(room_code=message.code, message=message.why))
            self._give_up_hearing(now_ms)
            self.speaking.left()

    def _give_up_hearing(self, now_ms: float) -> None:
        self._voice_links.keep_only(set())
        for key, heard in self._hearing.leave(self._setup.wall_ms()):
            self._hear(key, heard, now_ms)

    # ---- speaking ---------------------------------------------------------------------------

    def audience(self, request: Request, open_tracks: list[Track]) -> Audience | None:
        """Return who hears what was just cut; None: the speaker alone, as ever."""
        seats = (
            () if self._seat.view is None else self._seat.view.listeners(self._profile.session_id)
        )
        if not seats and all(track.for_speaker and not track.listeners for track in open_tracks):
            return None
        heard_by = audience(
            map(listener_of, seats),
            request.source,
            request.target,
            open_tracks,
            self._first_language,
        )
        if self._first_language is None:
            plain = (one.language for one in heard_by.tracks if one.further_language is None)
            self._first_language = next(plain, None)
        return heard_by

    def cut(self, utterance: Utterance, *, is_first: bool) -> None:
        """Tell who will hear it that something was spoken."""
        if self._seat.code is not None and is_first:
            tell(self._setup.at(self._seat.code), MemberSpoke())
        self.speaking.cut(utterance, self._seat.code or "", is_first=is_first)

    def cut_elsewhere(self, utterance: Utterance, code: str, *, is_first: bool) -> None:
        """Go on with what was spoken while the session was on another instance."""
        self.speaking.cut(utterance, code, is_first=is_first)

    def partial(self, utterance: Utterance, so_far: PartialArrived) -> None:
        """Show what was recognised so far to those who understand it."""
        if self._seat.code is not None:
            self.speaking.partial(utterance, asr_partial(utterance, so_far), self._seat.code)

    def ended(self, outcome: Outcome) -> None:
        """Bring the outcome of a job to those who hear it."""
        ended = outcome.ended
        is_empty = ended.state is JobState.EMPTY and ended.result is not None
        self.speaking.ended(outcome.utterance, self._unnumbered(outcome), is_empty=is_empty)

    def replaced(self, outcome: Outcome) -> None:
        """A full result came after an empty one."""
        full = self._unnumbered(outcome)
        if isinstance(full, TranslationResult):
            self.speaking.corrected(outcome.utterance, full)

    def take_empty(self, job_id: JobId) -> Utterance | None:
        """Return the utterance whose job ended empty a moment ago, once."""
        return self.speaking.empty(job_id)

    def _unnumbered(self, outcome: Outcome) -> WireOutcome:
        key = outcome.utterance.spec.request_id
        message = wire_outcome(Delivery(key, outcome, 0, late=False), None, self._setup.wall_ms())
        return message.model_copy(update={"delivery_seq": None})

    # ---- hearing ----------------------------------------------------------------------------

    def _on_heard_cut(self, message: HeardCut, now_ms: float) -> None:
        if self._hearing.has_had(message.key):
            self._confirm(message.key)
        elif message.room_code == self._seat.code and self._hearing.cut(
            message, self._take_index, now_ms
        ):
            self._downlink.expect_heard(message.key)

    def _on_heard_partial(self, message: HeardPartial) -> None:
        if message.room_code == self._seat.code:
            next_index = max(self._indexes.next_index, self._lowest_index())
            self._downlink.send(self._hearing.partial(message, next_index))

    def _take_index(self) -> int:
        """Return the index of what another member says."""
        return self._indexes.take_from(self._lowest_index())

    def _lowest_index(self) -> int:
        """Return what that is at least: six digits where a page prints it."""
        if not self._profile.is_browser:
            return 0
        return _FIRST_OF_PAGES + self._setup.wall_ms() // 1000 % _SECONDS_A_DAY

    def _audible(self, message: HeardOutcome) -> WireOutcome:
        """Give a page one byte of sound with words that are heard as they were spoken.

        The existing one drops it; without any it writes that the audio is lost, and silence would
        mute the speaker's own voice for good.
        """
        outcome = message.outcome
        if not (message.is_as_spoken and self._profile.is_browser):
            return outcome
        if not isinstance(outcome, TranslationResult):
            return outcome
        return outcome.model_copy(update={"tts_audio": _ONE_BYTE, "tts_format": "pcm16"})

    def _on_heard_correction(self, message: HeardCorrection) -> None:
        heard = self._hearing.corrected(message.key, message.outcome)
        if heard is not None:
            self._downlink.correct_heard(message.key, heard)

    def _hear(self, key: RequestId, heard: MemberUtterance | None, now_ms: float) -> None:
        if heard is None:
            return
        self._downlink.settle(key, heard, now_ms)
        if not self._profile.is_resumable:
            self._hearing.delivered(key)  # nobody else has to know when
