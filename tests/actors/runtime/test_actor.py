"""How started actors run on the event loop: order, replies, stops."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from actors.runtime.actor import (
    RUN_BUDGET,
    ActorDeadError,
    ActorRegistry,
    BlockingCallError,
    LoopActor,
    dead_letters,
    tell,
)
from tests.support.virtual_time import run_virtual, settle, stop_actors


@dataclass(frozen=True, slots=True)
class Say:
    """Something to note."""

    word: str


@dataclass(frozen=True, slots=True)
class SayLater:
    """Something to note after a while."""

    word: str
    seconds: float = 1.0


class NoteActor(LoopActor):
    """Notes what it hears in a list that outlives it."""

    def __init__(self, notes: list[str] | None = None) -> None:
        super().__init__()
        self.notes = [] if notes is None else notes

    def on_receive(self, message: Any) -> Any:
        match message:
            case Say(word):
                self.notes.append(word)
                return f"noted {word}"
            case SayLater():
                return self._note_later(message)
            case _:
                raise TypeError(f"unknown: {message}")

    async def _note_later(self, message: SayLater) -> str:
        await asyncio.sleep(message.seconds)
        self.notes.append(message.word)
        return f"noted {message.word} later"

    def on_stop(self) -> Any:
        self.notes.append("stopped")


def test_messages_are_handled_in_the_order_they_were_told() -> None:
    async def main() -> list[str]:
        notes: list[str] = []
        ref = NoteActor.start(notes)
        for number in range(100):
            ref.tell(Say(str(number)))
        await settle()
        await stop_actors()
        return notes

    assert run_virtual(main()) == [*map(str, range(100)), "stopped"]


def test_telling_never_runs_the_handler_within_the_call() -> None:
    async def main() -> None:
        notes: list[str] = []
        ref = NoteActor.start(notes)
        await settle()
        ref.tell(Say("a"))
        assert notes == []
        await settle()
        assert notes == ["a"]
        await stop_actors()

    run_virtual(main())


def test_a_coroutine_handler_ends_before_the_next_message_begins() -> None:
    async def main() -> None:
        notes: list[str] = []
        ref = NoteActor.start(notes)
        ref.tell(SayLater("slow", 5.0))
        ref.tell(Say("quick"))
        await asyncio.sleep(4.9)
        assert notes == []
        await asyncio.sleep(0.2)
        assert notes == ["slow", "quick"]
        await stop_actors()

    run_virtual(main())


def test_a_busy_actor_gives_the_loop_to_others_after_a_bounded_number_of_messages() -> None:
    async def main() -> None:
        notes: list[str] = []
        ref = NoteActor.start(notes)
        await settle()
        loop = asyncio.get_running_loop()
        seen: list[int] = []

        def look() -> None:
            seen.append(len(notes))
            if len(notes) < 3 * RUN_BUDGET:
                loop.call_soon(look)

        for number in range(3 * RUN_BUDGET):
            ref.tell(Say(str(number)))
        look()
        await settle()
        assert seen == [0, RUN_BUDGET, 2 * RUN_BUDGET, 3 * RUN_BUDGET]
        await stop_actors()

    run_virtual(main())


def test_an_ask_is_awaited_without_blocking_the_loop() -> None:
    async def main() -> None:
        ref = NoteActor.start()
        first = ref.ask(SayLater("a"), block=False)
        second = ref.ask(Say("b"), block=False)
        assert await asyncio.wait_for(second, 2) == "noted b"
        assert await first == "noted a later"
        assert first.get() == "noted a later"
        await stop_actors()

    run_virtual(main())


def test_several_coroutines_may_await_one_reply_and_one_may_give_up() -> None:
    async def main() -> None:
        reply = NoteActor.start().ask(SayLater("a", 2.0), block=False)

        async def wait() -> Any:
            return await reply

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(), 1.0)
        assert list(await asyncio.gather(wait(), wait())) == ["noted a later"] * 2
        await stop_actors()

    run_virtual(main())


def test_an_exception_in_an_ask_goes_to_the_asker_and_the_actor_lives_on() -> None:
    async def main() -> None:
        ref = NoteActor.start()
        with pytest.raises(TypeError, match="unknown: 7"):
            await ref.ask(7, block=False)
        assert await ref.ask(Say("still here"), block=False) == "noted still here"
        await stop_actors()

    run_virtual(main())


def test_pykka_combinators_of_replies_are_awaited_too() -> None:
    async def main() -> None:
        ref = NoteActor.start()
        one = ref.ask(SayLater("a"), block=False)
        two = ref.ask(SayLater("b"), block=False)
        assert list(await one.join(two)) == ["noted a later", "noted b later"]
        assert await one.map(len) == len("noted a later")
        await stop_actors()

    run_virtual(main())


def test_blocking_calls_on_the_loop_raise_instead_of_dead_locking() -> None:
    async def main() -> None:
        ref = NoteActor.start()
        with pytest.raises(BlockingCallError, match="block=False"):
            ref.ask(Say("a"))
        with pytest.raises(BlockingCallError, match="block=False"):
            ref.stop()
        with pytest.raises(BlockingCallError):
            ref.ask(Say("b"), block=False).get(timeout=1)
        await settle()

    run_virtual(main())


def test_a_stop_lets_earlier_messages_be_handled_and_buries_later_ones() -> None:
    async def main() -> None:
        notes: list[str] = []
        ref = NoteActor.start(notes)
        before = dead_letters()
        ref.tell(Say("before"))
        stopped = ref.stop(block=False)
        ref.tell(Say("after"))
        late_ask = ref.ask(Say("late"), block=False)
        second_stop = ref.stop(block=False)
        assert await stopped
        assert await second_stop
        with pytest.raises(ActorDeadError):
            await late_ask
        assert notes == ["before", "stopped"]
        assert dead_letters() == before + 1
        assert not ref.is_alive()
        assert await ref.stop(block=False) is False

    run_virtual(main())


def test_telling_a_dead_actor_is_false_and_counted() -> None:
    async def main() -> None:
        ref = NoteActor.start()
        assert tell(ref, Say("a"))
        await ref.stop(block=False)
        before = dead_letters()
        assert not tell(ref, Say("b"))
        assert dead_letters() == before + 1
        with pytest.raises(ActorDeadError):
            ref.tell(Say("c"))
        with pytest.raises(ActorDeadError):
            await ref.ask(Say("d"), block=False)

    run_virtual(main())


def test_an_actor_may_stop_itself() -> None:
    class Shy(NoteActor):
        def on_receive(self, message: Any) -> Any:
            self.stop()
            return super().on_receive(message)

    async def main() -> None:
        notes: list[str] = []
        ref = Shy.start(notes)
        ref.tell(Say("a"))
        await settle()
        assert notes == ["a", "stopped"]
        assert not ref.is_alive()

    run_virtual(main())


def test_start_and_stop_hooks_may_return_coroutines() -> None:
    class Slow(NoteActor):
        def on_start(self) -> Any:
            return self.note_after(3, "started")

        def on_stop(self) -> Any:
            return self.note_after(2, "stopped")

        async def note_after(self, seconds: float, word: str) -> None:
            await asyncio.sleep(seconds)
            self.notes.append(word)

    async def main() -> None:
        notes: list[str] = []
        ref = Slow.start(notes)
        ref.tell(Say("a"))
        await asyncio.sleep(2.9)
        assert notes == []
        await ref.stop(block=False)
        assert notes == ["started", "a", "stopped"]
        assert asyncio.get_running_loop().time() == pytest.approx(5.0)

    run_virtual(main())


def test_stopping_all_goes_from_the_last_started_to_the_first() -> None:
    class Named(LoopActor):
        def __init__(self, name: str, ended: list[str]) -> None:
            super().__init__()
            self.name, self.ended = name, ended

        def on_stop(self) -> None:
            self.ended.append(self.name)

    async def main() -> list[str]:
        ended: list[str] = []
        for name in ("store", "dispatcher", "session"):
            Named.start(name, ended)
        await settle()
        await asyncio.gather(*(_value(f) for f in ActorRegistry.stop_all(block=False)))
        return ended

    async def _value(future: Any) -> Any:
        return await future

    assert run_virtual(main()) == ["session", "dispatcher", "store"]


def test_the_registry_finds_actors_by_class_and_urn_until_they_stop() -> None:
    async def main() -> None:
        ref = NoteActor.start()
        other = NoteActor.start()
        assert ActorRegistry.get_by_class(NoteActor) == [ref, other]
        assert ActorRegistry.get_by_urn(ref.actor_urn) is ref
        assert ActorRegistry.get_by_class_name("NoteActor") == [ref, other]
        ActorRegistry.broadcast(Say("all"))
        await ref.stop(block=False)
        assert ActorRegistry.get_all() == [other]
        await stop_actors()

    run_virtual(main())


def test_an_actor_starts_only_on_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        NoteActor.start()
    assert ActorRegistry.get_all() == []


def test_an_actor_that_is_not_started_keeps_what_it_is_told() -> None:
    actor = NoteActor()
    actor.actor_ref.tell(Say("early"))
    assert len(actor.actor_inbox) == 1
    assert actor.notes == []
