"""The mailbox: notes of other instances come once, in order, and are removed."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from protocol.ids import InstanceId, SessionId
from storage.note_stream import NoteStream
from storage.replies.job import Note, NoteKind, Released
from storage.replies.session import Claimed
from storage.store import StorageUnavailable
from tests.storage.conftest import connect
from tests.support.storage_world import World


@pytest.fixture
def mailbox(world: World, server: str) -> Iterator[NoteStream]:
    """The mailbox of i1, on a connection of its own where the server is a real one."""
    executor = world.executor if server == "fakeredis" else connect(server)
    box = NoteStream(executor, InstanceId("i1"))
    yield box
    world.run(box.close())


def give_a_slot(world: World) -> None:
    """A job of i1 waits; i2 ends its own job and so gives it the slot."""
    world.beat("i2")
    world.node("n1")
    world.session("s2", "i2")
    world.dispatch("s2", 1, owner="i2")
    world.dispatch("s1", 1)
    world.complete("job-s2-1-es", "n1", owner="i2")


def kinds(notes: Sequence[Note | Released]) -> list[tuple[NoteKind, str]]:
    return [(note.kind, note.job.job_id) for note in notes if isinstance(note, Note)]


def test_a_note_says_where_the_job_is(world: World, mailbox: NoteStream) -> None:
    give_a_slot(world)
    [note] = world.run(mailbox.read(10))
    assert isinstance(note, Note)
    assert note.kind is NoteKind.ASSIGNED
    assert (note.job.job_id, note.job.attempt, note.job.node_id) == ("job-s1-1-es", 1, "n1")
    assert note.job.node_instance == "i1"
    assert note.job.node_epoch == world.node_epochs["n1"]
    assert note.job.due_in_ms > 0


def test_a_note_comes_once_and_is_gone_with_the_next_read(
    world: World, mailbox: NoteStream
) -> None:
    give_a_slot(world)
    assert len(world.run(mailbox.read(10))) == 1
    assert len(world.notes("i1")) == 1
    assert world.run(mailbox.read(10)) == []
    assert world.notes("i1") == []


def test_notes_come_in_their_order(world: World, mailbox: NoteStream) -> None:
    give_a_slot(world)
    world.do(world.member("i2").nodes.offline("n1", world.node_epochs["n1"]))  # type: ignore[arg-type]
    read = kinds(world.run(mailbox.read(10)))
    assert read == [(NoteKind.ASSIGNED, "job-s1-1-es"), (NoteKind.NODE_LOST, "job-s1-1-es")]


def test_a_note_says_who_has_a_session_now(world: World, mailbox: NoteStream) -> None:
    world.resumable("s")
    world.beat("i2")
    claimed = world.take_over("s", "i2")
    assert isinstance(claimed, Claimed)
    assert world.run(mailbox.read(10)) == [Released(SessionId("s"), claimed.epoch)]


def test_a_kind_of_a_later_version_is_passed_over(world: World, mailbox: NoteStream) -> None:
    give_a_slot(world)
    world.command("XADD", "inst:i1:mbox", "*", "kind", "from_the_future", "x", "1")
    assert len(world.run(mailbox.read(10))) == 1
    assert world.run(mailbox.read(10)) == []
    assert world.notes("i1") == []


def test_a_reader_waits_for_the_next_note(world: World, mailbox: NoteStream, server: str) -> None:
    if server == "fakeredis":
        return  # the imitation in this process would stand still; a real server does not

    async def read_and_give() -> list[Note | Released]:
        reading = asyncio.create_task(mailbox.read(2000))
        await asyncio.sleep(0.05)
        assert not reading.done()
        key = f"{world.store.prefix}inst:i1:mbox"
        job = ("job", "j", "attempt", 1, "node", "n", "instance", "i", "epoch", 1, "due_ms", 5)
        add = ("XADD", key, "*", "kind", "assigned", *job)
        await world.store.read([add, ("EXPIRE", key, 60)])
        async with asyncio.timeout(1):
            return await reading

    assert kinds(world.run(read_and_give())) == [(NoteKind.ASSIGNED, "j")]


def test_who_waits_is_released_when_the_mailbox_is_closed(
    world: World, mailbox: NoteStream, server: str
) -> None:
    if server == "fakeredis":
        return  # as above

    async def read_and_close() -> None:
        reading = asyncio.create_task(mailbox.read(2000))
        await asyncio.sleep(0.05)
        await mailbox.close()
        with pytest.raises(StorageUnavailable):
            async with asyncio.timeout(1):
                await reading

    world.run(read_and_close())
