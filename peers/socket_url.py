"""Where a peer connects to, as people write it: `host:port`, with or without scheme and path."""

from urllib.parse import urlsplit, urlunsplit

SESSION_PATH = "/ws/session"
NODE_PATH = "/ws/node"
_SCHEMES = {"http": "ws", "https": "wss"}


class UrlError(ValueError):
    """No address that a WebSocket can be opened to; the text says so in one line."""


def socket_url(text: str, path: str) -> str:
    """Return the address with its path; `path` is taken where none is written.

    Raises:
        UrlError: it is no WebSocket address.
    """
    whole = text if "://" in text else f"ws://{text}"
    try:
        parts = urlsplit(whole)
        parts = parts._replace(scheme=_SCHEMES.get(parts.scheme, parts.scheme))
        is_usable = parts.scheme in {"ws", "wss"} and bool(parts.hostname)
        is_usable = is_usable and parts.port != 0 and not parts.fragment
        is_usable = is_usable and not parts.netloc.endswith(":")  # a port was meant
    except ValueError:
        is_usable = False
    if not is_usable:
        raise UrlError(f"{shown_url(text)!r} is no WebSocket address; say HOST:PORT")
    return urlunsplit(parts._replace(path=parts.path if parts.path.strip("/") else path))


def shown_url(text: str) -> str:
    """Return an address as it may be printed: tokens may stand in the query or before the host."""
    scheme, slashes, rest = text.partition("?")[0].rpartition("//")
    return scheme + slashes + rest.rpartition("@")[2]
