"""Backpressure: an inbox never drops, says when it is full and when a reader may go on."""

from typing import Any

import pytest

from actors.runtime.actor import LoopActor, inbox_depths, inbox_of
from tests.support.recording import RecordingRef
from tests.support.virtual_time import run_virtual, settle, stop_actors


class BoundedActor(LoopActor):
    """Handles one message per grant of a semaphore kept by the test."""

    mailbox_limit = 4

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def on_receive(self, message: int) -> None:
        self.seen.append(message)


def test_an_inbox_is_full_at_its_limit_and_takes_more_all_the_same() -> None:
    async def main() -> None:
        actor = BoundedActor()
        inbox = inbox_of(actor.actor_ref)
        for number in range(4):
            assert not inbox.is_full
            actor.actor_ref.tell(number)
        assert inbox.is_full
        actor.actor_ref.tell(4)
        assert len(inbox) == 5
        actor._start_actor_loop()
        await settle()
        assert actor.seen == [0, 1, 2, 3, 4]
        assert not inbox.is_full
        await actor.actor_ref.stop(block=False)

    run_virtual(main())


def test_an_inbox_without_a_limit_is_never_full() -> None:
    actor = LoopActor()
    for number in range(10_000):
        actor.actor_ref.tell(number)
    assert not inbox_of(actor.actor_ref).is_full


def test_a_reader_is_called_once_when_at_most_half_of_the_limit_waits() -> None:
    class SlowActor(BoundedActor):
        mailbox_limit = 64
        depth_at_call: int | None = None

    async def main() -> None:
        actor = SlowActor()
        inbox = inbox_of(actor.actor_ref)
        calls: list[int] = []
        for number in range(100):
            actor.actor_ref.tell(number)
        inbox.on_space(lambda: calls.append(len(inbox)))
        actor._start_actor_loop()
        assert calls == []
        await settle()
        assert len(calls) == 1
        assert calls[0] <= 32
        actor.actor_ref.tell(100)
        await settle()
        assert len(calls) == 1
        await actor.actor_ref.stop(block=False)

    run_virtual(main())


def test_a_reader_that_comes_when_there_is_room_is_called_on_the_next_turn() -> None:
    async def main() -> None:
        ref = BoundedActor.start()
        calls: list[str] = []
        inbox_of(ref).on_space(lambda: calls.append("a"))
        inbox_of(ref).on_space(lambda: calls.append("b"))
        assert calls == []
        await settle()
        assert calls == ["a", "b"]
        await stop_actors()

    run_virtual(main())


def test_a_stopped_actor_lets_its_waiting_readers_go_on() -> None:
    async def main() -> None:
        ref = BoundedActor.start()
        stopped = ref.stop(block=False)
        for number in range(10):
            ref.tell(number)
        calls: list[str] = []
        inbox_of(ref).on_space(lambda: calls.append("a"))
        await stopped
        await settle()
        inbox_of(ref).on_space(lambda: calls.append("b"))
        await settle()
        assert calls == ["a", "b"]

    run_virtual(main())


def test_depths_are_summed_by_class_and_return_to_zero() -> None:
    class CountedActor(BoundedActor):
        def on_receive(self, message: Any) -> None:
            if message == "bomb":
                raise ValueError(message)

    class CountedBatchActor(LoopActor):
        def on_receive_batch(self, messages: list[Any]) -> None:
            pass

    def depth(actor_class: type[LoopActor]) -> int:
        return inbox_depths()[actor_class.__name__]

    async def main() -> None:
        one, two, failing = CountedActor.start(), CountedActor.start(), CountedActor.start()
        batch = CountedBatchActor.start()
        await settle()
        for ref in (one, two, batch):
            for number in range(100):
                ref.tell(number)
        for message in ("bomb", 1, 2):
            failing.tell(message)
        assert depth(CountedActor) == 203
        assert depth(CountedBatchActor) == 100
        for ref in (one, two, batch):
            ref.stop(block=False)
            ref.tell("behind the stop")
        await settle()
        assert depth(CountedActor) == 0
        assert depth(CountedBatchActor) == 0

    run_virtual(main())


def test_only_a_loop_actors_ref_has_an_inbox() -> None:
    with pytest.raises(TypeError, match="no reference"):
        inbox_of(RecordingRef())
