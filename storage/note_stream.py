"""Mailbox: the notes that scripts of other instances leave for this one.

Owns a connection of its own, because reading waits for the next note. A note is about a job
or a session of this instance and is at most a few hundred bytes; what is lost with the store is
repaired by the owner's sweep.
"""

from collections.abc import Sequence
from typing import Any

from protocol.ids import InstanceId, JobId, NodeId, SessionId
from storage.cells import DEFAULT_PREFIX, FIRST, Cell
from storage.client.executor import Command, CommandRefused, Executor, refuse_if_not_ready
from storage.replies import reader
from storage.replies.job import Assigned, Note, NoteKind, Released
from storage.store import ScriptError

_KINDS = {kind.value: kind for kind in NoteKind}
_RELEASE = "release"
"""The kind of the one note that is about a session."""
_NOTES_PER_READ = 256
_WAIT_MS = 2000
"""Well below the connection's patience of 5 s."""


class NoteStream:
    """The notes for one instance, each handed out once and removed with the next read."""

    def __init__(
        self,
        executor: Executor,
        instance_id: InstanceId,
        *,
        prefix: str = DEFAULT_PREFIX,
        cell: Cell = FIRST,
    ) -> None:
        """Take an executor of its own, and the cell whose notes these are, with its prefix."""
        self._executor = executor
        self._cell = cell
        self._key = f"{prefix}inst:{instance_id}:mbox"
        self._taken: list[str] = []
        """Entries that were handed out and stand in the stream still."""

    async def read(self, wait_ms: int = _WAIT_MS) -> list[Note | Released]:
        """Remove what was handed out; return the next notes, after a while without any: none.

        Raises:
            StorageUnavailable: No answer. What was handed out may come again.
        """
        commands: list[Command] = [
            ("XREAD", "COUNT", _NOTES_PER_READ, "BLOCK", wait_ms, "STREAMS", self._key, "0-0")
        ]
        if self._taken:
            commands.insert(0, ("XDEL", self._key, *self._taken))
        replies = await self._executor.execute(commands)
        refuse_if_not_ready(replies)
        for reply in replies:
            if isinstance(reply, CommandRefused):
                raise ScriptError(f"the mailbox cannot be read: {reply}", 0)
        entries = _entries(replies[-1])
        self._taken = [entry for entry, _ in entries]
        return [note for _, fields in entries if (note := _note(fields, self._cell)) is not None]

    async def close(self) -> None:
        """Let go of the connection; who waits in `read` gets `StorageUnavailable`."""
        await self._executor.close()


def _entries(reply: Any) -> list[tuple[str, Any]]:
    """Return the entries of the one stream that was read; servers answer in either of two forms."""
    if not reply:
        return []
    streams: Sequence[Any] = list(reply.values()) if isinstance(reply, dict) else [reply[0][1]]
    return [(entry, fields) for entry, fields in streams[0] if fields]


def _note(row: Any, cell: Cell) -> Note | Released | None:
    """Return the note; None for a kind that this version does not know."""
    fields = reader.mapping(row)
    if fields.get("kind") == _RELEASE:
        return Released(SessionId(fields["session"]), int(fields["epoch"]))
    kind = _KINDS.get(fields.get("kind", ""))
    if kind is None:
        return None
    return Note(
        kind,
        Assigned(
            JobId(fields["job"]),
            int(fields["attempt"]),
            NodeId(fields["node"]),
            InstanceId(fields["instance"]),
            int(fields["epoch"]),
            int(fields["due_ms"]),
            stays_in_turn=fields.get("turned") == "1",
        ),
        cell,
    )
