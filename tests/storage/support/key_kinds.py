"""Of which kind a key of the store is."""

from storage.keys import KEYS, Key


def key_of(name: str) -> Key | None:
    """Return the kind of a key by its name without the prefix; None for an unknown one.

    The longest pattern wins, so that `session:s:jobs` is not a session called `s:jobs`.
    """
    fitting = [key for key in KEYS if _fits(name, key.pattern)]
    return max(fitting, key=lambda key: len(key.pattern), default=None)


def _fits(name: str, pattern: str) -> bool:
    start, star, end = pattern.partition("*")
    if not star:
        return name == pattern
    return len(name) > len(start) + len(end) and name.startswith(start) and name.endswith(end)
