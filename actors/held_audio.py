"""How much uplink audio the process holds for its speakers, and how much of it for each of them.

Pure. Must not: end jobs or keep audio; it counts and decides. Everything is zero when nothing is
open: each session says what it holds whenever that has changed.

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
        "held_bytes",
        "holders",
        "max_bytes",
        "max_utterances",
        "owners",
        "per_session_bytes",
        "utterances",
    )

    def __init__(
        self, max_bytes: int, max_utterances: int = 50_000, per_session_bytes: int | None = None
    ) -> None:
        self.max_bytes = max_bytes
        self.max_utterances = max_utterances
        self.per_session_bytes = per_session_bytes or max_bytes
        self.held_bytes = 0
        """Bytes held now, over all sessions."""
        self.utterances = 0
        """Open now, over all sessions."""
        self.owners: dict[str, int] = {}
        """Bytes held for each owner that has any."""
        self.holders = 0
        """Sessions that hold something."""

    def __repr__(self) -> str:
        return (
            f"<HeldAudio {self.held_bytes} of {self.max_bytes} bytes,"
            f" {self.utterances} of {self.max_utterances} utterances>"
        )

    def share(self, owner: str) -> "HeldShare":
        """Return the part of a session that belongs to this owner."""
        return HeldShare(self, owner)


class HeldShare:
    """What one session holds. Life: that of the session; zero at its end."""

    __slots__ = ("_all", "_owner", "held_bytes", "open_utterances")

    def __init__(self, held: HeldAudio, owner: str) -> None:
        self._all = held
        self._owner = owner
        self.held_bytes = 0
        self.open_utterances = 0

    def __repr__(self) -> str:
        return f"<HeldShare {self.held_bytes} bytes of {self._all!r}>"

    @property
    def limit(self) -> str | None:
        """The limit that is reached: what is cut now ends as `queue_full`; None: none is."""
        held, own_bytes = self._all, self.held_bytes
        if own_bytes > held.per_session_bytes:
            return "max_held_audio_per_session"
        of_owner = held.owners.get(self._owner, 0)
        is_shared = bool(self._owner) and held.held_bytes > of_owner
        if is_shared and of_owner * OWNERS_SHARE > held.max_bytes:
            return "owners_share_of_held_audio"
        if held.utterances > held.max_utterances:
            return "max_open_utterances"
        if held.held_bytes > held.max_bytes and own_bytes * held.holders >= held.max_bytes:
            return "max_held_audio_bytes"
        return None

    def hold(self, held_bytes: int, open_utterances: int) -> None:
        """Count what the session holds now, whatever it held before."""
        held, owners = self._all, self._all.owners
        held.utterances += open_utterances - self.open_utterances
        self.open_utterances = open_utterances
        by_bytes, before = held_bytes - self.held_bytes, self.held_bytes
        if not by_bytes:
            return
        self.held_bytes = held_bytes
        held.held_bytes += by_bytes
        held.holders += bool(held_bytes) - bool(before)
        of_owner = owners.get(self._owner, 0) + by_bytes
        if of_owner:
            owners[self._owner] = of_owner
        else:
            owners.pop(self._owner, None)
