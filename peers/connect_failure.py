"""Why a connection did not come about, in words for people."""

from websockets.exceptions import ConnectionClosed, InvalidStatus

_MEANINGS = {
    401: "it wants another token",
    403: "it refuses this peer",
    404: "it has no such path",
    503: "it takes nobody at the moment",
}


def reason(error: Exception) -> str:
    """Return one short phrase."""
    match error:
        case InvalidStatus():
            status = error.response.status_code
            return f"HTTP {status}: {_MEANINGS.get(status, 'no WebSocket there')}"
        case ConnectionClosed():
            close = error.rcvd
            return f"closed with {close.code} {close.reason}".strip() if close else "cut off"
        case TimeoutError():
            return "no answer in time"
        case OSError():
            return error.strerror or str(error) or type(error).__name__
        case _:
            return str(error) or type(error).__name__
