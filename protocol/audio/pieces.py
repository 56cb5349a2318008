"""Bytes that come in pieces: tiny ones must not take more room than what they say. Pure."""

MOST_APART = 1024
"""Pieces kept apart since the last joint: a piece of one byte takes 42."""


def compact(pieces: list[bytes], joined: int) -> int:
    """Join the last pieces into one if they are many; return how many are joined ones by now.

    The first `joined` stay as they are, so every byte is copied once, however many come.
    """
    if len(pieces) - joined < MOST_APART:
        return joined
    pieces[joined:] = [b"".join(pieces[joined:])]
    return joined + 1
