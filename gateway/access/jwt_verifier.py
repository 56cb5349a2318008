"""JWTs of clients: which are genuine, and for whom.

It owns the choice of key and algorithm; PyJWT checks signature and times. The algorithm that a
token names only chooses among keys made for it: a public key is never a secret, and `none` has no
key (RFC 8725 section 3.1).
"""

import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from gateway.access.credential_watch import Proof

HS256 = "HS256"
_BY_KIND = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
"""Key type and curve (RFC 7517, 8037) → the one algorithm that it may be used with."""
_PUBLIC_MEMBERS = {"kty", "crv", "kid", "use", "alg", "n", "e", "x", "y"}
_SHORTEST_RSA_BITS = 2048
_SHORT_SECRET_BYTES = 32
_LONGEST_JWT = 8192
_MOST_KEYS = 64
_FAILURES = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""What PyJWT raises on what somebody made up; the last four are not meant, and happen."""


class JwtKeyError(ValueError):
    """A secret or a key set cannot be used. The message never holds it."""


@dataclass(frozen=True, slots=True)
class JwtRules:
    """What a token must say beside its signature."""

    audience: str | None = None
    issuer: str | None = None
    leeway_s: float = 10.0


@dataclass(frozen=True, slots=True)
class JwtKey:
    """A key that proves tokens of one algorithm."""

    algorithm: str
    key: Any = field(repr=False)
    """A secret (bytes), or a public key as PyJWT reads it."""
    key_id: str | None = None
    """Set: tokens with another `kid` are not tried with it."""


class JwtVerifier:
    """Tells the tenant of a token. Never changes."""

    def __init__(self, keys: Iterable[JwtKey] = (), rules: JwtRules | None = None) -> None:
        self._keys = tuple(keys)
        self._rules = rules or JwtRules()

    def __repr__(self) -> str:
        return f"<JwtVerifier {len(self._keys)} keys>"

    def __len__(self) -> int:
        return len(self._keys)

    def tenant_of(self, presented: str) -> str | None:
        """Return the tenant that a genuine, valid token speaks for; None for anything else."""
        proof = self.proof_of(presented)
        return None if proof is None else proof.name

    def has(self, key: object) -> bool:
        """Tell whether tokens that this key has signed are valid."""
        return key in self._keys

    def proof_of(self, presented: str) -> Proof | None:
        """Return whose genuine, valid token it is, by which key and until when; None: nobody's."""
        if not self._keys or len(presented) > _LONGEST_JWT or presented.count(".") != 2:  # noqa: PLR2004
            return None
        try:
            header = jwt.get_unverified_header(presented)
        except _FAILURES:
            return None
        for key in self._keys:
            if key.algorithm == header.get("alg") and _may_be_of(key, header.get("kid")):
                claims = self._claims(presented, key)
                if claims is not None:
                    tenant, ends_s = _tenant(claims), float(claims["exp"]) + self._rules.leeway_s
                    return None if tenant is None else Proof(tenant, key, ends_s)
        return None

    def _claims(self, presented: str, key: JwtKey) -> dict[str, Any] | None:
        rules = self._rules
        required = ["exp", *(["aud"] if rules.audience else []), *(["iss"] if rules.issuer else [])]
        try:
            with _short_secrets_allowed():
                return jwt.decode(
                    presented,
                    key.key,
                    algorithms=[key.algorithm],
                    audience=rules.audience,
                    issuer=rules.issuer,
                    leeway=rules.leeway_s,
                    options={"require": required},
                )
        except _FAILURES:
            return None


def _may_be_of(key: JwtKey, key_id: object) -> bool:
    return key_id is None or key.key_id is None or key.key_id == key_id


def _tenant(claims: dict[str, Any]) -> str | None:
    """Return the tenant, which a token must name: who `sub` is, is not ours to interpret."""
    tenant = claims.get("tenant")
    is_name = isinstance(tenant, str) and 0 < len(tenant) <= 64 and tenant.isprintable()  # noqa: PLR2004
    return tenant if is_name else None


def secret_keys(text: str) -> list[JwtKey]:
    """Return the keys of HS256, one per line.

    Raises:
        JwtKeyError: There is none: an empty secret would let everybody sign.
    """
    secrets = [line.strip() for line in text.splitlines() if line.strip()]
    if not secrets:
        raise JwtKeyError("the secret for JWTs is empty")
    return [JwtKey(HS256, secret.encode()) for secret in secrets]


def has_short_secret(keys: Iterable[JwtKey]) -> bool:
    """Tell whether a secret is shorter than RFC 7518 section 3.2 wants: it could be guessed."""
    return any(key.algorithm == HS256 and len(key.key) < _SHORT_SECRET_BYTES for key in keys)


def public_keys(text: str) -> list[JwtKey]:
    """Return the keys of a JWKS (RFC 7517) that prove signatures; others are left out.

    Raises:
        JwtKeyError: It is no JWKS, or has no key that can be used.
    """
    try:
        entries = json.loads(text)["keys"]
        keys = [key for entry in entries if (key := _public_key(entry)) is not None]
    except (*_FAILURES, LookupError, AttributeError) as error:
        raise JwtKeyError("the key set is no JWKS (RFC 7517)") from error
    if not 0 < len(keys) <= _MOST_KEYS:
        raise JwtKeyError("the key set has no RSA, P-256 or Ed25519 key for signatures")
    return keys


def _public_key(entry: dict[str, Any]) -> JwtKey | None:
    algorithm = _BY_KIND.get((entry.get("kty", ""), entry.get("crv")))
    if algorithm is None or entry.get("use", "sig") != "sig":
        return None
    if entry.get("alg", algorithm) != algorithm:
        return None
    public = {name: value for name, value in entry.items() if name in _PUBLIC_MEMBERS}
    key = jwt.PyJWK(public, algorithm).key
    if algorithm == "RS256" and key.key_size < _SHORTEST_RSA_BITS:
        return None
    return JwtKey(algorithm, key, entry.get("kid"))


def mint(secret: str, tenant: str, lifetime: timedelta, rules: JwtRules) -> str:
    """Return a token for a tenant's browser, signed with HS256."""
    begins = datetime.now(UTC)
    claims: dict[str, Any] = {"sub": tenant, "tenant": tenant, "iat": begins}
    claims["exp"] = begins + lifetime
    if rules.audience:
        claims["aud"] = rules.audience
    if rules.issuer:
        claims["iss"] = rules.issuer
    with _short_secrets_allowed():
        return jwt.encode(claims, secret, HS256)


@contextmanager
def _short_secrets_allowed() -> Iterator[None]:
    """Whoever starts the process has been warned of them, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
        yield
