"""What actors tell each other about rooms.

All are frozen. Those that say so cross from one instance to another: they carry plain values and
wire messages only.
"""

from collections.abc import Callable
from datetime import UTC
from datetime import datetime as _datetime
from typing import TypeAlias

from actors.admission import JoinAttempts
from protocol.errors import ErrorCode
from protocol.ids import InstanceId, RequestId, SessionId, TurnId
from protocol.messages.rooms import RoomMember, RoomMembers, RoomRequest
from protocol.messages.session_outbound import AsrPartial, MissingResult, TranslationResult
from protocol.messages.webrtc import WebrtcSignal
from protocol.value import value
from storage.room import Seat

NOBODY_SPOKE = "nobody has spoken in this room for a long time: it is closed"
AWAY_TOO_LONG = "away for too long: the room goes on without you"


@value
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

    def members(self, name_of: Callable[[SessionId], SessionId]) -> RoomMembers:
        """Return the message that tells a client who is there, under the names that it hears."""
        return RoomMembers(
            room_code=self.code,
            members=tuple(
                RoomMember(
                    participant_id=name_of(seat.session_id),
                    session_id=name_of(seat.session_id),
                    display_name=seat.display_name,
                    preferred_lang=seat.language,
                    raw_voice_preferences={
                        str(name_of(who)): wish for who, wish in seat.raw_voice.items()
                    },
                    joined_at=_rfc3339(seat.joined_at_ms),
                )
                for seat in self.seats
            ),
        )


@value
class Listener:
    """Someone who hears an utterance of another member."""

    session_id: SessionId
    instance_id: InstanceId
    language: str
    wants_pcm16: bool
    resumes: bool = False
    """It may move, and says when it has what it hears."""


class RoomMessage:
    """All messages about rooms to a session's actor."""

    __slots__ = ()


# ---- gateway → SessionActor -----------------------------------------------------------------


@value
class RoomRequested(RoomMessage):
    """The client wants something of a room."""

    request: RoomRequest
    attempts: JoinAttempts
    """Of the socket that it came on."""


@value
class SignalArrived(RoomMessage):
    """The client offers, answers or describes a direct voice link; `to` is the receiver."""

    signal: WebrtcSignal


# ---- SessionActor → RoomActor ---------------------------------------------------------------


@value
class TakeSeat:
    """Let a session in; answered by `SeatGranted` or `SeatRefused`."""

    seat: Seat


@value
class ChangeSeat:
    """A member wants something else, or is on another instance now: this is its whole seat."""

    seat: Seat


@value
class LeaveSeat:
    """A member leaves."""

    session_id: SessionId


@value
class ReclaimSeat:
    """A member came from another instance: its seat comes along.

    Answered by `SeatReclaimed`, or by `RoomOver` where it has none any more.
    """

    session_id: SessionId
    epoch: int
    """Under which the session is here."""


@value
class VacateSeat:
    """A member goes on at another instance, which takes its seat along: it is none of ours."""

    session_id: SessionId


@value
class MemberSpoke:
    """A member spoke: the room is not over for a while."""


@value
class RoomChangedElsewhere:
    """Another instance has changed the room to this version."""

    version: int


# ---- RoomActor → SessionActor ---------------------------------------------------------------


@value
class SeatGranted(RoomMessage):
    """The session is in; who else is comes next."""

    code: str
    room_id: str


@value
class SeatReclaimed(RoomMessage):
    """The session has its seat here now, as it was."""

    code: str
    seat: Seat


@value
class SeatRefused(RoomMessage):
    """The session did not get in."""

    code: ErrorCode
    text: str


@value
class RoomSeen(RoomMessage):
    """The room as it is now, after any change."""

    view: RoomView


@value
class RoomOver(RoomMessage):
    """The session is in the room no more."""

    code: str
    why: str = NOBODY_SPOKE
    """For people."""


@value
class RoomChanged(RoomMessage):
    """Crosses instances, to each member there: its instance reads the room again."""

    code: str
    version: int


# ---- SessionActor → SessionActor ------------------------------------------------------------


@value
class HeardCut(RoomMessage):
    """Crosses instances. A member spoke, and this one will hear it: keep its place.

    Sent again, with what became of it, to a listener that has moved and may not have heard it.
    """

    key: RequestId
    """The speaker's: `session:index:language`."""
    speaker: SessionId
    utterance_index: int
    """The speaker's own."""
    room_code: str
    turn_id: TurnId
    trace_id: str


@value
class HeardOutcome(RoomMessage):
    """Crosses instances. What became of them, after each `HeardCut`."""

    key: RequestId
    outcome: TranslationResult | MissingResult
    """As the speaker would hear it: index and numbers are still the speaker's."""
    is_as_spoken: bool = False
    """The listener understands the speaker: it gets the recognised text."""


@value
class HeardCorrection(RoomMessage):
    """Crosses instances. A full result after an empty one: it counts while that is held back."""

    key: RequestId
    outcome: TranslationResult


@value
class HeardPartial(RoomMessage):
    """Crosses instances. What was recognised so far of what a member speaks; it may get lost."""

    room_code: str
    partial: AsrPartial
    """As the speaker hears it."""


@value
class HeardAcknowledged(RoomMessage):
    """Crosses instances. This listener has the outcome, wherever it goes: let go of it."""

    key: RequestId
    listener: SessionId


@value
class SignalRelayed(RoomMessage):
    """Crosses instances. What a member says to this one about their voice link."""

    sender: SessionId
    signal: WebrtcSignal
    """`to` is still the receiver."""


MemberMessage: TypeAlias = (
    RoomRequested
    | SignalArrived
    | SignalRelayed
    | HeardCut
    | HeardAcknowledged
    | HeardOutcome
    | HeardCorrection
    | HeardPartial
    | SeatGranted
    | SeatReclaimed
    | SeatRefused
    | RoomSeen
    | RoomChanged
    | RoomOver
)
"""All that a session's part in a room is sent."""


def _rfc3339(unix_ms: int) -> str:
    moment = _datetime.fromtimestamp(unix_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
