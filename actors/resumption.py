"""Resumption: who may go on with one session, and on which socket. Pure.

Shared by the session (which renews the token and ends the offer) and reception (which looks at
the token and hands the session over). Tokens are nowhere else; they are never logged or shown.
"""

from dataclasses import dataclass

from actors.ports import Outbox
from actors.resume_token import TokenMint, TokenNumber


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

    __slots__ = (
        "_claims",
        "_newest",
        "_presented",
        "_valid",
        "credential",
        "mint",
        "speaker",
        "use_binary_frame",
    )

    def __init__(
        self,
        credential: str,
        speaker: Outbox | None,
        mint: TokenMint,
        *,
        presented: TokenNumber | None = None,
        use_binary_frame: bool = False,
    ) -> None:
        """Make an offer; `presented` is the token that brought the session from elsewhere."""
        self.credential = credential
        """Tenant of the credential with which the session was opened; empty: without one."""
        self.use_binary_frame = use_binary_frame
        self.speaker: Outbox | None = speaker
        """The socket that speaks for the session, or will once its claim is met."""
        self.mint = mint
        self._newest = presented or TokenNumber(0, 0)
        self._valid: list[TokenNumber] = [] if presented is None else [presented]
        """Newest last."""
        self._presented: TokenNumber | None = None
        self._claims = 0

    def __repr__(self) -> str:
        return f"<Resumption {len(self._valid)} tokens, {self._claims} claims>"

    @property
    def is_claimed(self) -> bool:
        """Whether a client is on its way back."""
        return self._claims > 0

    @property
    def beyond(self) -> TokenNumber:
        """The number from which on no token was made."""
        return TokenNumber(self._newest.epoch, self._newest.serial + 1)

    def admits(self, token: str, credential: str) -> bool:
        """Tell whether this is a valid token, from a caller like the one who opened the session."""
        return self._match(token) is not None and credential == self.credential

    def is_behind(self, token: str) -> bool:
        """Tell whether this token was made by a later owner: the session has been elsewhere."""
        number = self.mint.read(token)
        return number is not None and number > self._newest

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

    def renew(self, epoch: int) -> str:
        """Return the next token; the one just presented stays valid until `settle`.

        `epoch` is the session's in the store: no two owners make tokens of the same number.
        """
        self._newest = TokenNumber(max(epoch, self._newest.epoch), self._newest.serial + 1)
        self._valid = [self._newest]
        if self._presented is not None:
            self._valid.insert(0, self._presented)
        return self.mint.make(self._newest)

    def settle(self) -> TokenNumber | None:
        """The client has spoken: it knows the newest token.

        Returns that token's number if others were valid before.
        """
        had_others = len(self._valid) > 1
        self._presented = None
        del self._valid[:-1]
        return self._valid[0] if had_others else None

    def _match(self, token: str) -> TokenNumber | None:
        number = self.mint.read(token)
        return number if number in self._valid else None
