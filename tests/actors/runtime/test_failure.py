"""What happens when an actor raises: nothing it had is lost without a word."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from actors.runtime.actor import (
    ActorDeadError,
    ActorFailed,
    ActorRegistry,
    LoopActor,
    dead_letters,
    inbox_of,
)
from tests.support.virtual_time import run_virtual, settle


class BombError(Exception):
    """What the actors here die of."""


class FragileActor(LoopActor):
    """Raises on "bomb"; everything else it keeps."""

    def __init__(self, key: str = "") -> None:
        super().__init__()
        self.key = key
        self.kept: list[str] = []
        self.died_of: BaseException | None = None

    def on_receive(self, message: Any) -> Any:
        if message == "bomb":
            raise BombError
        if message == "slow bomb":
            return self._explode_later()
        self.kept.append(message)
        return None

    async def _explode_later(self) -> None:
        await asyncio.sleep(1)
        raise BombError

    def on_wake(self, now_ms: float) -> None:
        raise BombError(now_ms)

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        assert exception_type is type(exception_value)
        assert traceback is exception_value.__traceback__
        self.died_of = exception_value


def fail(*messages: str, seconds: float = 0.0) -> ActorFailed:
    """Tell the messages to a fragile actor and return what its supervisor hears."""

    async def main() -> ActorFailed:
        failures: list[ActorFailed] = []
        ref = FragileActor.start("s-1", supervisor=failures.append)
        for message in messages:
            ref.tell(message)
        await asyncio.sleep(seconds)
        await settle()
        assert not ref.is_alive()
        assert ActorRegistry.get_all() == []
        assert len(failures) == 1
        return failures[0]

    return run_virtual(main())


def test_the_supervisor_hears_who_failed_of_what_with_which_messages() -> None:
    failure = fail("a", "bomb", "b", "c")
    assert failure.actor_class is FragileActor
    assert failure.key == "s-1"
    assert isinstance(failure.exception, BombError)
    assert failure.failed == ("bomb",)
    assert failure.pending == ("b", "c")


def test_a_failing_coroutine_handler_ends_the_actor_as_well() -> None:
    failure = fail("slow bomb", "b", seconds=2)
    assert failure.failed == ("slow bomb",)
    assert failure.pending == ("b",)


def test_a_failure_in_on_start_hands_over_everything_that_waited() -> None:
    class StillbornActor(FragileActor):
        def on_start(self) -> None:
            raise BombError

    async def main() -> None:
        failures: list[ActorFailed] = []
        ref = StillbornActor.start(supervisor=failures.append)
        ref.tell("a")
        await settle()
        assert (failures[0].failed, failures[0].pending) == ((), ("a",))

    run_virtual(main())


def test_a_failure_in_on_wake_names_no_message() -> None:
    class WakingActor(FragileActor):
        def on_start(self) -> None:
            self.wake_at(500)

    async def main() -> None:
        failures: list[ActorFailed] = []
        WakingActor.start(supervisor=failures.append)
        await asyncio.sleep(1)
        assert (failures[0].failed, failures[0].pending) == ((), ())

    run_virtual(main())


def test_a_failing_batch_is_handed_over_whole_and_apart_from_what_came_later() -> None:
    class BatchActor(LoopActor):
        async def on_receive_batch(self, messages: list[Any]) -> None:
            await asyncio.sleep(1)
            raise BombError(messages)

    async def main() -> None:
        failures: list[ActorFailed] = []
        ref = BatchActor.start(supervisor=failures.append)
        ref.tell("a")
        ref.tell("b")
        await asyncio.sleep(0.5)
        ref.tell("c")
        await asyncio.sleep(1)
        assert (failures[0].failed, failures[0].pending) == (("a", "b"), ("c",))

    run_virtual(main())


def test_waiting_asks_are_answered_and_a_waiting_stop_is_handed_over() -> None:
    async def main() -> None:
        failures: list[ActorFailed] = []
        ref = FragileActor.start(supervisor=failures.append)
        ref.tell("bomb")
        question = ref.ask("a", block=False)
        ref.tell("b")
        stopped = ref.stop(block=False)
        with pytest.raises(ActorDeadError, match="ended before"):
            await question
        assert await stopped
        kinds = [type(message).__name__ for message in failures[0].pending]
        assert kinds == ["str", "_ActorStop"]

    run_virtual(main())


def test_the_failure_hook_runs_before_the_supervisor_is_called() -> None:
    async def main() -> None:
        actor = FragileActor()
        seen: list[BaseException | None] = []
        actor._supervise = lambda _: seen.append(actor.died_of)
        ActorRegistry.register(actor.actor_ref)
        actor._start_actor_loop()
        actor.actor_ref.tell("bomb")
        await settle()
        assert [type(error) for error in seen] == [BombError]

    run_virtual(main())


def test_a_failure_is_logged_with_the_actors_id(log_records: list[dict[str, Any]]) -> None:
    fail("bomb")
    (record,) = [entry for entry in log_records if entry["level"].name == "ERROR"]
    assert record["message"] == "actor failed"
    assert record["extra"]["actor"] == "FragileActor"
    assert record["extra"]["key"] == "s-1"
    assert isinstance(record["exception"].value, BombError)


def test_without_a_supervisor_the_messages_become_dead_letters() -> None:
    async def main() -> None:
        before = dead_letters()
        ref = FragileActor.start()
        for message in ("bomb", "b", "c"):
            ref.tell(message)
        await settle()
        assert not ref.is_alive()
        assert dead_letters() == before + 3

    run_virtual(main())


def test_a_supervisor_that_raises_loses_no_message_silently(
    log_records: list[dict[str, Any]],
) -> None:
    def careless(failure: ActorFailed) -> None:
        raise LookupError(failure.key)

    async def main() -> None:
        before = dead_letters()
        ref = FragileActor.start(supervisor=careless)
        ref.tell("bomb")
        ref.tell("b")
        await settle()
        assert dead_letters() == before + 2

    run_virtual(main())
    assert "supervisor failed" in [record["message"] for record in log_records]


def test_a_failure_while_stopping_is_logged_and_the_actor_still_ends(
    log_records: list[dict[str, Any]],
) -> None:
    class SulkingActor(LoopActor):
        def on_stop(self) -> None:
            raise BombError

    async def main() -> None:
        failures: list[ActorFailed] = []
        ref = SulkingActor.start(supervisor=failures.append)
        assert await ref.stop(block=False)
        assert failures == []
        assert ActorRegistry.get_all() == []

    run_virtual(main())
    assert "actor failed while it stopped" in [record["message"] for record in log_records]


def test_a_failed_actor_lets_its_waiting_readers_go_on() -> None:
    async def main() -> None:
        ref = FragileActor.start(supervisor=lambda _: None)
        ref.tell("bomb")
        heard: list[str] = []
        inbox_of(ref).on_space(lambda: heard.append("room"))
        await settle()
        assert heard == ["room"]

    run_virtual(main())


def test_a_dead_actor_is_freed_although_its_ref_is_kept() -> None:
    async def main() -> None:
        actor = FragileActor()
        ref, watch = actor.actor_ref, weakref.ref(actor)
        ActorRegistry.register(ref)
        actor._start_actor_loop()
        actor.wake_at(60_000)
        del actor
        assert watch() is not None
        await ref.stop(block=False)
        await settle()
        assert watch() is None, "freed without a pass of the garbage collector"

    gc.disable()
    try:
        run_virtual(main())
    finally:
        gc.enable()
