"""Which utterances of a session belong together, and what was spoken in their group so far.

A group is a stretch of talk without a long silence: its id and part numbers label results, its
text is context for the recogniser. Speech begun while a group is open belong to it, however long
they last: what their job was told, their result carries. Pure. Must not: send anything.
"""

import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from protocol.ids import GroupId, new_group_id
from protocol.value import value

GROUP_WINDOW_MS = 2_000
"""Words or a result later than this after the group's beginning, or after its last speech was
played to the end, begin another group."""
MAX_CONTEXT_PARTS = 8
MAX_CONTEXT_CHARACTERS = 800


@value
class GroupPart:
    """Where a result stands."""

    group_id: str
    part_index: int
    """From 0 within the group."""


class GroupContext(NamedTuple):
    """What a job about to be dispatched is told."""

    part: GroupPart
    """Where its result will stand if nothing comes in between."""
    context_text: str
    """What was spoken in the group, oldest first; at most 800 characters."""


class Grouping:
    """The current group of one session. All times are monotonic ms."""

    __slots__ = ("_base_ms", "_group_id", "_length", "_new_id", "_next_part", "_parts")

    def __init__(self, new_id: Callable[[], GroupId] = new_group_id) -> None:
        self._new_id = new_id
        self._group_id: GroupId | None = None
        self._base_ms = 0.0
        """When the group began, or when its speech was last played to the end."""
        self._next_part = 0
        self._parts: list[str] = []
        self._length = 0
        """Characters in `_parts`."""

    def __repr__(self) -> str:
        return f"<Grouping {self._group_id}: {self._next_part} parts>"

    def upcoming(self, begun_at_ms: float, ahead: int = 0) -> GroupContext | None:
        """Return where the result of words stands that began then; None: in another group.

        `ahead`: so many results are expected before it, as far as can be known.
        """
        if self._group_id is None or begun_at_ms - self._base_ms > GROUP_WINDOW_MS:
            return None
        part = GroupPart(self._group_id, self._next_part + ahead)
        return GroupContext(part, "".join(self._parts))

    def assign(
        self, text_asr: str, text_translated: str, now_ms: float, told: str | None = None
    ) -> GroupPart:
        """Place a result; `told` is the group that its job was told, if any.

        Without recognised text it has a place all the same, and adds nothing to the context.
        """
        group_id = self._group_id
        if group_id is None or (told != group_id and now_ms - self._base_ms > GROUP_WINDOW_MS):
            group_id = self._begin(now_ms)
        part = GroupPart(group_id, self._next_part)
        self._next_part += 1
        if text_asr.strip():
            self._add_context(f"User: {text_asr}\nTarget: {text_translated}\n")
        return part

    def playback_ended(self, group_id: str, now_ms: float) -> bool:
        """Keep the group open from now on; False for a group that is not the current one."""
        if group_id != self._group_id:
            return False
        self._base_ms = now_ms
        return True

    def _begin(self, now_ms: float) -> GroupId:
        self._group_id = group_id = self._new_id()
        self._base_ms = now_ms
        self._next_part = 0
        self._parts.clear()
        self._length = 0
        return group_id

    def _add_context(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
        while len(self._parts) > 1 and (
            len(self._parts) > MAX_CONTEXT_PARTS or self._length > MAX_CONTEXT_CHARACTERS
        ):
            self._length -= len(self._parts.pop(0))
        if self._length > MAX_CONTEXT_CHARACTERS:
            self._parts[0] = _last_characters(text, MAX_CONTEXT_CHARACTERS)
            self._length = len(self._parts[0])


def _last_characters(text: str, limit: int) -> str:
    """Return the end of a text, beginning with a whole character (not with its accents)."""
    start = len(text) - limit
    while start < len(text) and (
        unicodedata.category(text[start]).startswith("M") or text[start] == "\u200d"
    ):
        start += 1
    return text[start:]
