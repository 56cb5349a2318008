"""TLS on the port, with a certificate that may be replaced while it is in use.

It owns the context of the port. New handshakes get what was loaded last; open sockets keep theirs.
"""

import ssl
from pathlib import Path

from gateway.access.options import AccessOptions


class TlsError(ValueError):
    """Certificate and key cannot be used; one line that says why."""


def tls_context(options: AccessOptions) -> ssl.SSLContext | None:
    """Return a context of its own for the port; None if it speaks no TLS.

    Raises:
        TlsError: The files cannot be read, or do not belong together.
    """
    if options.tls_cert is None:
        if options.tls_key is not None:
            raise TlsError("tls_key: there is no tls_cert that it belongs to")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificate(context, options)
    return context


def load_certificate(context: ssl.SSLContext, options: AccessOptions) -> None:
    """Have new handshakes use the certificate as it stands in its files now.

    Raises:
        TlsError: They cannot be used; the context is as it was.
    """
    if options.tls_cert is None:
        return
    certificate = Path(options.tls_cert).expanduser()
    key = Path(options.tls_key).expanduser() if options.tls_key else None
    try:
        for one in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), context):  # the first is a trial
            one.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        text = f"tls_cert: {options.tls_cert!r} and its key cannot be used: {error.reason}"
        raise TlsError(text) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise TlsError(f"tls_cert: {options.tls_cert!r} or its key: {why}") from None


def tls_files(options: AccessOptions) -> tuple[str, ...]:
    """Return the files to be watched."""
    return tuple(path for path in (options.tls_cert, options.tls_key) if path)


def _no_password() -> str:
    """Answer where OpenSSL would ask on the terminal: nobody is there when a service starts."""
    raise ValueError("the key is encrypted; store it without a password")
