"""Random garbage: whatever peers send and however they leave, nothing breaks and nothing stays."""

import asyncio
import json
import random
from typing import Any

import pytest

from tests.gateway.support.raw_peer import Peer, make_frame
from tests.gateway.support.running_gateway import (
    LOOPS,
    RunningGateway,
    chunk,
    run_gateway,
    session_init,
)

MESSAGES = [
    json.dumps(session_init()),
    json.dumps(chunk("s-1", 1)),
    '{"type":"node_register"}',
    '{"type":"node_heartbeat","node_id":"n"}',
    '{"type":"job_result","job_id":"j","success":true}',
    '{"type":"session_close","session_id":"s-1"}',
    "nonsense",
    '{"type":"ping"}',
    '{"type":"audio_chunk","x":' + "[" * 60 + "]" * 60 + "}",
    '{"type":"node_register","installed_models":[' + "{}," * 3000 + "{}]}",
    '{"type":"client_heartbeat","session_id":"s-made-up","timestamp":1}',
    "x" * 70_000,
]


def garbage(chance: random.Random) -> bytes:
    """Return frames: some right, some with a few wrong bytes, some not frames at all."""
    parts = []
    for _ in range(chance.randrange(8)):
        message = chance.choice(MESSAGES).encode()
        opcode = chance.choice([1, 1, 1, 2, 8, 9, 10, 0])
        frame = bytearray(make_frame(message, opcode, fin=chance.random() < 0.8))
        for _ in range(chance.choice([0, 0, 1, 2])):
            frame[chance.randrange(10)] = chance.randrange(256)
        parts.append(bytes(frame) if chance.random() < 0.9 else chance.randbytes(30))
        if chance.random() < 0.1:
            parts.append(make_frame(b"", 1, fin=False) + make_frame(b"x", 0, fin=False) * 100)
        if chance.random() < 0.1:
            parts.append(make_frame(b"x" * 125, 9) * 100)
    return b"".join(parts)


async def misbehave(peer: Peer, chance: random.Random) -> None:
    data = garbage(chance)
    while data:
        size = chance.randrange(1, 400) * chance.choice([1, 1, 100])
        peer.writer.write(data[:size])
        data = data[size:]
        if chance.random() < 0.2:
            await asyncio.sleep(0)
    if chance.random() < 0.5:
        peer.abort()
    elif not peer.writer.is_closing():
        peer.writer.close()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("seed", range(3))
def test_garbage_harms_nobody(loop: str, seed: int, log_records: list[dict[str, Any]]) -> None:
    async def scenario(running: RunningGateway) -> None:
        chance = random.Random(seed)
        for _ in range(200):
            peer = await running.connect(chance.choice(["/ws/session", "/ws/node"]))
            await misbehave(peer, chance)
        peer, actor = await running.session()
        peer.say(chunk(f"s-{len(running.reception.inits)}", 1))
        await actor.count(1)
        peer.abort()
        while running.gateway.connections:
            await asyncio.sleep(0.01)
        assert running.gateway.buffers.total_bytes == 0

    run_gateway(scenario, loop=loop)
    assert [record["message"] for record in log_records if record["level"].no >= 40] == []
