"""What one socket, one address and all together may hold: buffers, sessions, sockets."""

import asyncio

import pytest

from actors.messages.session import ChunkArrived, SocketLost
from gateway.access.access import Access
from gateway.access.options import AccessOptions
from gateway.listening import Bind
from protocol.messages.session_outbound import Translation
from tests.gateway.support.limits import lives, options, reached
from tests.gateway.support.raw_peer import (
    CONTINUATION,
    PING,
    make_frame,
    upgrade_request,
)
from tests.gateway.support.running_gateway import RunningGateway, chunk, run_gateway, session_init


def test_who_pings_and_never_reads_is_closed_with_4008() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined] # a read transport too
        ping = make_frame(b"x" * 125, PING) * 1000
        most = 0
        for _ in range(300):
            peer.writer.write(ping)
            await asyncio.sleep(0.005)
            most = max(most, running.gateway.buffers.total_bytes)
            if actor.messages:
                break
        assert isinstance(await actor.next(), SocketLost)
        assert most < 2_000_000

    run_gateway(
        scenario,
        options=options(max_outbox_bytes=500_000, message_rate=1_000_000, message_burst=1_000_000),
        bind=Bind(close_timeout_s=0.1),
    )


def test_unfinished_messages_of_all_sockets_are_bounded_and_the_largest_goes_first() -> None:
    async def scenario(running: RunningGateway) -> None:
        small, actor = await running.session()
        small.frame(b"x" * 50_000, fin=False)
        peers = []
        for number in range(12):
            peer = await running.connect("/ws/session")
            peer.writer.write(make_frame(b"x" * 1_000_000)[: 200_000 if number else 300_000])
            await asyncio.sleep(0.02)
            assert running.gateway.buffers.total_bytes <= 1_000_000
            peers.append(peer)
        assert await peers[0].hear_close() == 4008
        assert reached(running, "max_buffered_bytes")
        small.frame(b"x", CONTINUATION)
        assert (await small.hear())["code"] == "INVALID_MESSAGE"
        await lives(small, actor)

    run_gateway(scenario, options=options(max_buffered_bytes=1_000_000))


def test_outboxes_of_all_sockets_are_bounded_together() -> None:
    async def scenario(running: RunningGateway) -> None:
        text = Translation(text="x" * 100_000)
        for number in range(1, 9):
            peer, _ = await running.session()
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined] # as above
            for _ in range(60):
                running.reception.outboxes[f"s-{number}"].send(text)
                await asyncio.sleep(0)
        assert reached(running, "max_buffered_bytes")
        assert running.gateway.buffers.total_bytes <= 5_000_000

    run_gateway(
        scenario, options=options(max_buffered_bytes=5_000_000), bind=Bind(close_timeout_s=0.1)
    )


def test_what_is_kept_for_a_socket_is_counted_until_it_is_gone() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        peer.say(session_init())
        peer.writer.write(make_frame(b"x" * 1_000_000)[:200_000])
        await asyncio.sleep(0.05)
        assert running.gateway.buffers.total_bytes > 150_000
        peer.abort()
        await asyncio.sleep(0.05)
        assert running.gateway.buffers.total_bytes == 0

    run_gateway(scenario)


def test_a_socket_has_at_most_two_sessions_that_are_closing() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        for _ in range(6):
            peer.say(session_init())
        opened = [(await peer.hear())["session_id"] for _ in range(3)]
        assert opened == ["s-1", "s-2", "s-3"]
        await asyncio.sleep(0.2)
        assert len(running.reception.inits) == 3
        assert reached(running, "closing_sessions")
        for number in (1, 2, 3):
            await running.reception.refs[f"s-{number}"].stop(block=False)
            assert (await peer.hear())["session_id"] == f"s-{number + 3}"
        actor = running.reception.actors["s-6"]
        peer.say(chunk("s-6", 9))
        assert await actor.next() == ChunkArrived(b"", 9, is_final=False)

    run_gateway(scenario)


def test_a_client_that_leaves_while_it_waits_gets_no_further_session() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        for _ in range(6):
            peer.say(session_init())
        for _ in range(3):
            await peer.hear()
        peer.abort()
        assert isinstance(await running.reception.actors["s-3"].next(), SocketLost)
        assert len(running.reception.inits) == 3

    run_gateway(scenario)


def test_a_session_that_is_closed_counts_until_it_has_ended() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        for number in (1, 2, 3):
            peer.say(session_init())
            await peer.hear()
            peer.say({"type": "session_close", "session_id": f"s-{number}", "reason": ""})
        peer.say(session_init())
        await asyncio.sleep(0.2)
        assert len(running.reception.inits) == 3
        peer.abort()
        assert isinstance((await running.reception.actors["s-3"].count(2))[-1], SocketLost)

    run_gateway(scenario)


def test_sockets_of_one_address_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.edge.connection.address_of", lambda _transport: "203.0.113.7")

    async def scenario(running: RunningGateway) -> None:
        first, _ = await running.session()
        await running.session()
        third = await running.dial()
        third.writer.write(upgrade_request("/ws/session"))
        assert (await third.reader.readline()).startswith(b"HTTP/1.1 429 ")
        assert reached(running, "max_sockets_per_address")
        await running.node(node_id="n-1")
        first.abort()
        while running.gateway.session_sockets > 1:
            await asyncio.sleep(0.01)
        await running.session()

    run_gateway(scenario, options=options(max_sockets_per_address=2))


def test_behind_a_trusted_proxy_each_client_has_its_own_bound() -> None:
    async def scenario(running: RunningGateway) -> None:
        async def status(forwarded: str) -> bytes:
            peer = await running.dial()
            peer.writer.write(upgrade_request("/ws/session", f"X-Forwarded-For: {forwarded}\r\n"))
            return (await peer.reader.readline()).split(b" ")[1]

        assert await status("203.0.113.7") == b"101"
        assert await status("1.1.1.1, 203.0.113.7") == b"429"
        assert await status("203.0.113.8") == b"101"
        assert await status("2001:db8::1") == b"101"
        assert await status("2001:db8::2") == b"429"
        for _ in range(3):
            await running.session()

    access = Access(AccessOptions(trusted_proxies="127.0.0.1"))
    run_gateway(scenario, options=options(max_sockets_per_address=1), access=access)


def test_a_proxy_that_is_not_trusted_speaks_for_nobody() -> None:
    async def scenario(running: RunningGateway) -> None:
        for _ in range(3):
            peer = await running.dial()
            peer.writer.write(upgrade_request("/ws/session", "X-Forwarded-For: 203.0.113.7\r\n"))
            assert b" 101 " in await peer.reader.readline()

    run_gateway(scenario, options=options(max_sockets_per_address=1))


def test_programs_of_this_machine_are_no_address() -> None:
    async def scenario(running: RunningGateway) -> None:
        for _ in range(4):
            await running.session()

    run_gateway(scenario, options=options(max_sockets_per_address=2))
