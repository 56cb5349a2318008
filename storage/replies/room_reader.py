"""Readers of what the scripts about rooms answer. Pure."""

from collections.abc import Callable

from protocol.ids import SessionId
from storage.replies.job import RoomExpired, RoomFull, RoomGone, RoomState, RoomTaken
from storage.replies.reader import Raw, by_word, mapping
from storage.room import Seat


def _state(values: Raw) -> RoomState:
    room_id, version, left_ms, data_id, seats = values
    read = [Seat.read(SessionId(session), text) for session, text in mapping(seats).items()]
    read.sort(key=lambda seat: (seat.joined_at_ms, seat.session_id))
    return RoomState(room_id, version, left_ms, data_id, tuple(read))


def _gone(values: Raw) -> RoomGone:
    return RoomGone(values[0])


created: Callable[[Raw], RoomState | RoomTaken] = by_word(
    {"OK": _state, "TAKEN": lambda _: RoomTaken()}
)
"""Reads `create_room`."""

joined: Callable[[Raw], RoomState | RoomFull | RoomGone] = by_word(
    {"OK": _state, "FULL": lambda _: RoomFull(), "GONE": _gone}
)
"""Reads `join_room`."""

left: Callable[[Raw], RoomState | RoomGone] = by_word({"OK": _state, "GONE": _gone})
"""Reads `leave_room`."""

looked: Callable[[Raw], RoomState | RoomExpired | RoomGone] = by_word(
    {"OK": _state, "EXPIRED": lambda _: RoomExpired(), "GONE": _gone}
)
"""Reads `look_room`."""
