"""Under which path the service is served. Pure."""

from typing import Final

_MOST_CHARACTERS: Final = 200


def is_prefix(text: str) -> bool:
    """Tell whether the text can be a path prefix: empty, or `/lingua`, `/a/b`."""
    if not text:
        return True
    parts = text.split("/")
    is_plain = all(part and part not in (".", "..") and _is_plain(part) for part in parts[1:])
    return not parts[0] and is_plain and len(text) <= _MOST_CHARACTERS


def _is_plain(part: str) -> bool:
    return part.isascii() and all(sign.isalnum() or sign in "-._~" for sign in part)


class Paths:
    """Takes the prefix off the paths of requests.

    A request without it is answered, too: probes and whoever reads figures do not come through the
    proxy that knows the prefix.
    """

    def __init__(self, prefix: str) -> None:
        """`prefix`: see `is_prefix`."""
        self._prefix = prefix

    def begins(self, method_and_path: str) -> tuple[bytes, ...]:
        """Return how the first line of a request may begin, with the prefix and without."""
        method, _, path = method_and_path.partition(" ")
        return tuple({f"{method} {path}".encode(), f"{method} {self._prefix}{path}".encode()})

    def within(self, path: str) -> str | None:
        """Return the path without the prefix; None: it is the prefix without its last slash.

        A page there would look for its files beside the prefix, not below.
        """
        prefix = self._prefix
        if not prefix or not path.startswith(prefix):
            return path
        rest = path[len(prefix) :]
        if rest.startswith("/"):
            return rest
        return None if not rest or rest.startswith("?") else path

    @property
    def home(self) -> str:
        """The path of the page."""
        return f"{self._prefix}/"
