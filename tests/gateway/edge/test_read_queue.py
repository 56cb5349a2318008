"""Who is read in which turn of the loop: so much in each, and who has had little comes first."""

import asyncio
from collections import deque
from collections.abc import Callable

import pytest

from gateway.edge.read_queue import READ_COST, TURN_ALLOWANCE, ReadQueue
from tests.support.virtual_time import run_virtual

CHUNK = 1240
READS_PER_TURN = -(-TURN_ALLOWANCE // (CHUNK + READ_COST))


class Socket:
    """Has pieces of bytes that wait; notes when it is its turn."""

    def __init__(self, name: str, read_queue: ReadQueue, log: list[str]) -> None:
        self._name, self._read_queue, self._log = name, read_queue, log
        self._pieces: deque[int] = deque()
        self.had_turns = 0.0

    def wait(self, *sizes: int) -> None:
        self._pieces.extend(sizes)
        self._read_queue.enter(self, self._pieces[0])

    def take_turn(self) -> int:
        self._log.append(self._name)
        size = self._pieces.popleft()
        if self._pieces:
            self._read_queue.enter(self, self._pieces[0])
        return size


def on_a_loop(scenario: Callable[[ReadQueue, list[str]], object]) -> list[str]:
    """Run a scenario and then the loop until nobody waits; `|` stands between its turns."""
    log: list[str] = []

    async def main() -> None:
        read_queue = ReadQueue(asyncio.get_running_loop())
        scenario(read_queue, log)
        while len(read_queue):
            await asyncio.sleep(0)
            log.append("|")

    run_virtual(main())
    return log


def test_who_comes_first_is_read_first() -> None:
    def scenario(read_queue: ReadQueue, log: list[str]) -> None:
        for name in "abc":
            Socket(name, read_queue, log).wait(CHUNK)

    assert on_a_loop(scenario) == ["a", "b", "c", "|"]


def test_a_turn_of_the_loop_takes_so_much_and_the_next_goes_on() -> None:
    def scenario(read_queue: ReadQueue, log: list[str]) -> None:
        for _ in range(2 * READS_PER_TURN + 1):
            Socket("a", read_queue, log).wait(CHUNK)

    turns = "".join(on_a_loop(scenario)).split("|")
    assert [len(turn) for turn in turns] == [READS_PER_TURN, READS_PER_TURN, 1, 0]


def test_who_has_much_to_say_gets_its_next_turn_behind_everybody() -> None:
    def scenario(read_queue: ReadQueue, log: list[str]) -> None:
        Socket("a", read_queue, log).wait(10, 10, 10)
        Socket("b", read_queue, log).wait(10)
        Socket("c", read_queue, log).wait(10, 10)

    assert on_a_loop(scenario)[:6] == ["a", "b", "c", "a", "c", "a"]


def test_who_says_little_does_not_wait_behind_those_who_say_much() -> None:
    log: list[str] = []

    async def main() -> None:
        read_queue = ReadQueue(asyncio.get_running_loop())
        for _ in range(100):
            Socket("x", read_queue, log).wait(*[TURN_ALLOWANCE // 2] * 20)
        speaker = Socket("a", read_queue, log)
        for _ in range(5):
            for _ in range(10):
                await asyncio.sleep(0)
            log.clear()
            speaker.wait(CHUNK)
            await asyncio.sleep(0)
            assert log[0] == "a"

    run_virtual(main())


def test_who_was_heavy_while_nobody_else_was_there_is_not_last_for_that_afterwards() -> None:
    log: list[str] = []

    async def main() -> None:
        read_queue = ReadQueue(asyncio.get_running_loop())
        heavy, other = Socket("h", read_queue, log), Socket("o", read_queue, log)
        heavy.wait(*[TURN_ALLOWANCE] * 50)
        while len(read_queue):
            await asyncio.sleep(0)
        log.clear()
        other.wait(*[TURN_ALLOWANCE] * 3)
        heavy.wait(*[TURN_ALLOWANCE] * 3)
        while len(read_queue):
            await asyncio.sleep(0)
        assert sorted("".join(log[:4])) == list("hhoo")

    run_virtual(main())


def test_what_a_read_costs_beyond_its_bytes_is_taken_from_the_turn() -> None:
    async def main() -> None:
        read_queue = ReadQueue(asyncio.get_running_loop())
        assert read_queue.admits(1)
        read_queue.spend(TURN_ALLOWANCE)
        assert not read_queue.admits(1)
        await asyncio.sleep(0)
        assert read_queue.admits(1)

    run_virtual(main())


def test_one_large_read_takes_the_whole_turn() -> None:
    def scenario(read_queue: ReadQueue, log: list[str]) -> None:
        Socket("a", read_queue, log).wait(TURN_ALLOWANCE)
        Socket("b", read_queue, log).wait(TURN_ALLOWANCE)

    assert on_a_loop(scenario) == ["a", "|", "b", "|"]


def test_a_read_passes_at_once_until_the_turn_is_used_up() -> None:
    async def main() -> None:
        read_queue = ReadQueue(asyncio.get_running_loop())
        for _ in range(3):
            admitted = [read_queue.admits(CHUNK) for _ in range(READS_PER_TURN + 2)]
            assert admitted == [True] * READS_PER_TURN + [False] * 2
            await asyncio.sleep(0)

    run_virtual(main())


def test_nobody_passes_those_who_wait() -> None:
    async def main() -> None:
        read_queue = ReadQueue(asyncio.get_running_loop())
        Socket("a", read_queue, []).wait(CHUNK)
        assert not read_queue.admits(1)
        await asyncio.sleep(0)
        assert read_queue.admits(1)

    run_virtual(main())


def test_at_a_door_where_all_wait_nobody_passes() -> None:
    async def main() -> None:
        assert not ReadQueue(asyncio.get_running_loop(), all_wait=True).admits(1)

    run_virtual(main())


def test_the_wait_is_that_of_the_first_in_the_queue() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        read_queue = ReadQueue(loop)
        assert read_queue.wait_ms == 0
        entered = loop.time()
        Socket("a", read_queue, []).wait(CHUNK)
        loop.time = lambda: entered + 0.25  # type: ignore[method-assign]
        Socket("b", read_queue, []).wait(CHUNK)
        assert read_queue.wait_ms == pytest.approx(250)
        del loop.time

    run_virtual(main())


def test_a_bug_in_one_socket_does_not_keep_the_others_waiting() -> None:
    class Broken:
        had_turns = 0.0

        def take_turn(self) -> int:
            raise ValueError("a bug")

    async def main() -> None:
        loop, log = asyncio.get_running_loop(), list[str]()
        loop.set_exception_handler(lambda _, what: log.append(str(what["exception"])))
        read_queue = ReadQueue(loop)
        read_queue.enter(Broken(), 1)
        Socket("a", read_queue, log).wait(CHUNK)
        for _ in range(3):
            await asyncio.sleep(0)
        assert log == ["a bug", "a"]

    run_virtual(main())


def test_it_does_not_run_while_nobody_is_let_through() -> None:
    async def main() -> None:
        read_queue = ReadQueue(asyncio.get_running_loop())
        read_queue.admits(CHUNK)
        for _ in range(3):
            await asyncio.sleep(0)
        assert repr(read_queue) == f"<ReadQueue waiting=0 left={TURN_ALLOWANCE}>"
        await asyncio.sleep(3600)  # virtual: a loop that turns for ever would never get there

    run_virtual(main())
