"""Resumption: who may go on with one session, and on which socket. Pure.

Shared by the session (which renews the token and ends the offer) and reception (which looks at
the token and hands the session over). Tokens are nowhere else; they are never logged or shown.
"""

import re
import secrets
from base64 import urlsafe_b64encode
from hmac import compare_digest, digest
from typing import NamedTuple, Self

from actors.ports import Outbox
from protocol.ids import SessionId

_KEY_BYTES = 24
"""192 random bits."""


_PROOF_BYTES = 24


_TOKEN = re.compile(r"([0-9]{1,20})\.([0-9]{1,20})\.[0-9A-Za-z_=-]{1,64}")


class TokenNumber(NamedTuple):
    """Which token of a session it is; later ones are greater."""

    epoch: int
    """Of the session, when its owner made the token; 0 before the store knew the session."""
    serial: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Read what `str` wrote; empty: the first of all."""
        epoch, _, serial = text.partition(".")
        return cls(int(epoch or 0), int(serial or 0))

    def __str__(self) -> str:
        return f"{self.epoch}.{self.serial}"


class TokenMint:
    """Makes and checks the tokens of one session."""

    __slots__ = ("_session_id", "key")

    def __init__(self, session_id: SessionId, key: str) -> None:
        self._session_id = session_id
        self.key = key

    def __repr__(self) -> str:
        return f"<TokenMint {self._session_id}>"

    def make(self, number: TokenNumber) -> str:
        """Return the token of this number."""
        signed = f"{self._session_id}:{number}".encode()
        proof = digest(self.key.encode(), signed, "sha256")[:_PROOF_BYTES]
        return f"{number}.{urlsafe_b64encode(proof).decode()}"

    def read(self, token: str) -> TokenNumber | None:
        """Return the number of a token of this session; None for anything else."""
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            return None
        number = TokenNumber(int(parts[1]), int(parts[2]))
        genuine = compare_digest(self.make(number).encode(), token.encode())
        return number if genuine else None


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


def new_token_key() -> str:
    """Return a key for the tokens of a session."""
    return secrets.token_urlsafe(_KEY_BYTES)
