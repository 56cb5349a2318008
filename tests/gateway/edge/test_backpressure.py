"""Who is slow makes others wait, never lose: full inboxes, too much audio, readers that do not."""

import asyncio
import base64

import pytest

from actors.admission import AdmissionOptions
from actors.messages.node import NodeMessageArrived
from actors.messages.session import ChunkArrived, SocketLost
from actors.runtime.actor import inbox_of
from gateway.listening import Bind
from gateway.options import GatewayOptions
from protocol.messages.session_outbound import Translation
from tests.gateway.support.raw_peer import CLOSE
from tests.gateway.support.running_gateway import (
    LOOPS,
    Recorder,
    RunningGateway,
    chunk,
    run_gateway,
)

SECOND_OF_PCM = base64.b64encode(bytes(32_000)).decode()


def seqs(actor: Recorder) -> list[int]:
    return [message.seq for message in actor.messages if isinstance(message, ChunkArrived)]


async def turns(number: int = 20) -> None:
    """Let the loop turn: what could happen has happened then."""
    for _ in range(number):
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("loop", LOOPS)
def test_reading_stops_while_the_inbox_is_full_and_goes_on_in_order(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        actor.block()
        for seq in range(100):
            peer.say(chunk("s-1", seq))
        await actor.count(1)
        await turns()
        assert 0 < len(inbox_of(running.reception.refs["s-1"])) <= Recorder.mailbox_limit
        actor.free()
        await actor.count(100)
        assert seqs(actor) == list(range(100))

    run_gateway(scenario, loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_bytes_stay_in_the_network_while_a_session_is_busy(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        actor.block()
        big = base64.b64encode(bytes(60_000)).decode()
        for seq in range(200):
            peer.say(chunk("s-1", seq, big))
        await actor.count(1)
        await turns()
        assert peer.writer.transport.get_write_buffer_size() > 1_000_000
        actor.free()
        await actor.count(200)
        assert seqs(actor) == list(range(200))

    run_gateway(scenario, loop=loop, admission=AdmissionOptions(ingest_rate=1e6))


@pytest.mark.parametrize("loop", LOOPS)
def test_what_came_before_the_end_is_told_before_the_end(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        actor.block()
        for seq in range(50):
            peer.say(chunk("s-1", seq))
        peer.frame(b"", CLOSE)
        await actor.count(1)
        await turns()
        peer.writer.write_eof()
        await turns()
        actor.free()
        await actor.count(51)
        assert seqs(actor) == list(range(50))
        assert isinstance(actor.messages[-1], SocketLost)

    run_gateway(scenario, loop=loop)


def test_one_busy_session_does_not_hold_up_another() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        other, other_actor = await running.session()
        actor.block()
        for seq in range(100):
            peer.say(chunk("s-1", seq))
        other.say(chunk("s-2", 5))
        assert await other_actor.next() == ChunkArrived(b"", 5, is_final=False)
        actor.free()
        await actor.count(100)

    run_gateway(scenario)


def test_a_busy_node_actor_stops_its_socket_too() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.node(node_id="n-1")
        actor.block()
        for number in range(50):
            peer.say({"type": "job_ack", "job_id": f"j-{number}"})
        await actor.count(1)
        await turns()
        assert 0 < len(inbox_of(running.reception.refs["n-1"])) <= Recorder.mailbox_limit
        actor.free()
        await actor.count(50)
        assert all(isinstance(message, NodeMessageArrived) for message in actor.messages)

    run_gateway(scenario)


# ---- too much audio -------------------------------------------------------------------------


def test_audio_beyond_the_burst_is_read_at_the_allowed_rate_and_all_of_it() -> None:
    async def scenario(running: RunningGateway) -> None:
        loop = asyncio.get_running_loop()
        peer, actor = await running.session(audio_format="pcm16")
        began = loop.time()
        for seq in range(8):
            peer.say(chunk("s-1", seq, SECOND_OF_PCM))
        await actor.count(3)
        assert loop.time() - began < 0.2
        await actor.count(8)
        # two seconds at once; the third is debt, the other five wait for it at 20 times real time
        assert 0.2 < loop.time() - began < 1.0
        assert seqs(actor) == list(range(8))

    admission = AdmissionOptions(ingest_rate=20, ingest_burst_ms=2000)
    run_gateway(scenario, admission=admission)


def test_a_client_that_resumes_is_told_to_pause() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session(resume=True)
        for seq in range(4):
            peer.say(chunk("s-1", seq, SECOND_OF_PCM))
        notice = await peer.hear()
        assert (notice["type"], notice["action"]) == ("backpressure", "PAUSE")
        assert notice["resume_after_ms"] >= 500
        await actor.count(4)
        await peer.is_heard()  # one notice, not one for each chunk

    run_gateway(scenario, admission=AdmissionOptions(ingest_rate=20, ingest_burst_ms=0))


def test_whole_utterances_count_as_audio() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session(resume=True)
        peer.say(
            {
                "type": "utterance",
                "session_id": "s-1",
                "utterance_index": 0,
                "manual_cut": True,
                "src_lang": "en",
                "tgt_lang": "es",
                "audio": SECOND_OF_PCM,
                "audio_format": "pcm16",
                "sample_rate": 16000,
            }
        )
        assert (await peer.hear())["type"] == "backpressure"
        await actor.count(1)

    run_gateway(scenario, admission=AdmissionOptions(ingest_rate=100, ingest_burst_ms=100))


# ---- readers that do not --------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_that_does_not_read_is_closed_with_4008(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined] # a read transport too
        outbox = running.reception.outboxes["s-1"]
        text = Translation(text="x" * 100_000)
        sent = 0
        while outbox.send(text):
            sent += 1
            assert sent < 1000
            await asyncio.sleep(0)
        assert not outbox.send(text)
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined] # as above
        for _ in range(sent):
            assert (await peer.hear())["type"] == "translation"
        assert await peer.hear_close() == 4008
        peer.abort()
        assert isinstance(await actor.next(), SocketLost)

    options = GatewayOptions(port=0, max_outbox_bytes=1_000_000)
    run_gateway(scenario, loop=loop, options=options, bind=Bind(close_timeout_s=3))


def test_a_client_that_never_reads_again_is_cut_off() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined] # a read transport too
        outbox = running.reception.outboxes["s-1"]
        text = Translation(text="x" * 100_000)
        assert not all(outbox.send(text) for _ in range(1000))
        assert isinstance(await actor.next(), SocketLost)
        assert running.gateway.connections == 0

    options = GatewayOptions(port=0, max_outbox_bytes=1_000_000)
    run_gateway(scenario, options=options, bind=Bind(close_timeout_s=0.1))
