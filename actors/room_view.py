"""RoomView: a room as its members see it. Pure, and shared by all of them on one instance."""

from dataclasses import dataclass
from datetime import UTC
from datetime import datetime as _datetime

from protocol.ids import SessionId
from protocol.rooms import RoomMember, RoomMembers
from storage.room import Seat


@dataclass(frozen=True, slots=True)
class RoomView:
    """Who is in a room and what each wants to hear, at one moment."""

    code: str
    room_id: str
    version: int
    seats: tuple[Seat, ...]
    """By the time of joining."""

    def seat(self, session_id: SessionId) -> Seat | None:
        """Return a member's seat; None: it is not in the room."""
        return next((seat for seat in self.seats if seat.session_id == session_id), None)

    def listeners(self, speaker: SessionId) -> tuple[Seat, ...]:
        """Return who would hear what this member says."""
        return tuple(
            seat for seat in self.seats if seat.session_id != speaker and seat.is_listening
        )

    def members(self) -> RoomMembers:
        """Return the message that tells a client who is there."""
        return RoomMembers(
            room_code=self.code,
            members=tuple(
                RoomMember(
                    participant_id=seat.session_id,
                    session_id=seat.session_id,
                    display_name=seat.display_name,
                    preferred_lang=seat.language,
                    raw_voice_preferences={str(who): wish for who, wish in seat.raw_voice.items()},
                    joined_at=_rfc3339(seat.joined_at_ms),
                )
                for seat in self.seats
            ),
        )


def _rfc3339(unix_ms: int) -> str:
    moment = _datetime.fromtimestamp(unix_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
