"""Resume tokens: numbered, and made with a key of their session. Pure.

A token is `<epoch>.<serial>.<proof>`. The proof is an HMAC over session and number with a key that
only the session's owner and the store have, so that any instance can judge a token without having
heard of it: the one that made it may have died with the acknowledgement. Numbers grow, also from
owner to owner, because the epoch does; which of them are still valid is for others to say.
"""

import re
import secrets
from base64 import urlsafe_b64encode
from hmac import compare_digest, digest
from typing import NamedTuple, Self

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


def new_token_key() -> str:
    """Return a key for the tokens of a session."""
    return secrets.token_urlsafe(_KEY_BYTES)


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
        said = f"{self._session_id}:{number}".encode()
        proof = digest(self.key.encode(), said, "sha256")[:_PROOF_BYTES]
        return f"{number}.{urlsafe_b64encode(proof).decode()}"

    def read(self, token: str) -> TokenNumber | None:
        """Return the number of a token of this session; None for anything else."""
        said = _TOKEN.fullmatch(token)
        if said is None:
            return None
        number = TokenNumber(int(said[1]), int(said[2]))
        genuine = compare_digest(self.make(number).encode(), token.encode())
        return number if genuine else None
