"""The node's connection, against a server that follows a script; engines are canned."""

import asyncio
import socket

import pytest

from peers.engines import EngineError
from peers.node.node import ReferenceNode
from peers.node.options import ReferenceNodeOptions
from protocol.errors import CloseCode
from protocol.messages.node_inbound import (
    JobResult,
    JobStarted,
    LanguageCapabilities,
    NodeHeartbeat,
    NodeRegister,
)
from protocol.messages.node_outbound import NodeControl, NodeRegisterAck
from protocol.messages.shared import ErrorDetail
from tests.peers.support.canned_engines import CannedRecogniser, canned_engines
from tests.peers.support.node_under_test import ACK, job, registered, running, with_node
from tests.support.peers.scripted_server import ScriptedPeer, ScriptedServer, scripted_server
from tests.support.waiting import PATIENCE_S

NOTHING_OFFERED = LanguageCapabilities(
    asr_languages=(), semantic_languages=(), tts_languages=(), semantic_core_ready=False
)


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


async def left(node: ReferenceNode, run: "asyncio.Task[None]") -> None:
    node.leave()
    await asyncio.wait_for(run, 10)


def test_a_node_that_leaves_reports_no_error_of_its_own() -> None:
    codes: list[int | None] = []

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        there.set()
        await peer.gone()
        codes.append(peer.socket.close_code)

    async def main() -> None:
        async with scripted_server(script) as server, asyncio.timeout(10):
            node = ReferenceNode(ReferenceNodeOptions(url=server.node_url), canned_engines())
            run = asyncio.create_task(node.run())
            await there.wait()
            await node.registered.wait()
            await left(node, run)

    there = asyncio.Event()
    asyncio.run(main())
    assert codes == [CloseCode.NORMAL]


def test_a_node_that_leaves_answers_what_it_has_in_hand_and_offers_nothing_more() -> None:
    recogniser = CannedRecogniser()
    recogniser.may_answer.clear()

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        assert (await peer.hear(NodeHeartbeat)).language_capabilities != NOTHING_OFFERED
        await peer.say(job())
        await peer.hear(JobStarted)
        started.set()
        while (await peer.hear(NodeHeartbeat)).language_capabilities != NOTHING_OFFERED:
            pass
        recogniser.may_answer.set()
        assert (await peer.hear(JobResult)).text_asr == "good morning"
        answered.set()
        await peer.gone()

    async def main() -> None:
        async with scripted_server(script) as server, asyncio.timeout(10):
            options = ReferenceNodeOptions(url=server.node_url)
            node = ReferenceNode(options, canned_engines(recogniser))
            run = asyncio.create_task(node.run())
            await started.wait()
            await left(node, run)
            assert answered.is_set()

    started, answered = asyncio.Event(), asyncio.Event()
    asyncio.run(main())


def test_what_a_leaving_node_does_not_finish_in_time_is_left_to_others() -> None:
    recogniser = CannedRecogniser()
    recogniser.may_answer.clear()
    started = asyncio.Event()

    async def script(peer: ScriptedPeer) -> None:
        await registered(peer)
        await peer.say(job())
        await peer.hear(JobStarted)
        started.set()
        await peer.gone()
        assert peer.of(JobResult) == []

    async def main() -> None:
        async with scripted_server(script) as server, asyncio.timeout(10):
            options = ReferenceNodeOptions(url=server.node_url, leave_ms=50)
            node = ReferenceNode(options, canned_engines(recogniser))
            run = asyncio.create_task(node.run())
            await started.wait()
            await left(node, run)
            assert recogniser.cancelled == 1

    asyncio.run(main())


def test_a_node_without_its_scheduler_leaves_at_once() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        options = ReferenceNodeOptions(url=f"ws://127.0.0.1:{port}/ws/node")
        node = ReferenceNode(options, canned_engines())
        run = asyncio.create_task(node.run())
        await asyncio.sleep(0.05)
        await left(node, run)

    asyncio.run(main())


def test_an_engine_that_does_not_start_ends_the_node_with_its_reason() -> None:
    class Broken(CannedRecogniser):
        async def start(self) -> None:
            raise EngineError("no model")

        async def stop(self) -> None:
            pass

    async def main() -> None:
        with pytest.raises(EngineError, match="no model"):
            await ReferenceNode(ReferenceNodeOptions(), canned_engines(Broken())).run()

    asyncio.run(main())
