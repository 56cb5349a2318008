"""RoomRepository: who is in which room. Pure builders, no policy.

A room is `room:{code}` and its seats; both live until it had no speech for too long.
"""

from protocol.ids import InstanceId, SessionId
from storage.call import Call
from storage.keys import key_text
from storage.replies import room_reader
from storage.replies.job import RoomExpired, RoomFull, RoomGone, RoomState, RoomTaken
from storage.room import Seat
from storage.scripts import load_script
from storage.store import Store

_CREATE = load_script("room/create_room")
_JOIN = load_script("room/join_room")
_LEAVE = load_script("room/leave_room")
_LOOK = load_script("room/look_room")


class RoomRepository:
    """Rooms as one instance sees and changes them. What changes a room answers with all of it."""

    def __init__(self, store: Store, instance_id: InstanceId) -> None:
        self._store = store
        self._instance_id = instance_id

    def create(
        self, code: str, room_id: str, seat: Seat, expiry_ms: int
    ) -> Call[RoomState | RoomTaken]:
        """Open a room; the same `room_id` again is the same room."""
        args = _CREATE.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            code=key_text(code),
            room=room_id,
            expiry_ms=expiry_ms,
            session=seat.session_id,
            seat=seat.text(),
        )
        return Call(_CREATE, self._keys(code), args, room_reader.created)

    def join(
        self, code: str, seat: Seat, max_members: int, restored: tuple[str, int] | None = None
    ) -> Call[RoomState | RoomFull | RoomGone]:
        """Take a seat, or change the one that the session has.

        Args:
            code: Of the room.
            seat: The whole of it.
            max_members: How many may be in the room.
            restored: Id and expiry (ms) of a room that the store has lost: it is put back.
        """
        room_id, expiry_ms = restored or ("", 0)
        args = _JOIN.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            code=key_text(code),
            room=room_id,
            expiry_ms=expiry_ms,
            max_members=max_members,
            session=seat.session_id,
            seat=seat.text(),
        )
        return Call(_JOIN, self._keys(code), args, room_reader.joined)

    def leave(self, code: str, session_id: SessionId) -> Call[RoomState | RoomGone]:
        """Give a seat of this instance up; one that has moved to another instance stays."""
        args = _LEAVE.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            code=key_text(code),
            session=session_id,
        )
        return Call(_LEAVE, self._keys(code), args, room_reader.left)

    def look(
        self, code: str, grace_ms: int, spoke_ago_ms: int | None = None
    ) -> Call[RoomState | RoomExpired | RoomGone]:
        """See who is there, and note when somebody last spoke here (None: nobody since)."""
        args = _LOOK.arguments(
            now=self._store.clock_ms(),
            instance=self._instance_id,
            code=key_text(code),
            spoke_ago_ms=-1 if spoke_ago_ms is None else spoke_ago_ms,
            grace_ms=grace_ms,
        )
        return Call(_LOOK, self._keys(code), args, room_reader.looked)

    def _keys(self, code: str) -> tuple[str]:
        cells = self._store.cells
        return (cells.prefixes[cells.of_room(code)],)
