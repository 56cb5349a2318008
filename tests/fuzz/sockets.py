"""A whole server fuzzed over its sockets, with a good neighbour whose results must stay right.

`fuzz_server(seconds, seed)`: strangers open every kind of socket and send what is nearly right,
cut into any pieces, and leave in any way. Meanwhile somebody speaks, at a node of its own, and
hears exactly what the node said of it. The server logs no error, holds nothing afterwards, and ends
in order when it is asked to.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from peers.bench.server import free_port
from protocol.ids import InstanceId
from protocol.instances.link import PEER_PATH, calling_headers
from tests.fuzz.readers import mutated
from tests.fuzz.targets import TARGETS, samples
from tests.support.peers.raw_client import raw_client, session_init, tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Message
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

PAIR = "qaa", "qab"
"""What the neighbour speaks and hears: no sample names it."""
STRANGERS = 12
MOST_SECONDS = 10.0
"""Longer no result of the neighbour may take, on whatever machine."""
SECRET = "a secret of the cluster that nobody guesses"
INSTANCE = "fuzzed"
_TEXT, _BINARY = 1, 2
_LOG_SHOWN = 8000
_CLIENT = tuple(json.dumps(one).encode() for one in (
    session_init("en", "de"),
    session_init("en", "de", resume=True, tgt_langs=["de", "fr"], audio_format="wav"),
    {"type": "client_heartbeat", "session_id": "SID", "timestamp": 1, "last_delivery_seq": 3},
    {"type": "audio_chunk", "session_id": "SID", "seq": 1, "is_final": True, "payload": "AQIDBA=="},
    {"type": "session_update", "session_id": "SID", "tgt_lang": "fr", "hints": ["a"]},
    {"type": "utterance_cancel", "session_id": "SID", "utterance_index": 0},
    {"type": "room_create", "client_ts": 1, "display_name": "x"},
    {"type": "room_join", "room_code": "123456"},
    {"type": "room_leave", "room_code": "123456"},
    {"type": "webrtc_offer", "room_code": "123456", "to": "p-00000000", "sdp": {"a": 1}},
    {"type": "session_close", "session_id": "SID", "reason": "x"},
))  # fmt: skip
_ADMIN = tuple(json.dumps({"request_id": "1", **one}).encode() for one in (
    {"type": "subscribe"}, {"type": "list_sessions"}, {"type": "list_nodes"},
    {"type": "list_jobs", "state": "queued"}, {"type": "cancel_job", "job_id": "job-1"},
    {"type": "drain_node", "node_id": "n-1"}, {"type": "undrain_node", "node_id": "n-1"},
    {"type": "close_session", "session_id": "s-1"},
))  # fmt: skip
_PATHS = (
    *("/metrics", "/api/v1/stats", "/api/v1/jobs?state=queued&limit=9", "/api/v1/nodes/n-1"),
    *("/api/v1/route?src=en&tgt=de", "/dashboard", "/ready", "/asyncapi.json", "/api/v1/languages"),
)


@dataclass
class Tally:
    """What happened."""

    seed: int
    sent: int = 0
    results: int = 0
    worst_ms: float = 0.0
    sessions: list[str] = field(default_factory=list)


def frame(opcode: int, payload: bytes, chance: random.Random) -> bytes:
    """Return a client's frame, now and then in fragments."""
    if payload and chance.random() < 0.1:
        half = len(payload) // 2
        return _frame(opcode, payload[:half], 0) + _frame(0, payload[half:], 0x80)
    return _frame(opcode, payload, 0x80)


def _frame(opcode: int, payload: bytes, fin: int) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes((fin | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((fin | opcode, 0xFE)) + size.to_bytes(2)
    else:
        head = bytes((fin | opcode, 0xFF)) + size.to_bytes(8)
    return head + bytes(4) + payload


@dataclass
class Stranger:
    """Somebody who sends one socket after the other what is nearly right."""

    port: int
    peer_port: int
    chance: random.Random
    tally: Tally
    writer: asyncio.StreamWriter | None = None
    """Of the socket that it has open."""

    async def go_on(self) -> None:
        """Never end."""
        attacks: list[Callable[[], Any]] = [
            self._client, self._client, self._client, self._node, self._node, self._admin,
            self._link, self._http, self._noise,
        ]  # fmt: skip
        while True:
            try:
                async with asyncio.timeout(5):
                    await self.chance.choice(attacks)()
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                pass  # closed, as it deserves
            finally:
                if self.writer is not None:
                    self.writer.close()

    async def _dial(self, port: int, request: bytes) -> tuple[Any, Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        self.writer = writer
        writer.write(request)
        return reader, writer

    async def _open(self, path: str, port: int = 0, more: str = "") -> tuple[Any, Any]:
        reader, writer = await self._dial(
            port or self.port,
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade"
            "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"{more}\r\n".encode(),
        )
        await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    async def _send(self, writer: Any, seeds: tuple[bytes, ...], session_id: bytes = b"") -> None:
        chance = self.chance
        for _ in range(chance.randrange(1, 30)):
            seed = chance.choice(seeds).replace(b"SID", session_id)
            is_right = chance.random() < 0.3
            payload = seed if is_right else mutated(chance, seed, chance.choice(seeds))
            data = frame(chance.choice([_TEXT, _TEXT, _TEXT, _BINARY]), payload, chance)
            if chance.random() < 0.05:
                data = mutated(chance, data, data)
            writer.write(data)
            self.tally.sent += 1
            if chance.random() < 0.3:
                await asyncio.sleep(0)
        await writer.drain()
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() / 10)
        if chance.random() < 0.5:
            writer.transport.abort()
        else:
            writer.close()

    async def _client(self) -> None:
        reader, writer = await self._open("/ws/session")
        writer.write(_frame(_TEXT, self.chance.choice(_CLIENT[:2]), 0x80))
        heard = await reader.read(8192)
        begin = heard.find(b'"session_id":"')
        session_id = heard[begin + 14 : heard.find(b'"', begin + 14)] if begin >= 0 else b"s-1"
        seeds = (*_CLIENT, *samples("session"), TARGETS["binary"].seeds[0])
        others = self.chance.choice(self.tally.sessions or ["s-1"]).encode()
        await self._send(writer, seeds, self.chance.choice([session_id, session_id, others]))

    async def _node(self) -> None:
        _, writer = await self._open("/ws/node")
        await self._send(writer, samples("node"))

    async def _admin(self) -> None:
        _, writer = await self._open("/ws/admin")
        await self._send(writer, _ADMIN)

    async def _link(self) -> None:
        headers = calling_headers(SECRET, InstanceId("evil"), InstanceId(INSTANCE))
        lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        _, writer = await self._open(PEER_PATH, self.peer_port, lines + "X-Lingua-Link: l\r\n")
        await self._send(writer, TARGETS["link"].seeds)

    async def _http(self) -> None:
        path = mutated(self.chance, self.chance.choice(_PATHS).encode(), b"%00%ff..//?&=")
        reader, _ = await self._dial(
            self.port, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        await reader.read(1 << 16)

    async def _noise(self) -> None:
        port = self.chance.choice([self.port, self.peer_port])
        seeds = (*TARGETS["proxy"].seeds, b"GET /ws/session HTTP/1.1\r\nHost: x\r\n\r\n")
        _, writer = await self._dial(port, mutated(self.chance, self.chance.choice(seeds), b"\r\n"))
        await asyncio.sleep(0.02)
        writer.close()


async def _answer(node: RawNode, job: Message) -> None:
    """Say what was heard: how long it was and how it begins."""
    audio = audio_of(job)
    await node.answer(job, f"{len(audio)} {audio[:4].hex()}")


async def _neighbour(scheduler: SchedulerProcess, tally: Tally, ends: float) -> None:
    """Speak, and hear what was said of it, until the end."""
    url = scheduler.session_url
    work: set[asyncio.Task[None]] = set()
    async with (
        raw_node(scheduler.node_url, Ability.of(PAIR, 4, "neighbour")) as node,
        raw_client(url, *PAIR, platform="android", client_version="t", endpointing="client") as one,
        raw_client(url, *PAIR, platform="android", client_version="t", endpointing="client") as two,
    ):
        node.on_job = lambda job: work.add(asyncio.create_task(_answer(node, job)))
        tally.sessions = [one.session_id, two.session_id]
        number = 0
        while time.monotonic() < ends:
            number += 1
            await node.beat()  # else it is lost after 45 s
            for client, length_ms in ((one, 200 + number % 50), (two, 300 + number % 50)):
                began = time.monotonic()
                await client.chunk(audio := tone(length_ms))
                await client.final()
                result = await client.result()
                took_s = time.monotonic() - began
                assert result["text_asr"] == f"{len(audio)} {audio[:4].hex()}", result
                assert took_s < MOST_SECONDS, f"a result took {took_s:.1f} s"
                tally.results += 1
                tally.worst_ms = max(tally.worst_ms, took_s * 1000)
            assert not one.all_heard("error"), one.all_heard("error")
            await asyncio.sleep(0.02)


async def _fuzz(scheduler: SchedulerProcess, peer_port: int, tally: Tally, seconds: float) -> None:
    chance = random.Random(tally.seed)
    strangers = [
        Stranger(scheduler.port, peer_port, random.Random(chance.random()), tally)
        for _ in range(STRANGERS)
    ]
    tasks = [asyncio.create_task(stranger.go_on()) for stranger in strangers]
    await _neighbour(scheduler, tally, time.monotonic() + seconds)
    for task in tasks:
        assert not task.done(), task.result()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def fuzz_server(seconds: float, seed: int) -> Tally:
    """Fuzz a server of its own for so long.

    Raises:
        AssertionError: somebody was harmed; the message and the server's log say how.
    """
    tally, peer_port = Tally(seed), free_port()
    flags = (
        *("--peer-port", str(peer_port), "--instance-id", INSTANCE, "--hangover-manual-ms", "5"),
        *("--session-grace-seconds", "0.5", "--gateway-grace-seconds", "0.5"),
        *("--close-flush-ms", "500", "--job-timeout-ms", "5000"),
    )
    env = {"LINGUA_CLUSTER_SECRET": SECRET}
    with running_scheduler(*flags, env=env) as scheduler:
        try:
            asyncio.run(_fuzz(scheduler, peer_port, tally, seconds))
        except AssertionError as harm:
            raise AssertionError(f"{harm}\n{scheduler.log()[-_LOG_SHOWN:]}") from harm
        scheduler.wait_until_idle(60)
    return tally
