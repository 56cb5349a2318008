"""What an operator may set about who gets in. Must not: decide anything, read any file."""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Le


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """Credentials of clients, nodes and operators, and the web pages that may connect."""

    node_tokens: str | None = field(default=None, repr=False)
    """Tokens of nodes: `name:token,name:token`; several may have one name."""
    node_tokens_file: str | None = None
    """File with tokens of nodes, one `name:token` per line, read again when it changes."""
    client_tokens: str | None = field(default=None, repr=False)
    """Tokens of clients: `tenant:token,tenant:token`; several may have one tenant."""
    client_tokens_file: str | None = None
    """File with tokens of clients, one `tenant:token` per line, read again when it changes."""
    admin_token: str | None = field(default=None, repr=False)
    """Token of operators, for /metrics, /api/v1 and /dashboard; several: `token,token`."""
    admin_token_file: str | None = None
    """File with tokens of operators, one per line, read again when it changes."""
    jwt_secret: str | None = field(default=None, repr=False)
    """Secret with which JWTs of clients are signed (HS256)."""
    jwt_secret_file: str | None = None
    """File with such secrets, one per line, all valid; the command `token` uses the first."""
    jwks_file: str | None = None
    """File with public keys (JWKS) of who signs JWTs of clients (RS256, ES256, EdDSA)."""
    jwt_audience: str | None = None
    """What `aud` of a JWT must be, or hold."""
    jwt_issuer: str | None = None
    """What `iss` of a JWT must be."""
    jwt_leeway_seconds: Annotated[int, Ge(0), Le(600)] = 10
    """Seconds by which the clock of who signs JWTs may differ from ours."""
    allowed_origins: str = ""
    """Origins (`https://app.example.org,…`) of pages that may open sessions, besides our own."""
    allowed_hosts: str = ""
    """Names (`speech.example.org,…`) by which peers without credentials may call this service."""
    trusted_proxies: str = ""
    """Addresses and ranges (`10.0.0.0/8,…`) of proxies whose `X-Forwarded-For` is believed."""
    node_ca_file: str | None = None
    """File with authorities (PEM); a certificate that one of them signed lets its node in."""
    tls_cert: str | None = None
    """File with the certificate and its chain (PEM); the port then speaks TLS only."""
    tls_key: str | None = None
    """File with the certificate's key (PEM); absent: it stands in the same file."""

    @property
    def proves_tenants(self) -> bool:
        """Whether a client can show whose it is: then nobody is believed without."""
        return bool(
            self.client_tokens
            or self.client_tokens_file
            or self.jwt_secret
            or self.jwt_secret_file
            or self.jwks_file
        )
