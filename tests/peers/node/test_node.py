"""The node's connection, against a server that follows a script; engines are canned."""

import asyncio
import socket

from protocol.node_inbound import (
    JobResult,
    JobStarted,
    NodeHeartbeat,
    NodeRegister,
)
from protocol.node_outbound import NodeControl, NodeRegisterAck
from protocol.shared import ErrorDetail
from tests.peers.support.canned_engines import CannedRecogniser, canned_engines
from tests.peers.support.node_under_test import ACK, job, registered, running, with_node
from tests.support.peers.scripted_server import ScriptedPeer, ScriptedServer, scripted_server
from tests.support.waiting import PATIENCE_S


def test_the_first_message_tells_everything_a_scheduler_wants_to_know() -> None:
    async def script(peer: ScriptedPeer) -> None:
        register = await registered(peer)
        assert peer.heard == [register]
        assert register.node_id is None
        assert register.platform in {"linux", "macos", "windows"}
        assert register.hardware is not None
        assert register.hardware["cpu_cores"] >= 1
        assert register.installed_models == []
        assert register.capability_by_type
        assert register.features_supported is not None
        assert register.accept_public_jobs is True
        assert register.max_concurrent_jobs == 3
        languages = register.language_capabilities
        assert languages is not None
        assert languages.asr_languages == ("en",)
        assert languages.semantic_languages == ("es",)

    with_node(script, max_jobs=3)


def test_heartbeats_follow_the_registration_and_carry_the_load() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        for _ in range(3):
            heartbeat = await peer.hear(NodeHeartbeat)
            assert heartbeat.node_id == "node-1"
            usage = heartbeat.resource_usage
            assert usage is not None
            assert 0 <= (usage.cpu_percent or 0) <= 100
            assert usage.running_jobs == 0
            assert usage.gpu_queue_length is None

    with_node(script, heartbeat_ms=20)


def test_what_it_does_not_know_does_not_disturb_a_node() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.socket.send("not json")
        await peer.socket.send('{"type": "invented"}')
        await peer.say(NodeControl(command="drain"))
        await peer.say(job())
        assert (await peer.hear(JobResult)).success

    with_node(script)


def test_a_finished_result_reaches_the_scheduler_on_the_next_socket() -> None:
    recogniser = CannedRecogniser()
    recogniser.may_answer.clear()
    registrations: list[NodeRegister] = []

    async def main() -> None:
        done = asyncio.Event()

        async def script(peer: ScriptedPeer) -> None:
            registrations.append(await registered(peer))
            if len(registrations) == 1:
                await peer.say(job())
                await peer.hear(JobStarted)
                await peer.socket.close()
                recogniser.may_answer.set()
                return
            assert (await peer.hear(JobResult)).job_id == "job-1"
            done.set()

        async with (
            scripted_server(script) as server,
            running(server, canned_engines(recogniser)) as node,
            asyncio.timeout(PATIENCE_S),
        ):
            await done.wait()
            assert node.node_id == "node-1"

    asyncio.run(main())
    assert [register.node_id for register in registrations] == [None, "node-1"]


def test_a_node_waits_for_a_scheduler_that_is_not_there_yet() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        come = asyncio.Event()

        async def script(peer: ScriptedPeer) -> None:
            await registered(peer)
            await peer.hear(NodeHeartbeat)
            come.set()

        async with running(ScriptedServer(port), reconnect_max_ms=50) as node:
            await asyncio.sleep(0.1)
            assert not node.registered.is_set()
            async with scripted_server(script, port), asyncio.timeout(PATIENCE_S):
                await come.wait()

    asyncio.run(main())


def test_a_refused_node_tries_again_and_drops_an_id_it_only_was_given() -> None:
    seen: list[str | None] = []

    async def main() -> None:
        done = asyncio.Event()

        async def script(peer: ScriptedPeer) -> None:
            seen.append((await peer.hear(NodeRegister)).node_id)
            match len(seen):
                case 1:
                    await peer.say(ACK)
                    await peer.hear(NodeHeartbeat)
                case 2:
                    error = ErrorDetail(code="NODE_ID_CONFLICT", message="taken")
                    await peer.say(NodeRegisterAck(error=error))
                    await peer.gone()
                case _:
                    done.set()

        async with scripted_server(script) as server, running(server), asyncio.timeout(PATIENCE_S):
            await done.wait()

    asyncio.run(main())
    assert seen[:3] == [None, "node-1", None]


def test_the_token_goes_along_as_a_bearer_header() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        assert peer.socket.request is not None
        assert peer.socket.request.headers["Authorization"] == "Bearer secret"

    with_node(script, token="secret")
