"""How much uplink audio the process holds for its speakers, and how much of it for each of them.

Pure. Must not: end jobs or keep audio; it counts and decides. Everything is zero when nothing is
open. What was taken is given back exactly once, by the session that took it.

What is cut is refused where a share is used up:

- a session's own: `max_held_audio_per_session`;
- an owner's (a tenant, or an address where nobody says who calls): a quarter of all, as long as
  others hold something, too;
- of all: `max_held_audio_bytes`. Beyond it those are refused who hold more than an equal part, so
  that who floods does not silence its neighbours.
"""

from typing import Final

OWNERS_SHARE: Final = 4
"""One owner holds at most this part of all."""


class HeldAudio:
    """Bytes of uplink audio and open utterances of a whole process."""

    __slots__ = (
        "_max_bytes",
        "_max_utterances",
        "_per_session_bytes",
        "_utterances",
        "held_bytes",
        "holders",
        "owners",
    )

    def __init__(
        self, max_bytes: int, max_utterances: int = 50_000, per_session_bytes: int | None = None
    ) -> None:
        self._max_bytes = max_bytes
        self._max_utterances = max_utterances
        self._per_session_bytes = per_session_bytes or max_bytes
        self.held_bytes = 0
        """Bytes held now, over all sessions."""
        self._utterances = 0
        self.owners: dict[str, int] = {}
        """Bytes held for each owner that has any."""
        self.holders = 0
        """Sessions that hold something."""

    def __repr__(self) -> str:
        return (
            f"<HeldAudio {self.held_bytes} of {self._max_bytes} bytes,"
            f" {self._utterances} of {self._max_utterances} utterances>"
        )

    def share(self, owner: str) -> "HeldShare":
        """Return the part of a session that belongs to this owner."""
        return HeldShare(self, owner)

    def limit_of(self, owner: str, own_bytes: int) -> str | None:
        """Return the limit that a session with so many bytes of its own has reached, if any."""
        if own_bytes > self._per_session_bytes:
            return "max_held_audio_per_session"
        of_owner = self.owners.get(owner, 0)
        is_shared = bool(owner) and self.held_bytes > of_owner
        if is_shared and of_owner * OWNERS_SHARE > self._max_bytes:
            return "owners_share_of_held_audio"
        if self._utterances > self._max_utterances:
            return "max_open_utterances"
        if self.held_bytes > self._max_bytes and own_bytes * self.holders >= self._max_bytes:
            return "max_held_audio_bytes"
        return None

    def count(self, change: int) -> None:
        """Count utterances that were opened, or closed (below zero).

        Raises:
            ValueError: more were closed than were open, which is a bug of the caller.
        """
        if self._utterances + change < 0:
            raise ValueError(f"{-change} utterances closed while {self._utterances} are open")
        self._utterances += change


class HeldShare:
    """What one session holds. Life: that of the session; zero at its end."""

    __slots__ = ("_all", "_bytes", "_owner")

    def __init__(self, held: HeldAudio, owner: str) -> None:
        self._all = held
        self._owner = owner
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<HeldShare {self._bytes} bytes of {self._all!r}>"

    @property
    def limit(self) -> str | None:
        """The limit that is reached: what is cut now ends as `queue_full`; None: none is."""
        return self._all.limit_of(self._owner, self._bytes)

    def count(self, change: int) -> None:
        """Count utterances that were opened, or closed (below zero)."""
        self._all.count(change)

    def take(self, size_bytes: int) -> None:
        """Count bytes that arrived (they are here, so always)."""
        if size_bytes < 0:
            raise ValueError(f"{size_bytes} bytes cannot be taken")
        self._change(size_bytes)

    def give_back(self, size_bytes: int) -> None:
        """Count bytes that were let go.

        Raises:
            ValueError: more came back than was taken, which is a bug of the caller.
        """
        if not 0 <= size_bytes <= self._bytes:
            raise ValueError(f"{size_bytes} bytes given back while {self._bytes} are held")
        self._change(-size_bytes)

    def _change(self, by_bytes: int) -> None:
        held, owners = self._all, self._all.owners
        before = self._bytes
        self._bytes = before + by_bytes
        held.held_bytes += by_bytes
        held.holders += bool(self._bytes) - bool(before)
        of_owner = owners.get(self._owner, 0) + by_bytes
        if of_owner:
            owners[self._owner] = of_owner
        else:
            owners.pop(self._owner, None)
