"""Parts: what the parts of one session know of each other.

The session's actor makes them and hands them on; each has its own life. Must not: do anything.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loguru import logger

from actors.ports import Mailbox
from actors.session.downlink.downlink import Downlink
from actors.session.life import Life
from actors.session.member.part import RoomPart
from actors.session.profile.profile import SessionProfile
from actors.session.setup import SessionSetup
from actors.session.uplink.uplink import Uplink
from actors.waiting_jobs import WaitingShare
from protocol.ids import SessionId

if TYPE_CHECKING:
    from loguru import Logger


@dataclass(frozen=True, slots=True)
class Parts:
    """One session, as its parts see it."""

    ref: Mailbox
    """The session's actor."""
    profile: SessionProfile
    setup: SessionSetup
    life: Life
    uplink: Uplink
    downlink: Downlink
    room: RoomPart
    waiting: WaitingShare
    """Its jobs that wait for a node."""

    @property
    def log(self) -> "Logger":
        """A logger bound to the session; made when it is needed, for that is seldom."""
        return logger.bind(session_ref=self.profile.session_ref)

    @property
    def session_id(self) -> SessionId:
        """The session's id."""
        return self.profile.session_id

    @property
    def dispatcher(self) -> Mailbox:
        """Whoever drives jobs in this process at the moment."""
        return self.setup.directory.dispatcher
