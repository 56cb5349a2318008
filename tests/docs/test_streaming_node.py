"""`docs/your-model.md`: the nodes that hear while somebody speaks work as they stand there.

Against a server of the test that streams to them, number by number.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from peers.engines import Listening
from peers.engines.streaming import heard
from protocol.errors import CloseCode
from protocol.messages.node_inbound import JobResult, NodeAsrPartial, NodeHeartbeat, NodeRegister
from protocol.messages.node_outbound import JobAssign, JobCancel
from tests.docs.support.documents import block, running
from tests.peers.node.test_streams import TENTH, end, speak, streamed
from tests.peers.support.node_under_test import ACK, job
from tests.support.peers.scripted_server import ScriptedPeer, scripted_server
from tests.support.waiting import PATIENCE_S

DOCUMENT = "docs/your-model.md"


def test_the_streaming_node_works_as_it_is_shown(tmp_path: Path) -> None:
    done = asyncio.Event()

    async def script(peer: ScriptedPeer) -> None:
        assert (await peer.hear(NodeRegister)).streaming is True
        await peer.say(ACK)
        assert (await peer.hear(NodeHeartbeat)).node_id == "node-1"
        await words_come_and_then_the_result(peer)
        await missing_audio_is_an_error(peer)
        await peer.say(streamed("job-3", utterance_index=2), JobCancel(job_id="job-3"))
        await speak(peer, 0, job_id="job-3")
        await peer.say(end(1, "job-3"))
        await peer.say(whole("job-4"))
        result = await peer.hear(JobResult)
        assert (result.job_id, result.text_translated) == ("job-4", "0.1 seconds in es")
        done.set()

    async def main() -> None:
        async with scripted_server(script) as server, asyncio.timeout(PATIENCE_S):
            code = block(DOCUMENT, "python", "class Node:", server.port)
            (tmp_path / "node.py").write_text(code, encoding="utf-8")
            with running([sys.executable, "node.py"], tmp_path):
                await done.wait()

    asyncio.run(main())


def test_the_streaming_node_connects_again_when_the_scheduler_restarts(tmp_path: Path) -> None:
    connections: list[str | None] = []
    done = asyncio.Event()

    async def script(peer: ScriptedPeer) -> None:
        await peer.hear(NodeRegister)
        await peer.say(ACK)
        connections.append((await peer.hear(NodeHeartbeat)).node_id)
        if len(connections) == 1:
            await peer.socket.close(CloseCode.SERVICE_RESTART)
            return
        await peer.say(whole("job-1"))
        await peer.hear(JobResult)
        done.set()

    async def main() -> None:
        async with scripted_server(script) as server, asyncio.timeout(PATIENCE_S):
            code = block(DOCUMENT, "python", "class Node:", server.port)
            (tmp_path / "node.py").write_text(code, encoding="utf-8")
            with running([sys.executable, "node.py"], tmp_path):
                await done.wait()

    asyncio.run(main())
    assert connections == ["node-1", "node-1"]


def whole(job_id: str) -> JobAssign:
    return job(job_id=job_id, utterance_index=3)


async def words_come_and_then_the_result(peer: ScriptedPeer) -> None:
    await peer.say(streamed())
    for number in range(3):
        await speak(peer, number)
        partial = await peer.hear(NodeAsrPartial)
        assert (partial.job_id, partial.text) == ("job-1", f"0.{number + 1} seconds")
    await peer.say(end(3))
    result = await peer.hear(JobResult)
    assert (result.success, result.text_asr) == (True, "0.3 seconds")


async def missing_audio_is_an_error(peer: ScriptedPeer) -> None:
    await peer.say(streamed("job-2", utterance_index=1))
    await speak(peer, 0, 2, job_id="job-2")
    await peer.say(end(3, "job-2"))
    result = await peer.hear(JobResult)
    assert result.error is not None
    assert result.error.message == "audio is missing"


def test_the_generator_of_the_library_works_as_it_is_shown() -> None:
    scope: dict[str, Any] = {}
    code = block(DOCUMENT, "python", "def stream(pieces")
    exec(compile(code, "document", "exec"), scope)  # noqa: S102 - our own document
    partials: list[str] = []

    async def pieces() -> AsyncIterator[bytes]:
        yield TENTH
        yield TENTH

    async def main() -> str:
        listening = Listening("s-1", partials.append)
        return await heard(scope["stream"], pieces(), "en", listening)

    assert asyncio.run(main()) == "0.2 seconds"
    assert partials == ["0.1 seconds", "0.2 seconds"]
