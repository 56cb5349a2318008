"""Deadlines of actors, and the virtual clock that these tests run on."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.actor import LoopActor
from tests.support.recording import HandClock
from tests.support.virtual_time import EndlessTimeError, run_virtual, settle, stop_actors


class SleeperActor(LoopActor):
    """Sets the deadline it is told and notes when it wakes."""

    def __init__(self) -> None:
        super().__init__()
        self.woken_ms: list[float] = []

    def on_receive(self, message: Any) -> Any:
        self.wake_at(message)

    def on_wake(self, now_ms: float) -> None:
        self.woken_ms.append(now_ms)


def wakes(*deadlines: tuple[float, float | None]) -> list[float]:
    """Set deadlines (at ms, to ms) on one actor; return when it wakes, rounded."""

    async def main() -> list[float]:
        actor = SleeperActor()
        actor._start_actor_loop()
        loop = asyncio.get_running_loop()
        for at_ms, deadline_ms in deadlines:
            await asyncio.sleep(at_ms / 1000 - loop.time())
            actor.actor_ref.tell(deadline_ms)
        await asyncio.sleep(1000)
        await actor.actor_ref.stop(block=False)
        return [round(woken_ms, 3) for woken_ms in actor.woken_ms]

    return run_virtual(main())


def test_an_actor_wakes_once_at_its_deadline() -> None:
    assert wakes((0, 250)) == [250]


def test_a_deadline_moved_later_wakes_only_at_the_later_time() -> None:
    assert wakes((0, 250), (100, 350), (200, 450)) == [450]


def test_a_deadline_moved_earlier_wakes_only_at_the_earlier_time() -> None:
    assert wakes((0, 5000), (100, 300)) == [300]


def test_a_deadline_taken_back_does_not_wake() -> None:
    assert wakes((0, 250), (100, None)) == []


def test_a_deadline_in_the_past_wakes_at_once() -> None:
    assert wakes((100, 40)) == [100]


def test_a_deadline_may_be_set_again_after_each_wake() -> None:
    assert wakes((0, 100), (150, 200), (250, 260)) == [100, 200, 260]


@given(st.lists(st.tuples(st.integers(1, 50), st.none() | st.integers(0, 400)), max_size=8))
def test_only_the_newest_deadline_holds(moves: list[tuple[int, int | None]]) -> None:
    """Compare with a model: at each step the deadline fires if it comes before the next move."""
    now_ms, steps, expected = 5, [], list[float]()  # never at the same time as a deadline
    for pause_ms, deadline_ms in moves:
        now_ms += pause_ms * 10
        steps.append((now_ms, None if deadline_ms is None else deadline_ms * 10))
    for index, (at_ms, deadline) in enumerate(steps):
        until_ms = steps[index + 1][0] if index + 1 < len(steps) else 10**6
        if deadline is not None and max(at_ms, deadline) < until_ms:
            expected.append(max(at_ms, deadline))
    assert wakes(*steps) == expected


def test_a_message_before_the_wake_up_can_still_move_the_deadline() -> None:
    class BusyActor(SleeperActor):
        async def on_receive(self, message: Any) -> None:
            if message == "be busy":
                await asyncio.sleep(1)
            else:
                self.wake_at(message)

    async def main() -> None:
        actor = BusyActor()
        actor._start_actor_loop()
        actor.wake_at(500)
        actor.actor_ref.tell("be busy")  # until 1000, past the deadline
        actor.actor_ref.tell(3000.0)
        await asyncio.sleep(10)
        assert [round(ms) for ms in actor.woken_ms] == [3000]
        await actor.actor_ref.stop(block=False)

    run_virtual(main())


def test_many_moves_to_a_later_time_keep_one_timer_on_the_loop() -> None:
    async def main() -> None:
        actor = SleeperActor()
        actor._start_actor_loop()
        for number in range(1000):
            actor.wake_at(1000 + number)
        loop: Any = asyncio.get_running_loop()
        assert len(loop._scheduled) == 1
        await actor.actor_ref.stop(block=False)

    run_virtual(main())


def test_a_stopped_actor_is_not_woken() -> None:
    async def main() -> None:
        actor = SleeperActor()
        actor._start_actor_loop()
        actor.wake_at(500)
        await actor.actor_ref.stop(block=False)
        await asyncio.sleep(1)
        assert actor.woken_ms == []

    run_virtual(main())


def test_an_actor_that_is_not_started_follows_a_clock_moved_by_hand() -> None:
    clock = HandClock(now_ms=1000)
    actor, other = clock.hold(SleeperActor()), clock.hold(SleeperActor())
    actor.wake_at(actor.now_ms() + 500)
    other.wake_at(1200)
    assert clock.deadline_of(actor) == 1500
    clock.advance_to(1499)
    assert (actor.woken_ms, other.woken_ms) == ([], [1200])
    clock.advance_to(2000)
    assert actor.woken_ms == [1500]
    assert clock.deadline_of(actor) is None
    assert clock.now_ms == 2000


# ---- the virtual clock itself ---------------------------------------------------------------


def test_virtual_time_passes_only_while_nothing_can_run() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(1000):
            await asyncio.sleep(0)
        await settle()
        assert loop.time() == 0.0
        await asyncio.sleep(3600)
        assert loop.time() == 3600.0

    run_virtual(main())


def test_virtual_timers_fire_in_the_order_of_their_times() -> None:
    async def main() -> list[tuple[float, str]]:
        fired: list[tuple[float, str]] = []
        loop = asyncio.get_running_loop()

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            fired.append((loop.time(), name))

        await asyncio.gather(sleeper("c", 0.3), sleeper("a", 0.1), sleeper("b", 0.2))
        return fired

    assert run_virtual(main()) == [(0.1, "a"), (0.2, "b"), (0.3, "c")]


def test_a_timer_that_always_sets_itself_again_ends_the_test() -> None:
    async def main() -> None:
        class RestlessActor(LoopActor):
            def on_start(self) -> None:
                self.wake_at(0)

            def on_wake(self, now_ms: float) -> None:
                self.wake_at(now_ms + 1000)

        RestlessActor.start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await stop_actors()

    with pytest.raises(EndlessTimeError, match="virtual seconds and no end"):
        run_virtual(main(), limit_seconds=60)
