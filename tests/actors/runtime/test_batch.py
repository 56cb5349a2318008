"""A batch actor takes all that waits in one call; asks and stops keep their place."""

import asyncio
from typing import Any

from actors.runtime.actor import ActorRegistry, LoopActor
from tests.support.virtual_time import run_virtual, settle, stop_actors


class BatchActor(LoopActor):
    """Notes its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []

    def on_receive(self, message: Any) -> Any:
        return self.batches if message == "report" else None

    async def on_receive_batch(self, messages: list[Any]) -> None:
        self.batches.append(messages)
        await asyncio.sleep(1)


def test_a_batch_actor_gets_all_that_waits_at_once() -> None:
    async def main() -> None:
        ref = BatchActor.start()
        for word in "abc":
            ref.tell(word)
        await settle()
        for word in "de":
            ref.tell(word)
        await asyncio.sleep(0.5)
        ref.tell("f")
        assert await ref.ask("report", block=False) == [["a", "b", "c"], ["d", "e", "f"]]
        await stop_actors()

    run_virtual(main())


def test_a_batch_ends_before_an_ask_and_before_a_stop() -> None:
    async def main() -> None:
        actor = BatchActor()
        ref = actor.actor_ref
        ref.tell("a")
        report = ref.ask("report", block=False)
        ref.tell("b")
        stopped = ref.stop(block=False)
        ref.tell("c")
        ActorRegistry.register(ref)
        actor._start_actor_loop()
        await report
        await stopped
        assert actor.batches == [["a"], ["b"]]

    run_virtual(main())
