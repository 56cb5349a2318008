"""Tokens and what they stand for. Pure.

It owns the form in which tokens are written down and their comparison. Only digests are kept: a
token itself is in no value, no repr and no error.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hmac import compare_digest

_HASHED = re.compile(r"sha256:([0-9a-fA-F]{64})")
_NAME = re.compile(r"[^\s:,#]{1,64}")
_SEPARATOR = re.compile(r"[,\n]")
_LONGEST_TOKEN = 4096
"""Characters; nothing longer is hashed."""


class TokenError(ValueError):
    """What is written down is no list of tokens. The message never holds one."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token and whose it is."""

    name: str
    """Of a node, or of a tenant; empty for operators."""
    digest: bytes = field(repr=False)
    """SHA-256 of the token in UTF-8."""


class TokenTable:
    """All tokens of one kind that are valid now. Never changes.

    Raises:
        TokenError: One token has two names.
    """

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self._tokens = tuple(tokens)
        owners: dict[bytes, str] = {}
        for token in self._tokens:
            if owners.setdefault(token.digest, token.name) != token.name:
                raise TokenError(f"{owners[token.digest]} and {token.name} have the same token")

    def __repr__(self) -> str:
        return f"<TokenTable {len(self._tokens)} tokens>"

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def names(self) -> frozenset[str]:
        """Who has one."""
        return frozenset(token.name for token in self._tokens)

    def has(self, name: str, digest: object) -> bool:
        """Tell whether the token with this digest stands for this name."""
        return any(token.digest == digest and token.name == name for token in self._tokens)

    def name_of(self, presented: str) -> str | None:
        """Return whose token it is; None if it is nobody's.

        All are compared, each in constant time: how long it takes says nothing.
        """
        if len(presented) > _LONGEST_TOKEN:
            return None
        digest, name = digest_of(presented), None
        for token in self._tokens:
            if compare_digest(token.digest, digest):
                name = token.name
        return name


def digest_of(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def named_tokens(text: str) -> list[Token]:
    """Return the tokens of a list `name:token`, separated by commas or lines.

    Raises:
        TokenError: An entry is none.
    """
    return [_named(number, entry) for number, entry in _entries(text)]


def plain_tokens(text: str) -> list[Token]:
    """Return the tokens of a list without names.

    Raises:
        TokenError: An entry is none.
    """
    return [_token("", number, entry) for number, entry in _entries(text)]


def _named(number: int, entry: str) -> Token:
    name, colon, token = (part.strip() for part in entry.partition(":"))
    if not colon or not _NAME.fullmatch(name):
        raise TokenError(f"entry {number} is not name:token")
    return _token(name, number, token)


def _token(name: str, number: int, text: str) -> Token:
    if not text or len(text) > _LONGEST_TOKEN or any(letter.isspace() for letter in text):
        raise TokenError(f"entry {number} has no token, or one with white space in it")
    hashed = _HASHED.fullmatch(text)
    return Token(name, bytes.fromhex(hashed[1]) if hashed else digest_of(text))


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is neither empty nor a comment (`#`), numbered from 1."""
    number = 0
    for part in _SEPARATOR.split(text):
        entry = part.strip()
        if entry and not entry.startswith("#"):
            number += 1
            yield number, entry
