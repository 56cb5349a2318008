"""Sockets whose credential runs out, or is no longer valid."""

import asyncio
from dataclasses import dataclass, field
from math import inf

from gateway.access.credential_watch import CredentialWatch, Proof
from protocol.errors import CloseCode


@dataclass(eq=False)
class Socket:
    """Remembers how it was closed."""

    closed: list[CloseCode] = field(default_factory=list)

    def close(self, code: CloseCode, reason: str) -> None:
        assert reason
        self.closed.append(code)


class Clock:
    """A wall clock set by hand."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def watched(clock: Clock, *ends_s: float) -> tuple[CredentialWatch, list[Socket]]:
    watch, sockets = CredentialWatch(clock), [Socket() for _ in ends_s]
    for number, (socket, end_s) in enumerate(zip(sockets, ends_s, strict=True)):
        watch.add(socket, Proof(f"t{number}", b"key", end_s))
    return watch, sockets


def closed(sockets: list[Socket]) -> list[bool]:
    return [socket.closed == [CloseCode.POLICY_VIOLATION] for socket in sockets]


def test_each_is_closed_when_its_time_is_over_and_not_before() -> None:
    async def scene() -> None:
        clock = Clock()
        watch, sockets = watched(clock, 1_010, 1_005, inf)
        for now_s, expected in ((1_004, [0, 0, 0]), (1_005, [0, 1, 0]), (9_999, [1, 1, 0])):
            clock.now_s = now_s
            watch.look()
            assert closed(sockets) == expected
        watch.close()

    asyncio.run(scene())


def test_the_timer_is_there_without_being_asked() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        watch = CredentialWatch(lambda: 1_000 + loop.time() - began_s)
        socket = Socket()
        watch.add(socket, Proof("t", b"key", 1_000.05))
        async with asyncio.timeout(2):
            while not socket.closed:
                await asyncio.sleep(0.01)
        watch.close()

    asyncio.run(scene())


def test_what_is_not_valid_any_more_is_closed_once() -> None:
    async def scene() -> None:
        watch, sockets = watched(Clock(), inf, inf, inf)
        for _ in range(2):
            watch.renew(lambda proof: proof.name != "t1")
        assert closed(sockets) == [False, True, False]
        watch.close()

    asyncio.run(scene())


def test_nothing_of_sockets_that_have_gone_stays() -> None:
    async def scene() -> None:
        watch = CredentialWatch(Clock())
        for _ in range(1_000):
            socket = Socket()
            watch.add(socket, Proof("t", b"key", 5_000.0))
            watch.remove(socket)
        assert repr(watch) == "<CredentialWatch of 0>"
        assert len(watch._ends) <= 65
        watch.close()

    asyncio.run(scene())


def test_who_needed_nothing_is_not_watched() -> None:
    watch = CredentialWatch(Clock())
    watch.add(Socket(), None)
    assert repr(watch) == "<CredentialWatch of 0>"


def test_a_proof_shows_no_key() -> None:
    assert "key" not in repr(Proof("t", b"secret"))
