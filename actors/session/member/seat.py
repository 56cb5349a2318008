"""MemberSeat: whether a session is in a room, and what it asked the room for.

Requests are taken one at a time: while an answer of the room is due, further ones wait, in order.
Must not: change the room (its actor does), or know what is spoken in it.
"""

from dataclasses import replace
from typing import Protocol

from actors.admission import JoinAttempts
from actors.messages.process import StoreEmptied
from actors.messages.room import (
    ChangeSeat,
    LeaveSeat,
    ReclaimSeat,
    RoomRequested,
    RoomView,
    SeatGranted,
    SeatReclaimed,
    SeatRefused,
    TakeSeat,
    VacateSeat,
)
from actors.ownership import Foreign
from actors.room.setup import RoomSetup
from actors.room.transcoder import ListenerCame
from actors.runtime.actor import tell
from actors.session.downlink.downlink import Downlink
from actors.session.member.aliases import Aliases
from actors.session.profile.profile import SessionProfile
from protocol.errors import ErrorCode
from protocol.ids import SessionId
from protocol.messages.rooms import (
    RoomCreate,
    RoomCreateAck,
    RoomError,
    RoomJoin,
    RoomLeave,
    RoomMembers,
    RoomRawVoicePreference,
)
from storage.room import Seat

_MOST_WAITING = 16
"""Requests that may wait while an answer is due; who sends more at once is no person."""
_CODE_DIGITS = 6


class Leaves(Protocol):
    """Is notified when the client wants to leave the room."""

    def leave(self, now_ms: float) -> None:
        """Leave the room; what was spoken and not heard yet ends here."""


class MemberSeat:
    """The seat of one session, or none. All times are monotonic ms.

    Invariant: it has a view only while the room's actor counts it among the members here.
    """

    __slots__ = (
        "_aliases",
        "_asking",
        "_attempts",
        "_downlink",
        "_is_changed",
        "_member",
        "_profile",
        "_seat",
        "_setup",
        "_told",
        "_waiting",
        "code",
        "is_unsaved",
        "view",
    )

    def __init__(
        self,
        profile: SessionProfile,
        setup: RoomSetup,
        downlink: Downlink,
        member: Leaves,
        aliases: Aliases,
    ) -> None:
        self.code: str | None = None
        """Of the room that it is in, or has asked to enter."""
        self.is_unsaved = False
        """Another instance would look for it in another room, or in none."""
        self.view: RoomView | None = None
        """The room as it is; None outside."""
        self._profile = profile
        self._setup = setup
        self._downlink = downlink
        self._aliases = aliases
        self._asking: RoomCreate | RoomJoin | None = None
        """What the room has not answered yet."""
        self._attempts: JoinAttempts | None = None
        """Of the socket that asked."""
        self._waiting: list[RoomRequested] = []
        self._told: RoomMembers | None = None
        """Who is there, as the client was sent it last."""
        self._seat: Seat | None = None
        self._is_changed = False
        """It is another one than the room that is asked for was sent."""
        self._member = member

    # ---- wishes -----------------------------------------------------------------------------

    def request(self, message: RoomRequested, now_ms: float) -> None:
        """The client wants something."""
        if self._asking is None:
            self._ask(message, now_ms)
        elif len(self._waiting) < _MOST_WAITING:
            self._waiting.append(message)
        else:
            self._refuse(ErrorCode.RATE_LIMITED, "too many requests at once")

    def _ask(self, message: RoomRequested, now_ms: float) -> None:
        match message.request:
            case RoomCreate() as request:
                if self._is_outside():
                    self._asking = request
                    self._take_seat(request)
            case RoomJoin() as request:
                if self._is_outside() and self._may_try(message, request.room_code, now_ms):
                    self._asking, self.code = request, request.room_code
                    self._take_seat(request)
            case RoomLeave() as request:
                if request.room_code == self.code:  # after a room's end a late one is usual
                    self._member.leave(now_ms)
            case RoomRawVoicePreference() as request:
                self._prefer(request)

    def _is_outside(self) -> bool:
        if self.code is not None:
            self._refuse(ErrorCode.ALREADY_IN_ROOM, "this session is in a room: leave it first")
        return self.code is None

    def _may_try(self, message: RoomRequested, code: str, now_ms: float) -> bool:
        """Whether the code may be tried; a malformed one counts as a wrong one."""
        if not message.attempts.take(now_ms):
            self._refuse(ErrorCode.RATE_LIMITED, "too many wrong room codes: wait a minute")
            return False
        self._attempts = message.attempts
        if len(code) == _CODE_DIGITS and code.isascii() and code.isdigit():
            return True
        self._refuse(ErrorCode.INVALID_ROOM_CODE, "a room code has six digits")
        return False

    def _take_seat(self, request: RoomCreate | RoomJoin) -> None:
        self._seat = Seat(
            self._profile.session_id,
            self._setup.directory.instance_id,
            language=request.preferred_lang or self._profile.room_language,
            joined_at_ms=self._setup.wall_ms(),
            display_name=request.display_name,
            preferred_lang=request.preferred_lang,
            wants_pcm16=self._profile.wants_pcm16,
            resumes=self._profile.is_resumable,
        )
        room = self._setup.new() if self.code is None else self._setup.at(self.code)
        tell(room, TakeSeat(self._seat))

    def _prefer(self, request: RoomRawVoicePreference) -> None:
        view, seat = self.view, self._seat
        if view is None or seat is None or request.room_code != self.code:
            self._names_foreign(Foreign.ROOM)
            self._refuse(ErrorCode.ROOM_NOT_FOUND, "this session is not in that room")
            return
        speaker = self._aliases.session(request.target_session_id)
        if speaker is None or view.seat(speaker) is None:
            self._names_foreign(Foreign.MEMBER)
            self._refuse(ErrorCode.INVALID_SESSION, "no such member is in the room")
            return
        wishes = {**seat.raw_voice, speaker: request.receive_raw_voice}
        present = {who: wish for who, wish in wishes.items() if view.seat(who) is not None}
        self._change(replace(seat, raw_voice=present))

    def ask_for(self, wishes: SessionProfile) -> None:
        """The client wants to hear another language, or speaks another one."""
        asked_anew = wishes.preferred_lang != self._profile.preferred_lang
        self._profile, seat = wishes, self._seat
        if seat is None:
            return
        preferred = wishes.preferred_lang if asked_anew else seat.preferred_lang
        language = preferred or wishes.room_language
        if (language, preferred) != (seat.language, seat.preferred_lang):
            self._change(replace(seat, language=language, preferred_lang=preferred))

    def listen(self, *, is_listening: bool) -> None:
        """The client came or went: no jobs are made for one that could not hear them."""
        seat = self._seat
        if self.view is not None and seat is not None and seat.is_listening != is_listening:
            self._change(replace(seat, is_listening=is_listening))

    def _change(self, seat: Seat) -> None:
        self._seat = seat
        if self.code is None:
            self._is_changed = True  # the room that is on its way hears of it when it comes
        else:
            tell(self._setup.at(self.code), ChangeSeat(seat))

    def store_emptied(self) -> None:
        """The store has lost its data, and the room with it."""
        if self.view is not None and self.code is not None:
            tell(self._setup.at(self.code), StoreEmptied())

    def reclaim(self, code: str, epoch: int) -> None:
        """The session came from another instance, and its seat in this room comes along."""
        self.code = code
        self._expect_pcm16()
        tell(self._setup.at(code), ReclaimSeat(self._profile.session_id, epoch))

    def vacate(self) -> None:
        """The session goes on at another instance, and its seat goes along."""
        if self.code is not None:
            tell(self._setup.at(self.code), VacateSeat(self._profile.session_id))
        self._asking = None  # should a new room be on its way, it is left when it comes
        self.step_out()

    @property
    def is_asking(self) -> bool:
        """Whether it has asked for a room and has no answer."""
        return self._asking is not None

    @property
    def is_reclaiming(self) -> bool:
        """Whether its seat is on the way from another instance."""
        return self.code is not None and self._asking is None and self.view is None

    @property
    def saved_code(self) -> str | None:
        """The room that it is in, as another instance has to know."""
        return None if self._asking is not None else self.code

    # ---- what the room says -----------------------------------------------------------------

    def granted(self, message: SeatGranted, now_ms: float) -> None:
        """The session is in."""
        if self._asking is None or self.code not in {None, message.code}:
            tell(self._setup.at(message.code), LeaveSeat(self._profile.session_id))
            return
        if isinstance(self._asking, RoomJoin) and self._attempts is not None:
            self._attempts.forgive()
        self._asking, self.code = None, message.code
        self.is_unsaved = True
        if self._is_changed and self._seat is not None:
            self._is_changed = False
            self._change(self._seat)
        speech = self._expect_pcm16()
        ack = RoomCreateAck(room_code=message.code, room_id=message.room_id, tts_format=speech)
        self._downlink.send(ack)
        self._go_on(now_ms)

    def _expect_pcm16(self) -> str | None:
        """Return how speech will come to a client that wants PCM16; None: as nodes speak."""
        if not self._profile.wants_pcm16:
            return None
        if self._setup.transcoder is None:
            return "opus"
        tell(self._setup.transcoder, ListenerCame())
        return "pcm16"

    def reclaimed(self, message: SeatReclaimed) -> None:
        """The session has its seat back, on this instance."""
        if self.code == message.code:
            self._seat = message.seat

    def refused(self, message: SeatRefused, now_ms: float) -> None:
        """The session did not get in."""
        if self._asking is None:
            return
        is_guess = message.code is ErrorCode.ROOM_NOT_FOUND
        if isinstance(self._asking, RoomJoin) and self._attempts is not None and not is_guess:
            self._attempts.forgive()
        self._asking = self.code = self._seat = None
        self._refuse(message.code, message.text)
        self._go_on(now_ms)

    def _go_on(self, now_ms: float) -> None:
        """Take the requests that have waited, up to one that has to be answered."""
        while self._waiting and self._asking is None:
            self._ask(self._waiting.pop(0), now_ms)

    def seen(self, view: RoomView) -> None:
        """The room has changed; the client hears of it if it can see that."""
        if self._asking is not None or view.code != self.code:
            return  # of a room that it has left
        if view.seat(self._profile.session_id) is None:
            return  # its leave is on the way
        self.view = view
        self._aliases.seen(view)
        members = view.members(self._name_of)
        if members != self._told:
            self._told = members
            self._downlink.send(members)

    def _name_of(self, session_id: SessionId) -> SessionId:
        return self._aliases.of(session_id, self.code or "")

    # ---- leaving ----------------------------------------------------------------------------

    def leave(self) -> bool:
        """Leave the room; False if it is in none."""
        if self.code is not None:
            tell(self._setup.at(self.code), LeaveSeat(self._profile.session_id))
        elif self._asking is None:
            return False
        self._asking = None  # should a new room be on its way, it is left when it comes
        self.step_out()
        return True

    def close(self) -> None:
        """The session ends: what it asked for and was not answered is not wanted any more."""
        self._waiting.clear()

    def over(self, code: str) -> bool:
        """The room has ended; False if it is not the one that this session is in."""
        if code != self.code or self._asking is not None:
            return False
        self.step_out()
        return True

    def step_out(self) -> None:
        """Be in no room."""
        self.is_unsaved = True
        self.code = self._seat = self.view = self._told = None

    def _names_foreign(self, what: Foreign) -> None:
        me = self._profile.session_id
        self._setup.directory.ownership.refused(what, session_id=me)

    def _refuse(self, code: ErrorCode, text: str) -> None:
        self._downlink.send(RoomError(code=code, message=text))
