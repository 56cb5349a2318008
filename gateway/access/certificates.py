"""Client certificates of nodes: whom one stands for, and which issuers count. Pure but for a file.

It owns the name in a certificate: its first DNS name, else its common name, as a token's name is
written. That the certificate is genuine, and who it is that shows it, TLS has checked before. Only
what an authority in the file has signed itself counts: by that an authority that is taken away
takes what it signed along.
"""

import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.access.credential_watch import Proof

Certificate = Mapping[str, Any]
"""As `ssl.SSLSocket.getpeercert` returns it."""
Shown = Callable[[], Certificate | None]
"""Returns the certificate of the other end; None: it has shown none."""

_NAME = re.compile(r"[^\s:,#]{1,64}")


class CertificateAuthorities:
    """The authorities whose certificates nodes may show. Never changes."""

    def __init__(self, names: frozenset[tuple[Any, ...]] = frozenset()) -> None:
        self._names = names

    def __repr__(self) -> str:
        return f"<CertificateAuthorities {len(self._names)}>"

    @classmethod
    def read(cls, path: str) -> "CertificateAuthorities":
        """Read the authorities of a file.

        Raises:
            ValueError: It cannot be read, or holds none; one line that says so.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_verify_locations(Path(path).expanduser())
        except (OSError, ssl.SSLError) as error:
            why = getattr(error, "strerror", None) or error
            raise ValueError(f"node_ca_file: {path!r} cannot be used: {why}") from None
        found: list[Certificate] = list(context.get_ca_certs())
        if not found:
            raise ValueError(f"node_ca_file: {path!r} holds no certificate of an authority")
        return cls(frozenset(one["subject"] for one in found))

    def has(self, key: object) -> bool:
        """Tell whether what a proof rests on is one of them."""
        return key in self._names

    def proof_of(self, certificate: Certificate) -> Proof | None:
        """Return whom a certificate stands for, until when; None: nobody."""
        issuer, name = certificate.get("issuer"), _name_of(certificate)
        if name is None or issuer not in self._names:
            return None
        return Proof(name, issuer, ssl.cert_time_to_seconds(str(certificate["notAfter"])))


def _name_of(certificate: Certificate) -> str | None:
    names = [text for kind, text in certificate.get("subjectAltName", ()) if kind == "DNS"]
    for part in certificate.get("subject", ()):
        names += [text for kind, text in part if kind == "commonName"]
    return next((name for name in names[:1] if _NAME.fullmatch(name)), None)
