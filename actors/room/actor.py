"""RoomActor: one room on one instance, as long as somebody here is in it.

The store has the truth; this actor runs the scripts that change it for the members here, holds
what they last answered, and tells every member here of each change. Members on other instances
get a message that there is something to read.

While the store is away nobody gets in; who leaves has left here, and in the store once it answers.
Must not: know sockets, audio or what a member says.
"""

import secrets
from dataclasses import replace
from typing import Any, TypeAlias, assert_never

from loguru import logger

from actors.messages.process import StoreEmptied
from actors.messages.room import (
    AWAY_TOO_LONG,
    ChangeSeat,
    LeaveSeat,
    MemberSpoke,
    ReclaimSeat,
    RoomChanged,
    RoomChangedElsewhere,
    RoomOver,
    RoomSeen,
    RoomView,
    SeatGranted,
    SeatReclaimed,
    SeatRefused,
    TakeSeat,
    VacateSeat,
)
from actors.room.setup import RoomSetup
from actors.runtime.actor import LoopActor, tell
from protocol.errors import ErrorCode
from protocol.ids import SessionId
from storage.call import Call
from storage.replies.job import RoomExpired, RoomFull, RoomGone, RoomState, RoomTaken
from storage.room import Seat
from storage.store import StorageUnavailable

_CODES_TRIED = 8
"""Random codes for one room: with half of all codes in use one in 256 requests fails."""
_RETRY_MS = 500
_LOOK_MS = 5_000
"""A room with members elsewhere is looked at this often: lost notes and dead instances show."""
_SPEECH_MS = 1_000
"""Speech is noted in the store this often, at most; more often in a room of short life."""


RoomMessage: TypeAlias = (
    TakeSeat
    | ChangeSeat
    | ReclaimSeat
    | VacateSeat
    | LeaveSeat
    | MemberSpoke
    | RoomChangedElsewhere
    | StoreEmptied
)
"""All messages that a room's actor takes."""


class RoomActor(LoopActor):
    """Changes one room and tells its members here. It ends when none is left."""

    def __init__(self, setup: RoomSetup, code: str | None = None) -> None:
        """`code`: None for a room that is still to be opened."""
        super().__init__()
        self.key = code or ""
        self._code = code
        self._setup = setup
        self._mine = setup.directory.instance_id
        self._view: RoomView | None = None
        self._data_id = ""
        self._expires_ms: float | None = None
        self._spoke_ms: float | None = None
        """When somebody here spoke last, while the store does not know of it."""
        self._noted_ms = 0.0
        self._leaving: dict[SessionId, None] = {}
        """Who has left here while the store was away."""
        self._reclaiming: dict[SessionId, ReclaimSeat] = {}
        """Who wants its seat back, while the store is away."""
        self._vacated: set[SessionId] = set()
        """Whose session goes on elsewhere; the seat follows, which is not ours to give up."""
        self._look_ms: float | None = None

    def __repr__(self) -> str:
        members = 0 if self._view is None else len(self._view.seats)
        return f"<RoomActor {self._code} members={members}>"

    async def on_receive(self, message: RoomMessage) -> None:
        """Handle one message; then end, or set the alarm for the next look."""
        match message:
            case TakeSeat():
                await self._take_seat(message.seat)
            case ChangeSeat():
                await self._change_seat(message.seat)
            case ReclaimSeat():
                await self._reclaim(message)
            case VacateSeat():
                await self._vacate(message.session_id)
            case LeaveSeat():
                await self._leave(message.session_id)
            case MemberSpoke():
                self._spoke_ms = self.now_ms()
            case RoomChangedElsewhere():
                await self._on_changed_elsewhere(message)
            case StoreEmptied():
                await self._look()
            case _:
                assert_never(message)
        self._settle()

    async def on_wake(self, _now_ms: float) -> None:
        """Time to look: speech to note, leaves to repeat, the end of the room."""
        for session_id in list(self._leaving):
            await self._leave(session_id)
        reclaiming, self._reclaiming = self._reclaiming, {}
        for wanted in reclaiming.values():
            await self._reclaim(wanted)
        await self._look()
        self._settle()

    # ---- coming and going -------------------------------------------------------------------

    async def _take_seat(self, seat: Seat) -> None:
        self._vacated.discard(seat.session_id)
        reply = await (self._create(seat) if self._code is None else self._join(seat))
        if isinstance(reply, RoomState):
            self._enter(seat, reply)
            return
        refusal = {
            RoomTaken: (ErrorCode.INTERNAL_ERROR, "no room could be opened: try again"),
            RoomFull: (ErrorCode.ROOM_FULL, "as many as may be are in this room"),
            RoomGone: (ErrorCode.ROOM_NOT_FOUND, "there is no such room"),
        }.get(type(reply), (ErrorCode.SCHEDULER_DEPENDENCY_DOWN, "rooms are not there right now"))
        self._tell(seat.session_id, SeatRefused(*refusal))

    async def _create(self, seat: Seat) -> RoomState | RoomTaken | None:
        room_id = f"room-{secrets.token_hex(16)}"
        expiry_ms = self._setup.options.room_expiry_ms
        reply: RoomState | RoomTaken | None = None
        for _ in range(_CODES_TRIED):
            code = str(100_000 + secrets.randbelow(900_000))  # nobody foresees it
            reply = await self._ask(self._setup.rooms.create(code, room_id, seat, expiry_ms))
            if isinstance(reply, RoomState):
                self._code = self.key = code
                self._setup.actors[code] = self.actor_ref
                logger.info("room opened", room_id=room_id)
                break
            if reply is None:
                break
        return reply

    async def _join(self, seat: Seat) -> RoomState | RoomFull | RoomGone | None:
        most = self._setup.options.room_max_members
        reply: RoomState | RoomFull | RoomGone | None
        reply = await self._ask(self._setup.rooms.join(self._code or "", seat, most))
        return reply

    def _enter(self, seat: Seat, state: RoomState) -> None:
        """Say so first, then who is there: some clients enter by the acknowledgement alone."""
        self._leaving.pop(seat.session_id, None)
        self._tell(seat.session_id, SeatGranted(self._code or "", state.room_id))
        self._adopt(state, is_own_change=True)

    async def _change_seat(self, seat: Seat) -> bool:
        """Give a member this seat; False if it has not got it."""
        if seat.session_id in self._vacated:
            return False
        reply = await self._join(seat)
        if isinstance(reply, RoomState):
            self._adopt(reply, is_own_change=True)
            return True
        # not at once, or a room that is full would be asked without a pause
        self._look_at(self.now_ms() + (0 if isinstance(reply, RoomGone) else _RETRY_MS))
        return False

    async def _reclaim(self, wanted: ReclaimSeat) -> None:
        """Find the seat of a session that is here now; where it has none, it is out."""
        code, session_id = self._code or "", wanted.session_id
        self._vacated.discard(session_id)
        state = await self._ask(self._setup.rooms.look(code, self._setup.grace_ms))
        seats = state.seats if isinstance(state, RoomState) else ()
        for seat in seats:
            if seat.session_id == session_id:
                mine = replace(seat, instance_id=self._mine, epoch=wanted.epoch)
                self._tell(session_id, SeatReclaimed(code, mine))
                if not await self._change_seat(mine):
                    self._reclaiming[session_id] = wanted
                return
        if state is not None:
            self._tell(session_id, RoomOver(code, AWAY_TOO_LONG))
        else:
            self._reclaiming[session_id] = wanted
            self._look_at(self.now_ms() + _RETRY_MS)

    async def _vacate(self, session_id: SessionId) -> None:
        """Forget a member whose session goes on elsewhere; the others shall not notice."""
        self._reclaiming.pop(session_id, None)
        if self._code is not None:
            self._vacated.add(session_id)
            await self._look()

    async def _leave(self, session_id: SessionId) -> None:
        if self._code is None or session_id in self._vacated:
            return
        self._reclaiming.pop(session_id, None)
        self._leaving[session_id] = None
        reply = await self._ask(self._setup.rooms.leave(self._code, session_id))
        if isinstance(reply, RoomState):
            self._adopt(reply, is_own_change=True)
            self._leaving.pop(session_id, None)
        elif isinstance(reply, RoomGone):
            del self._leaving[session_id]
            self._forget(session_id)
        elif self._view is not None:
            self._forget(session_id)
            self._look_at(self.now_ms() + _RETRY_MS)

    def _forget(self, session_id: SessionId) -> None:
        """Leave a member out of the copy; the others here see it at once."""
        view = self._view
        if view is None or view.seat(session_id) is None:
            return
        seats = tuple(seat for seat in view.seats if seat.session_id != session_id)
        self._show(RoomView(view.code, view.room_id, view.version, seats))

    # ---- looking ----------------------------------------------------------------------------

    async def _on_changed_elsewhere(self, message: RoomChangedElsewhere) -> None:
        if self._view is not None and message.version > self._view.version:
            await self._look()

    async def _look(self) -> None:
        """Read the room, and note who spoke since the last time."""
        if self._code is None:
            return
        now_ms, spoke_ms = self.now_ms(), self._spoke_ms
        ago_ms = None if spoke_ms is None else round(now_ms - spoke_ms)
        grace_ms = self._setup.grace_ms
        reply = await self._ask(self._setup.rooms.look(self._code, grace_ms, ago_ms))
        if reply is None:
            self._look_at(now_ms + _RETRY_MS)
            return
        self._noted_ms = now_ms
        if self._spoke_ms == spoke_ms:
            self._spoke_ms = None
        match reply:
            case RoomState() | RoomGone() if self._is_lost(reply.data_id):
                await self._put_back()
            case RoomState():
                self._adopt(reply)
            case RoomExpired() | RoomGone():
                self._expire()

    def _expire(self) -> None:
        """The room is over: its members here hear of it, those elsewhere by their own instance."""
        view, self._view = self._view, None
        if view is None:
            return
        logger.info("room is over", room_id=view.room_id)
        for seat in self._here(view):
            self._tell(seat.session_id, RoomOver(view.code))
        self._tell_others(view, view.version + 1)

    def _is_lost(self, data_id: str) -> bool:
        """Whether the store has lost what it knew of the room."""
        return self._view is not None and data_id != self._data_id

    async def _put_back(self) -> None:
        """The store has lost the room: everybody in it has the same seat again.

        Those elsewhere, too: their instance does the same, but nobody shall miss a word meanwhile.
        """
        view, options = self._view, self._setup.options
        reply: RoomState | RoomFull | RoomGone | None = None
        for seat in () if view is None else view.seats:
            restored = (view.room_id, options.room_expiry_ms) if view is not None else None
            call = self._setup.rooms.join(
                self._code or "", seat, options.room_max_members, restored
            )
            reply = await self._ask(call)
            if not isinstance(reply, RoomState):
                break
        if isinstance(reply, RoomState):
            self._adopt(reply, is_own_change=True)
        elif isinstance(reply, RoomGone):
            self._expire()  # its code belongs to another room by now
        else:
            self._look_at(self.now_ms() + _RETRY_MS)

    # ---- the copy, and who gets it ----------------------------------------------------------

    def _adopt(self, state: RoomState, *, is_own_change: bool = False) -> None:
        """Take the store's word for the room."""
        self._vacated &= {seat.session_id for seat in state.seats if seat.instance_id == self._mine}
        self._data_id = state.data_id
        self._expires_ms = self.now_ms() + state.left_ms
        for seat in state.seats:
            if seat.instance_id != self._mine:
                self._leaving.pop(seat.session_id, None)  # it is not ours to give up
        seats = [seat for seat in state.seats if seat.session_id not in self._leaving]
        for seat in self._left_out(state):
            seats.append(seat)
            self.actor_ref.tell(ChangeSeat(seat))
        view = RoomView(self._code or "", state.room_id, state.version, tuple(seats))
        if view == self._view:
            return
        if is_own_change:
            self._tell_others(view, view.version)
        self._show(view)

    def _left_out(self, state: RoomState) -> list[Seat]:
        """Return the members here that the store has not: others took this instance for dead."""
        known = {seat.session_id for seat in state.seats}
        here = [] if self._view is None else self._here(self._view)
        return [
            seat
            for seat in here
            if seat.session_id not in known and seat.session_id not in self._leaving
            if seat.session_id in self._setup.directory.sessions
        ]

    def _show(self, view: RoomView) -> None:
        before, self._view = self._view, view
        listeners = {seat.session_id for seat in self._here(view)}
        if before is not None:
            moved = {one.session_id for one in view.seats if one.instance_id != self._mine}
            listeners.update(one.session_id for one in self._here(before))
            listeners -= moved  # it hears of the room where it is now
        for session_id in sorted(listeners):
            self._tell(session_id, RoomSeen(view))

    def _here(self, view: RoomView) -> list[Seat]:
        return [
            seat
            for seat in view.seats
            if seat.instance_id == self._mine and seat.session_id not in self._vacated
        ]

    def _tell(self, session_id: SessionId, message: Any) -> None:
        """Tell a member here; one whose session has ended leaves."""
        session = self._setup.directory.session_at(self._mine, session_id)
        is_told = session is not None and tell(session, message)
        view = self._view
        seat = None if view is None else view.seat(session_id)
        if not is_told and seat is not None and seat.instance_id == self._mine:
            self.actor_ref.tell(LeaveSeat(session_id))

    def _tell_others(self, view: RoomView, version: int) -> None:
        """Tell the members elsewhere; should none of them hear it, their instance looks itself."""
        for seat in view.seats:
            if seat.instance_id != self._mine:
                session = self._setup.directory.session_at(seat.instance_id, seat.session_id)
                if session is not None:
                    tell(session, RoomChanged(view.code, version))

    async def _ask(self, call: Call[Any]) -> Any:
        """Return the store's answer; None while it is away."""
        try:
            [reply] = await self._setup.store.run([call])
        except StorageUnavailable as error:
            logger.warning("the store does not answer about a room", error=str(error))
            return None
        return reply

    # ---- time and the end -------------------------------------------------------------------

    def _look_at(self, at_ms: float) -> None:
        if self._look_ms is None or at_ms < self._look_ms:
            self._look_ms = at_ms

    def _settle(self) -> None:
        """Set the alarm, or end when nobody here is in the room and nothing waits."""
        view = self._view
        is_needed = (view is not None and self._here(view)) or self._leaving or self._reclaiming
        if not is_needed and not self.actor_inbox.queue:
            if self._code is not None and self._setup.actors.get(self._code) is self.actor_ref:
                del self._setup.actors[self._code]
            self.wake_at(None)
            self.stop()
            return
        if view is not None:
            self._plan_look(view)
        at_ms, self._look_ms = self._look_ms, None
        self.wake_at(at_ms)

    def _plan_look(self, view: RoomView) -> None:
        now_ms = self.now_ms()
        if self._spoke_ms is not None:
            apart_ms = min(_SPEECH_MS, self._setup.options.room_expiry_ms / 10)
            self._look_at(max(now_ms, self._noted_ms + apart_ms))
        if self._expires_ms is not None:
            self._look_at(max(now_ms + 1, self._expires_ms + 1))
        if len(self._here(view)) < len(view.seats):
            self._look_at(now_ms + _LOOK_MS)
