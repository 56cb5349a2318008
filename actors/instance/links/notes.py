"""NotesActor: brings the notes of other instances to the dispatcher.

It waits for them all the time, on a connection of its own; it has nothing else to do, so it may.
Notes may come twice and may be lost with the store's data: the dispatcher knows.
"""

from typing import Never, Protocol, assert_never

from loguru import logger

from actors.directory import Directory
from actors.messages.process import NoteArrived
from actors.runtime.actor import LoopActor, tell
from storage.replies.job import Note, Released
from storage.store import StorageUnavailable

_RETRY_MS = 500


class NoteSource(Protocol):
    """Where notes come from."""

    async def read(self) -> list[Note | Released]:
        """Return the next notes; after a while without any, none."""


class NotesActor(LoopActor):
    """Reads, tells, reads again."""

    def __init__(self, notes: NoteSource, directory: Directory) -> None:
        super().__init__()
        self._notes = notes
        self._directory = directory
        self._is_away = False

    def __repr__(self) -> str:
        return f"<NotesActor{' store is away' if self._is_away else ''}>"

    def on_start(self) -> None:
        """Begin to read."""
        self.wake_at(self.now_ms())

    def on_receive(self, message: Never) -> None:
        """Nobody tells this actor anything."""
        assert_never(message)

    def handover(self, _error: BaseException) -> NoteSource:
        """A bug ended this actor: its successor reads on."""
        return self._notes

    async def on_wake(self, now_ms: float) -> None:
        """Wait for notes."""
        try:
            notes = await self._notes.read()
        except StorageUnavailable as error:
            if not self._is_away:
                logger.debug("notes cannot be read", error=str(error))
            self._is_away = True
            self.wake_at(now_ms + _RETRY_MS)
            return
        self._is_away = False
        for note in notes:
            tell(self._directory.dispatcher, NoteArrived(note))
        self.wake_at(self.now_ms())
