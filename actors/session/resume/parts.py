"""ResumeParts: the parts that only a session has which asked for `resume`."""

from dataclasses import dataclass

from actors.session.profile.resumption import Resumption
from actors.session.resume.doubt import Doubt
from actors.session.resume.notes import Notes
from actors.session.resume.uplink import UplinkRestore
from actors.session.resume.welcome import Welcome


@dataclass(frozen=True, slots=True)
class ResumeParts:
    """What lets a client come back to its session, here or on another instance."""

    resumption: Resumption
    notes: Notes
    welcome: Welcome
    doubt: Doubt
    again: UplinkRestore | None
    """Set where the session was taken over: audio that was cut elsewhere comes again."""
