"""What an operator may set about rooms. Must not: decide anything."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """How many come in, for how long, and how direct voice links are helped up."""

    room_max_members: Annotated[int, Ge(1)] = 32
    """Sessions in one room, at most."""
    room_joins_per_minute: Annotated[int, Ge(1)] = 10
    """Wrong room codes that one socket may try in a minute."""
    room_expiry_ms: Annotated[int, Ge(1)] = 1_800_000
    """Milliseconds without speech after which a room is over."""
    ice_hold_ms: int = 300
    """Milliseconds for which signals of a voice link wait: candidates after the answer, an offer
    for one that may cross it."""
