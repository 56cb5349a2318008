"""Other threads may tell and ask; what they say passes through the loop in order."""

import asyncio
import threading
from typing import Any

from actors.runtime.actor import ActorRegistry, LoopActor, dead_letters, tell
from tests.support.virtual_time import run_virtual, settle, stop_actors


class EchoActor(LoopActor):
    """Notes what it hears and answers."""

    def __init__(self, notes: list[str] | None = None) -> None:
        super().__init__()
        self.notes = [] if notes is None else notes

    def on_receive(self, message: str) -> str:
        self.notes.append(message)
        return f"noted {message}"


def test_messages_from_other_threads_arrive_each_in_its_threads_order() -> None:
    per_thread = 500

    async def main() -> list[str]:
        notes: list[str] = []
        ref = EchoActor.start(notes)

        def talk(name: str) -> None:
            for number in range(per_thread):
                ref.tell(f"{name}{number}")

        threads = [threading.Thread(target=talk, args=(name,)) for name in "xyz"]
        for thread in threads:
            thread.start()
        while len(notes) < 3 * per_thread:
            await settle()
        for thread in threads:
            thread.join()
        await stop_actors()
        return notes

    notes = run_virtual(main())
    for name in "xyz":
        mine = [note for note in notes if note.startswith(name)]
        assert mine == [f"{name}{number}" for number in range(per_thread)]


def test_another_thread_may_ask_and_block() -> None:
    async def main() -> None:
        ref = EchoActor.start()
        assert await asyncio.to_thread(ref.ask, "a", timeout=5) == "noted a"
        assert await asyncio.to_thread(ref.stop, timeout=5) is True

    run_virtual(main())


def test_a_message_that_another_thread_sends_during_the_stop_is_a_dead_letter() -> None:
    async def main() -> None:
        ref = EchoActor.start()
        await settle()
        before = dead_letters()
        thread = threading.Thread(target=ref.tell, args=("late",))
        stopped = ref.stop(block=False)
        thread.start()
        thread.join()  # the message is on its way through the loop, behind the stop
        await stopped
        await settle()
        assert dead_letters() == before + 1

    run_virtual(main())


def test_a_thread_that_tells_after_the_loop_has_ended_learns_it() -> None:
    async def main() -> Any:
        return EchoActor.start()

    ref = run_virtual(main())
    before = dead_letters()
    assert not tell(ref, "a")
    assert dead_letters() == before + 1
    ActorRegistry.unregister(ref)
