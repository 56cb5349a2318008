"""Resumption: who may go on with one session, and on which socket. Pure.

Shared by the session (which renews the token and ends the offer) and reception (which looks at
the token and hands the session over). Tokens are nowhere else; they are never logged or shown.
"""

import secrets
from dataclasses import dataclass
from hmac import compare_digest

from actors.ports import Outbox

TOKEN_BYTES = 24
"""192 random bits."""


@dataclass(frozen=True, slots=True)
class SocketResumed:
    """A client came back to its session on this socket; its token was looked at before."""

    outbox: Outbox
    last_delivery_seq: int
    """The last outcome that the client has; 0: none."""


class Resumption:
    """The offer to come back to one session.

    Two tokens are valid at most: the newest, and the one with which the client came back last.
    Until a message shows that the client has read the newest one, it may know only the other.

    A claim is a resume that the session has not come to yet. It holds from the moment at which
    the token was accepted: a grace that ends meanwhile has come too late.
    """

    __slots__ = ("_claims", "_presented", "_valid", "credential", "speaker", "use_binary_frame")

    def __init__(self, credential: str, speaker: Outbox, *, use_binary_frame: bool = False) -> None:
        self.credential = credential
        """Tenant of the credential with which the session was opened; empty: without one."""
        self.use_binary_frame = use_binary_frame
        self.speaker: Outbox | None = speaker
        """The socket that speaks for the session, or will once its claim is met."""
        self._valid: list[bytes] = []
        """Newest last."""
        self._presented: bytes | None = None
        self._claims = 0

    def __repr__(self) -> str:
        return f"<Resumption {len(self._valid)} tokens, {self._claims} claims>"

    @property
    def is_claimed(self) -> bool:
        """Whether a client is on its way back."""
        return self._claims > 0

    def admits(self, token: str, credential: str) -> bool:
        """Tell whether this is a valid token, from a caller like the one who opened the session."""
        return self._match(token) is not None and credential == self.credential

    def claim(self, token: str, speaker: Outbox) -> Outbox | None:
        """Let a socket speak from now on; return the one that does not any more, if any.

        Raises:
            ValueError: the token is not valid: `admits` was not asked.
        """
        presented = self._match(token)
        if presented is None:
            raise ValueError("a claim without a valid token")
        self._presented = presented
        self._claims += 1
        former, self.speaker = self.speaker, speaker
        return None if former is speaker else former

    def meet(self) -> bool:
        """The session has come to the oldest claim; False if a later one is on its way."""
        self._claims -= 1
        return not self._claims

    def renew(self) -> str:
        """Return the next token; the one just presented stays valid until `settle`."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._valid = [token.encode()]
        if self._presented is not None:
            self._valid.insert(0, self._presented)
        return token

    def settle(self) -> None:
        """The client has spoken since it came back: it knows the newest token."""
        self._presented = None
        del self._valid[:-1]

    def _match(self, token: str) -> bytes | None:
        """Return the valid token that equals this one; takes as long whichever it is."""
        given = token.encode(errors="backslashreplace")
        found = None
        for valid in self._valid:
            if compare_digest(valid, given):
                found = valid
        return found
