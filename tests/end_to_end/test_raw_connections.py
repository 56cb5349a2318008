"""The port itself: bytes that are no HTTP, paths that do not exist, peers that never finish."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support.peers.raw_client import noise, raw_client, tone
from tests.support.peers.raw_node import Ability, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess

HOST = "127.0.0.1"


@asynccontextmanager
async def unharmed(scheduler: SchedulerProcess, pair: Pair) -> AsyncIterator[None]:
    """Translate something before, and something after what the test does."""
    async with (
        raw_node(scheduler.node_url, Ability.of(pair)) as node,
        raw_client(scheduler.session_url, *pair) as bystander,
    ):
        node.answers()
        await bystander.speak(tone(300))
        await bystander.result()
        yield
        await bystander.speak(tone(300))
        await bystander.result(seconds=2)
        assert not bystander.all_heard("error")


async def told(
    scheduler: SchedulerProcess, request: bytes, frames: bytes = b"", *, half_close: bool = False
) -> bytes:
    """Send a request, read the head of its answer, send frames; return the rest up to the end."""
    reader, writer = await asyncio.open_connection(HOST, scheduler.port)
    try:
        async with asyncio.timeout(5):
            writer.write(request)
            if half_close:
                writer.write_eof()
            if not frames:
                return await reader.read()
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 "), head
            writer.write(frames)
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def upgrade(path: str, **changes: str | None) -> bytes:
    """Return a request for a WebSocket; a header that is None is left out."""
    headers: dict[str, str | None] = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """Return a short frame as clients send it, with a mask of zeros."""
    return bytes([fin << 7 | rsv << 4 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


# ---- no HTTP at all -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\r\n\r\n",
        b"\x00" * 1000,
        noise(1, 100_000),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(5000)) + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%ff%fe%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /ws/session HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /ws/session HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=lambda garbage: repr(garbage[:24]),
)
@over_sockets
async def test_bytes_that_are_no_request_end_that_connection_alone(
    scheduler: SchedulerProcess, pair: Pair, garbage: bytes
) -> None:
    async with unharmed(scheduler, pair):
        answer = await told(scheduler, garbage, half_close=True)
        assert not answer or answer.startswith(b"HTTP/1.1 ")
        assert b" 101 " not in answer
        assert b" 200 " not in answer


@over_sockets
async def test_peers_that_never_finish_their_request_hold_up_nobody(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with unharmed(scheduler, pair):
        writers = []
        for number in range(40):
            _, writer = await asyncio.open_connection(HOST, scheduler.port)
            writer.write(upgrade("/ws/session")[: 5 + 3 * number])
            writers.append(writer)
        async with raw_client(scheduler.session_url) as client:
            await client.fence()
        for writer in writers:
            writer.close()


# ---- paths and upgrades -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ws", "/ws/sessions", "/ws/session/", "/ws/admin/", "/x?y"])
@over_sockets
async def test_no_other_path_is_a_socket(scheduler: SchedulerProcess, path: str) -> None:
    answer = await told(scheduler, upgrade(path))
    assert answer.startswith(b"HTTP/1.1 4"), answer[:100]


@over_sockets
async def test_the_page_is_a_page_for_who_asks_for_a_socket_there(
    scheduler: SchedulerProcess,
) -> None:
    answer = await told(scheduler, upgrade("/"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"upgrade: websocket" not in answer.lower()


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": None},
        {"Connection": None},
        {"Connection": "close"},
        {"Sec_WebSocket_Key": None},
        {"Sec_WebSocket_Key": "short"},
        {"Sec_WebSocket_Version": None},
        {"Sec_WebSocket_Version": "8"},
    ],
    ids=str,
)
@over_sockets
async def test_half_an_upgrade_is_refused(
    scheduler: SchedulerProcess, changes: dict[str, str | None]
) -> None:
    answer = await told(scheduler, upgrade("/ws/session", **changes))
    assert answer.startswith(b"HTTP/1.1 4"), answer[:100]


@over_sockets
async def test_the_upgrade_of_a_browser_is_accepted_without_compression(
    scheduler: SchedulerProcess,
) -> None:
    offered = "permessage-deflate; client_max_window_bits"
    request = upgrade(
        "/ws/session?token=x", Origin="http://localhost:9001", Sec_WebSocket_Extensions=offered
    )
    reader, writer = await asyncio.open_connection(HOST, scheduler.port)
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 101 ")
    assert b"sec-websocket-extensions" not in head
    writer.close()


# ---- frames -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"{}", rsv=4), 1002),
        (frame(3, b"ab"), 1002),
        (frame(11, b"ab"), 1002),
        (frame(0, b"ab"), 1002),
        (frame(9, b"ab", fin=False), 1002),
        (frame(1, b"ab", fin=False) + frame(1, b"cd"), 1002),
        (bytes([0x81, 2]) + b"{}", 1002),
        (bytes([0x89, 0x80 | 126, 0, 200]) + bytes(204), 1002),
        (bytes([0x81, 0x80 | 127]) + b"\x7f" + b"\xff" * 7 + bytes(4), 1009),
        (bytes([0x82, 0x80 | 127]) + b"\xff" * 8 + bytes(4), 1009),
        (frame(8, b"\x03\xe8bye"), 1000),
        (frame(8, b"\x03"), 1002),
        (frame(8, b"\x00\x01"), 1002),
        (frame(8, b"\x03\xe8\xff\xfe"), 1007),
    ],
    ids=[
        "reserved bit",
        "reserved data opcode",
        "reserved control opcode",
        "continuation of nothing",
        "control in pieces",
        "message within a message",
        "no mask",
        "long control",
        "length of 63 bits",
        "length of 64 bits",
        "orderly close",
        "close of one byte",
        "close with a wrong code",
        "close with a wrong text",
    ],
)
@over_sockets
async def test_a_broken_frame_closes_with_the_code_of_the_standard(
    scheduler: SchedulerProcess, pair: Pair, sent: bytes, code: int
) -> None:
    async with unharmed(scheduler, pair):
        answer = await told(scheduler, upgrade("/ws/session"), sent)
        assert answer[0] == 0x88, answer
        got = int.from_bytes(answer[2:4], "big")
        assert got in {code, 1002} if sent[1] == 0xFF else got == code


@over_sockets
async def test_a_ping_is_answered_with_what_it_carries(scheduler: SchedulerProcess) -> None:
    sent = frame(9, b"are you there") + frame(8, b"\x03\xe8")
    answer = await told(scheduler, upgrade("/ws/node"), sent)
    assert b"\x8a\x0dare you there" in answer


@over_sockets
async def test_a_stream_of_empty_pieces_is_survived(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with unharmed(scheduler, pair):
        pieces = frame(1, fin=False) + frame(0, fin=False) * 50_000 + frame(0)
        answer = await told(scheduler, upgrade("/ws/session"), pieces + frame(8, b"\x03\xe8"))
        assert answer.endswith(b"\x88\x02\x03\xe8")


@over_sockets
async def test_connections_that_come_and_go_at_once_leave_nothing(
    scheduler: SchedulerProcess, pair: Pair
) -> None:
    async with unharmed(scheduler, pair):
        for _ in range(200):
            _, writer = await asyncio.open_connection(HOST, scheduler.port)
            writer.transport.abort()
        for _ in range(50):
            _, writer = await asyncio.open_connection(HOST, scheduler.port)
            writer.write(upgrade("/ws/session"))
            await writer.drain()
            writer.transport.abort()


@pytest.mark.parametrize(
    "eager",
    [b"", frame(1, b"{}"), frame(8, b"\x03\xe8"), frame(3, b"ab"), b"GET / HTTP/1.1\r\n\r\n"],
    ids=["half-close", "message", "close", "broken frame", "another request"],
)
@over_sockets
async def test_who_does_not_wait_for_the_upgrade_harms_nobody(
    scheduler: SchedulerProcess, pair: Pair, eager: bytes
) -> None:
    """Frames in one piece with the request: a client has to wait for the answer, some will not."""
    async with unharmed(scheduler, pair):
        answer = await told(scheduler, upgrade("/ws/session") + eager, half_close=True)
        assert not answer or answer.startswith(b"HTTP/1.1 ")
        assert not scheduler.complaints()
