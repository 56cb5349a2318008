"""What the rooms of a process have in common, and the way to the actor of each."""

from collections.abc import Callable
from dataclasses import dataclass, field

from actors.directory import Directory
from actors.ports import Mailbox
from actors.room.options import RoomOptions
from storage.call import ScriptRunner
from storage.rooms import RoomRepository


@dataclass(slots=True)
class RoomSetup:
    """The collaborators of sessions in rooms and of the rooms' actors."""

    directory: Directory
    store: ScriptRunner
    rooms: RoomRepository
    options: RoomOptions
    grace_ms: int
    """For which a member of a dead instance may come back."""
    wall_ms: Callable[[], int]
    start: Callable[[str | None], Mailbox]
    """Starts the actor of a room; None: of one that is still to be opened."""
    transcoder: Mailbox | None = None
    """Turns speech into PCM16; None: nobody here can, and members get it as the node sent it."""
    actors: dict[str, Mailbox] = field(default_factory=dict)
    """The actor of each room that somebody here is in, or asks for."""

    def at(self, code: str) -> Mailbox:
        """Return the actor of a room; it is started where nobody here is in it."""
        known = self.actors.get(code)
        if known is None:
            known = self.actors[code] = self.start(code)
        return known

    def new(self) -> Mailbox:
        """Return an actor that will open a room."""
        return self.start(None)
