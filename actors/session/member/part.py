"""RoomPart: the member that a session may become.

Most sessions never ask for a room; those have no member, and pay nothing for one. Made with the
session, and known to its uplink, which asks the member who hears what was cut. Must not: decide
anything.
"""

from actors.session.downlink.downlink import Downlink
from actors.session.member.member import Member
from actors.session.member.speaking import Settles
from actors.session.profile.profile import SessionProfile
from actors.session.setup import SessionSetup
from actors.session.uplink.indexes import UsedIndexes


class RoomPart:
    """The member of one session, or none so far; and what the member knows of its session."""

    __slots__ = ("_downlink", "_profile", "_records", "_setup", "indexes", "member", "overdue_ms")

    def __init__(
        self,
        profile: SessionProfile,
        setup: SessionSetup,
        downlink: Downlink,
        indexes: UsedIndexes,
        records: Settles | None,
    ) -> None:
        self.member: Member | None = None
        """Made when the client first asks for a room."""
        self.indexes = indexes
        self.overdue_ms: float = setup.uplink.job_lifetime_ms + setup.uplink.overdue_ms
        self._profile = profile
        self._setup = setup.rooms
        self._downlink = downlink
        self._records = records

    def ask_for(self, wishes: SessionProfile) -> None:
        """The session asks for something else than before."""
        self._profile = wishes
        if self.member is not None:
            self.member.ask_for(wishes)

    def made(self) -> Member | None:
        """Return the member, made where there is none yet; None: rooms are not offered."""
        if self.member is None and self._setup is not None:
            self.member = Member(self._profile, self._setup, self._downlink, self)
        return self.member

    def settled(self, utterance_index: int) -> None:
        """Those who hear an utterance have it: a takeover need not know of it."""
        if self._records is not None:
            self._records.settled(utterance_index)
