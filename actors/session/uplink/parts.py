"""UplinkParts: what an uplink works on, and what it asks of other parts of its session."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from actors.ports import Outbox
from actors.room.audience import Audience, Track
from actors.session.cut import Cut
from actors.session.profile.request import Request
from actors.session.uplink.conversion import Conversion
from actors.session.uplink.indexes import UsedIndexes
from actors.session.uplink.progress import AudioProgress
from actors.session.uplink.turns_apart import JoiningNodes
from actors.session.utterances import OpenUtterances, Utterance


class Listeners(Protocol):
    """Who hears what the session says, besides its own client."""

    @property
    def is_inside(self) -> bool:
        """Whether the session is in a room, alone or not."""

    def audience(self, request: Request, open_tracks: list[Track]) -> Audience | None:
        """Return who hears what was just cut; None: the speaker alone."""


class HasMember(Protocol):
    """Knows the session's part in a room, once there is one."""

    @property
    def member(self) -> Listeners | None:
        """None: nobody but the speaker hears what it says."""


class CutRecorder(Protocol):
    """Numbers the cuts of a session that can be resumed, and keeps what a takeover needs."""

    def next_number(self) -> int:
        """Return the number of a cut whose outcome the client hears."""

    def next_member_number(self) -> int:
        """Return the number of a cut that only other members of a room hear."""

    def cut_made(
        self, cut: Cut, utterance: Utterance, request: Request, *, is_message: bool
    ) -> None:
        """Record one job of a cut."""


class HasSocket(Protocol):
    """Knows how the session's client is reached."""

    outbox: Outbox | None
    """None: not at the moment."""


@dataclass(frozen=True, slots=True)
class UplinkParts:
    """What an uplink works on; other parts of its session know them, too."""

    open: OpenUtterances
    indexes: UsedIndexes
    room: HasMember
    nodes: JoiningNodes
    wall_ms: Callable[[], int]
    progress: AudioProgress | None = None
    """None unless the client may resume; so is the next."""
    recorder: CutRecorder | None = None
    conversion: Conversion | None = None
    """None: nothing is converted here."""
    socket: HasSocket | None = None
