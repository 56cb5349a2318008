"""A reference node with canned engines, run against a server that follows a script."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from peers.engines.engine import Engines
from peers.node.node import ReferenceNode
from peers.node.options import ReferenceNodeOptions
from protocol.audio.framing import AudioFormat
from protocol.ids import NodeId
from protocol.messages.node_inbound import (
    NodeRegister,
)
from protocol.messages.node_outbound import JobAssign, NodeRegisterAck
from protocol.messages.shared import Pipeline
from tests.peers.support.canned_engines import canned_engines
from tests.support.peers.scripted_server import ScriptedPeer, ScriptedServer, scripted_server
from tests.support.waiting import PATIENCE_S

FULL = Pipeline(use_asr=True, use_nmt=True, use_tts=True)
ACK = NodeRegisterAck(node_id=NodeId("node-1"), message="ok", status="registered")
PCM = b"\x01\x00" * 1600


def job(**changes: object) -> JobAssign:
    fields: dict[str, object] = {
        "job_id": "job-1",
        "attempt_id": 1,
        "session_id": "s-1",
        "utterance_index": 0,
        "src_lang": "en",
        "tgt_lang": "es",
        "pipeline": FULL,
        "audio": base64.b64encode(PCM).decode(),
        "audio_format": AudioFormat.PCM16,
        "sample_rate": 16_000,
        "trace_id": "trace-1",
    }
    return JobAssign.model_validate(fields | changes)


@asynccontextmanager
async def running(
    server: ScriptedServer, engines: Engines | None = None, **options: object
) -> AsyncIterator[ReferenceNode]:
    settings: dict[str, object] = {"url": server.node_url, "reconnect_first_ms": 10}
    node = ReferenceNode(
        ReferenceNodeOptions(**{**settings, **options}),  # type: ignore[arg-type] # by name
        engines or canned_engines(),
    )
    task = asyncio.create_task(node.run())
    try:
        yield node
    finally:
        task.cancel()
        await asyncio.wait([task])


def with_node(
    script: Callable[[ScriptedPeer], Awaitable[None]],
    engines: Engines | None = None,
    **options: object,
) -> None:
    """Run a script against one node until the script ends."""

    async def main() -> None:
        done = asyncio.Event()

        async def whole(peer: ScriptedPeer) -> None:
            try:
                await script(peer)
            finally:
                done.set()

        async with scripted_server(whole) as server, running(server, engines, **options):
            async with asyncio.timeout(PATIENCE_S):
                await done.wait()

    asyncio.run(main())


async def registered(peer: ScriptedPeer) -> NodeRegister:
    register = await peer.hear(NodeRegister)
    await peer.say(ACK)
    return register
