"""What waits in an actor's inbox: messages as `tell` leaves them, or in an envelope of pykka."""

from typing import Any

from pykka._envelope import Envelope


def message_in(entry: Any) -> Any:
    """Return the message of an entry."""
    return entry.message if isinstance(entry, Envelope) else entry
