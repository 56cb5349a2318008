"""The reader of notes: every note is delivered, in order, whatever the store does meanwhile."""

import asyncio
from dataclasses import replace

from actors.directory import Directory
from actors.instance.links.notes import NotesActor
from actors.messages.process import NoteArrived
from protocol.ids import InstanceId, JobId, NodeId
from storage.replies.job import Assigned, Note, NoteKind
from storage.store import StorageUnavailable
from tests.support.recording import RecordingRef
from tests.support.virtual_time import run_virtual, settle, stop_actors

AT = Assigned(JobId("job"), 1, NodeId("n"), InstanceId("b"), 1, 5)
NOTES = [Note(NoteKind.ASSIGNED, replace(AT, attempt=attempt)) for attempt in (1, 2, 3)]


class Source:
    """Gives what the test puts in; an exception is raised; without anything it waits a while."""

    def __init__(self, *answers: list[Note] | StorageUnavailable) -> None:
        self.answers = list(answers)
        self.reads = 0

    async def read(self) -> list[Note]:
        self.reads += 1
        if not self.answers:
            await asyncio.sleep(2)
            return []
        answer = self.answers.pop(0)
        if isinstance(answer, StorageUnavailable):
            raise answer
        return answer


def delivered(source: Source, seconds: float = 0.1) -> list[Note]:
    async def main() -> list[Note]:
        directory, dispatcher = Directory(), RecordingRef()
        directory.dispatcher = dispatcher
        NotesActor.start(source, directory)
        await asyncio.sleep(seconds)
        await settle()
        await stop_actors()
        return [
            arrived.note for arrived in dispatcher.of(NoteArrived) if isinstance(arrived.note, Note)
        ]

    return run_virtual(main())


def test_notes_are_told_in_order() -> None:
    assert delivered(Source(NOTES[:2], NOTES[2:])) == NOTES


def test_without_notes_it_waits_for_them() -> None:
    source = Source()
    assert delivered(source, 5) == []
    assert source.reads == 3


def test_a_store_that_is_away_is_asked_again_after_a_while() -> None:
    away = StorageUnavailable("away")
    source = Source(away, away, NOTES)
    assert delivered(source, 0.9) == []
    assert source.reads == 2
    assert delivered(Source(away, NOTES), 0.6) == NOTES
