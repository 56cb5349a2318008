"""All credentials that are valid now, read from settings and files.

It owns what a token stands for. It must not know requests. A set of credentials never changes:
what is read anew is a new one, so a file that is half written changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gateway.access.certificates import Certificate, CertificateAuthorities
from gateway.access.credential_watch import Proof
from gateway.access.jwt_verifier import (
    JwtKey,
    JwtKeyError,
    JwtRules,
    JwtVerifier,
    has_short_secret,
    public_keys,
    secret_keys,
)
from gateway.access.options import AccessOptions
from gateway.access.tokens import (
    Token,
    TokenError,
    TokenTable,
    digest_of,
    named_tokens,
    plain_tokens,
)

_LARGEST_FILE_BYTES = 4 * 1024 * 1024

Item = TypeVar("Item", Token, JwtKey)


class CredentialsError(ValueError):
    """A setting or a file with credentials cannot be used; one line that shows none of them."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who is who."""

    nodes: TokenTable = field(default_factory=TokenTable)
    clients: TokenTable = field(default_factory=TokenTable)
    operators: TokenTable = field(default_factory=TokenTable)
    jwts: JwtVerifier = field(default_factory=JwtVerifier)
    authorities: CertificateAuthorities = field(default_factory=CertificateAuthorities)
    """Who signs certificates of nodes."""
    has_short_secret: bool = False
    """A secret for JWTs is so short that it could be guessed."""

    def client(self, token: str) -> Proof | None:
        """Return whose token of a client it is: a tenant's; None: nobody's."""
        return _listed(self.clients, token) or self.jwts.proof_of(token)

    def node(self, token: str) -> Proof | None:
        """Return whose token of a node it is; None: nobody's."""
        return _listed(self.nodes, token)

    def certified_node(self, certificate: Certificate) -> Proof | None:
        """Return whose certificate of a node it is; None: nobody's."""
        return self.authorities.proof_of(certificate)

    def operator(self, token: str) -> Proof | None:
        """Return what an operator's token proves; None: nothing."""
        return _listed(self.operators, token)

    def has(self, proof: Proof) -> bool:
        """Tell whether what was proven once would still get somebody in, its end apart."""
        tables = (self.clients, self.nodes, self.operators)
        if self.jwts.has(proof.key) or self.authorities.has(proof.key):
            return True
        return any(one.has(proof.name, proof.key) for one in tables)

    @classmethod
    def read(cls, options: AccessOptions) -> "Credentials":
        """Read what the settings name.

        Raises:
            CredentialsError: Something cannot be read, or is none.
        """
        keys = [
            *_both(secret_keys, "jwt_secret", options.jwt_secret, options.jwt_secret_file),
            *_both(public_keys, "jwks", None, options.jwks_file),
        ]
        rules = JwtRules(options.jwt_audience, options.jwt_issuer, options.jwt_leeway_seconds)
        nodes = _tokens("node_tokens", options.node_tokens, options.node_tokens_file)
        clients = _tokens("client_tokens", options.client_tokens, options.client_tokens_file)
        operators = _tokens("admin_token", options.admin_token, options.admin_token_file)
        jwts, is_short = JwtVerifier(keys, rules), has_short_secret(keys)
        return cls(nodes, clients, operators, jwts, _authorities(options.node_ca_file), is_short)


def _authorities(path: str | None) -> CertificateAuthorities:
    if path is None:
        return CertificateAuthorities()
    try:
        return CertificateAuthorities.read(path)
    except ValueError as error:
        raise CredentialsError(str(error)) from None


def _listed(tokens: TokenTable, token: str) -> Proof | None:
    name = tokens.name_of(token)
    return None if name is None else Proof(name, digest_of(token))


def watched_files(options: AccessOptions) -> tuple[str, ...]:
    """Return the files that credentials are read from."""
    files = (
        *(options.node_tokens_file, options.client_tokens_file, options.admin_token_file),
        *(options.jwt_secret_file, options.jwks_file, options.node_ca_file),
    )
    return tuple(path for path in files if path)


def signing_secret(options: AccessOptions) -> str | None:
    """Return the secret with which tokens for browsers are signed; None if there is none.

    Raises:
        CredentialsError: The file cannot be read, or is empty.
    """
    keys = _both(secret_keys, "jwt_secret", options.jwt_secret, options.jwt_secret_file)
    return keys[0].key.decode() if keys else None


def _tokens(name: str, text: str | None, path: str | None) -> TokenTable:
    read: Callable[[str], list[Token]]
    read = plain_tokens if name == "admin_token" else named_tokens
    tokens = _both(read, name, text, path)
    if not tokens and (text or path):
        raise CredentialsError(f"{name}{'_file' if path else ''}: no token stands there")
    try:
        return TokenTable(tokens)
    except TokenError as error:
        raise CredentialsError(f"{name}: {error}") from None


def _both(
    read: Callable[[str], list[Item]], name: str, text: str | None, path: str | None
) -> list[Item]:
    """Return what stands in a setting and in a file: both count."""
    found = []
    if text:
        found += _parsed(read, name, text)
    if path:
        found += _parsed(read, f"{name}_file", _content(name, path))
    return found


def _parsed(read: Callable[[str], list[Item]], name: str, text: str) -> list[Item]:
    try:
        return read(text)
    except (TokenError, JwtKeyError) as error:
        raise CredentialsError(f"{name}: {error}") from None


def _content(name: str, path: str) -> str:
    try:
        data = Path(path).expanduser().read_bytes()[: _LARGEST_FILE_BYTES + 1]
        if len(data) > _LARGEST_FILE_BYTES:
            raise CredentialsError(f"{name}_file: {path!r} is too large")
        return data.decode()
    except OSError as error:
        text = f"{name}_file: {path!r} cannot be read: {error.strerror}"
        raise CredentialsError(text) from None
    except UnicodeDecodeError:
        raise CredentialsError(f"{name}_file: {path!r} is not text (UTF-8)") from None
