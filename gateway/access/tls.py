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
        for name in ("tls_key", "node_ca_file"):
            if getattr(options, name) is not None:
                raise TlsError(f"{name}: there is no tls_cert that it belongs to")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificate(context, options)
    ask_for_certificates(context, options)
    return context


def ask_for_certificates(context: ssl.SSLContext, options: AccessOptions) -> None:
    """Have new handshakes ask for a certificate, of an authority that is in the file now.

    Nobody has to show one: clients have none. OpenSSL only ever adds authorities to a context, so
    each handshake is given a context of its own making, by the callback that it makes anyway; and
    no session is taken up again (TLS 1.3 without tickets), for that would ask for nothing.

    Raises:
        TlsError: The file cannot be used; what held before holds.
    """
    if options.node_ca_file is None:
        return
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_certificate(asking, options)
    try:
        asking.load_verify_locations(Path(options.node_ca_file).expanduser())
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or error
        raise TlsError(f"node_ca_file: {options.node_ca_file!r} cannot be used: {why}") from None
    for one in (context, asking):
        one.minimum_version = ssl.TLSVersion.TLSv1_3
        one.num_tickets = 0
        one.verify_mode = ssl.CERT_OPTIONAL

    def choose(tls: ssl.SSLObject, _name: str | None, _base: ssl.SSLContext) -> None:
        tls.context = asking

    context.sni_callback = choose


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
    files = options.tls_cert, options.tls_key, options.node_ca_file
    return tuple(path for path in files if path)


def _no_password() -> str:
    """Answer where OpenSSL would ask on the terminal: nobody is there when a service starts."""
    raise ValueError("the key is encrypted; store it without a password")
