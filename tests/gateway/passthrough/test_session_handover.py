"""What the gateway does for sessions that move from socket to socket."""

import asyncio
import base64

import pytest

from actors.admission import AdmissionOptions
from actors.messages.session import ChunkArrived, ClientBeat, CloseRequested, SocketLost
from actors.messages.takeover import ResumeAnswered
from actors.ports import Mailbox, Outbox
from gateway.audio_pace import REPLAY_LULL_MS, IngestMeter
from gateway.edge.outbox import SocketOutbox
from protocol.audio.framing import AudioFormat
from protocol.errors import CloseCode
from protocol.ids import SessionId
from protocol.messages.session_outbound import SessionInitAck, Translation
from tests.gateway.support.raw_peer import Peer
from tests.gateway.support.running_gateway import (
    LOOPS,
    RunningGateway,
    chunk,
    run_gateway,
    session_init,
)
from tests.support.waiting import until

SECOND = bytes(32_000)
"""PCM16 16 kHz."""


def meter() -> IngestMeter:
    options = AdmissionOptions(ingest_rate=1, ingest_burst_ms=1000)
    return IngestMeter(options, AudioFormat.PCM16, None, now_ms=0)


def test_a_replay_is_not_measured_up_to_its_bound() -> None:
    replay = meter()
    replay.exempt(3 * len(SECOND))
    assert [replay.take(SECOND, 0, now_ms=0) for _ in range(5)] == [0, 0, 0, 0, 1000]


def test_a_replay_is_over_when_nothing_comes_for_a_while() -> None:
    replay = meter()
    replay.exempt(100 * len(SECOND))
    assert replay.take(SECOND, 0, now_ms=0) == 0
    assert replay.take(2 * SECOND, 0, now_ms=REPLAY_LULL_MS - 1) == 0
    assert replay.take(2 * SECOND, 0, now_ms=2 * REPLAY_LULL_MS) == 1000


class FakeConnection:
    """Takes everything and sends nothing on; `offer` is the end of a turn of the loop."""

    unsent_bytes = 0
    refused_bytes = 0
    closed_with: int | None = None

    def send(self, data: bytes, most_refused_bytes: float) -> bool:
        if self.refused_bytes > most_refused_bytes:
            self.close(CloseCode.RECEIVER_TOO_SLOW, "")
            return False
        self.unsent_bytes += len(data)
        return True

    def offer(self, taken_bytes: int = 0) -> None:
        """The peer takes so much of what waits."""
        self.unsent_bytes = max(0, self.unsent_bytes - taken_bytes)
        self.refused_bytes = self.unsent_bytes

    def close(self, code: int, _reason: str) -> None:
        self.closed_with = code

    pause = resume = is_paused = None


def test_an_outbox_is_backed_up_when_half_of_its_bound_waits() -> None:
    connection = FakeConnection()
    outbox = SocketOutbox(connection, 2000)  # type: ignore[arg-type]  # the part it uses
    assert not outbox.is_backed_up
    outbox.send(Translation(text="x" * 900))
    assert not outbox.is_backed_up
    outbox.send(Translation(text="x" * 200))
    assert outbox.is_backed_up


@pytest.mark.parametrize("loop", LOOPS)
def test_a_closing_session_hears_that_its_socket_is_gone(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.say({"type": "session_close", "session_id": "s-1", "reason": "bye"})
        assert isinstance(await actor.next(), CloseRequested)
        peer.abort()
        lost = await actor.next()
        assert isinstance(lost, SocketLost)
        assert lost.outbox is running.reception.outboxes["s-1"]

    run_gateway(scenario, loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_a_dead_socket_had_sent_is_not_handed_over_once_it_is_closed_here(loop: str) -> None:
    """Its bytes wait here unread because it had been too fast when its peer was lost."""

    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        payload = base64.b64encode(SECOND[:3200]).decode()
        for seq in range(3):
            peer.say(chunk("s-1", seq, payload))
        await actor.count(1)
        peer.abort()
        outbox = running.reception.outboxes["s-1"]
        for _ in range(500):
            if not outbox.send(Translation(text="anybody?")):
                break
            await asyncio.sleep(0.01)  # nothing is read, so only writing shows that it is gone
        outbox.close(CloseCode.SESSION_TAKEN_OVER, "taken")
        await actor.count(2)
        heard = [type(message) for message in actor.messages]
        assert heard == [ChunkArrived, SocketLost]

    admission = AdmissionOptions(ingest_rate=0.01, ingest_burst_ms=1)
    run_gateway(scenario, loop=loop, admission=admission)


def test_a_peer_that_reads_may_be_sent_more_than_the_bound_at_once() -> None:
    connection = FakeConnection()
    outbox = SocketOutbox(connection, 2000)  # type: ignore[arg-type]  # the part it uses
    assert outbox.send(Translation(text="x" * 5000))
    assert outbox.send(Translation(text="x" * 5000))
    connection.offer(taken_bytes=9000)
    assert outbox.send(Translation(text="x"))
    assert connection.closed_with is None


def test_a_peer_that_has_not_taken_the_bound_is_closed_before_more_is_written() -> None:
    connection = FakeConnection()
    outbox = SocketOutbox(connection, 2000)  # type: ignore[arg-type]  # the part it uses
    assert outbox.send(Translation(text="x" * 3000))
    connection.offer()
    waiting = connection.unsent_bytes
    assert not outbox.send(Translation(text="x"))
    assert connection.closed_with == CloseCode.RECEIVER_TOO_SLOW
    assert connection.unsent_bytes == waiting


# ---- a session from another instance ------------------------------------------------------------


async def asking(running: RunningGateway) -> tuple[Peer, Mailbox, Outbox]:
    """Return a socket that has asked for a session that is not here."""
    running.reception.is_fetching = True
    peer = await running.connect("/ws/session")
    peer.say(session_init(resume=True, session_id="s-7", resume_token="t"))
    peer.say(chunk("s-7"))  # too early: it is refused, behind the answer
    await until(lambda: running.reception.askers)
    [(asker, outbox)] = running.reception.askers
    assert asker is not None
    return peer, asker, outbox


def test_a_socket_waits_for_a_session_from_elsewhere_and_then_speaks_for_it() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, asker, outbox = await asking(running)
        ack = SessionInitAck(session_id=SessionId("s-7"))
        running.reception.start("s-7", lambda: outbox.send(ack))
        asker.tell(ResumeAnswered(SessionId("s-7"), running.reception.refs["s-7"]))
        assert (await peer.hear())["type"] == "session_init_ack"
        assert (await peer.hear())["code"] == "INVALID_SESSION"
        peer.say({"type": "client_heartbeat", "session_id": "s-7", "timestamp": 5})
        assert await running.reception.actors["s-7"].next() == ClientBeat()

    run_gateway(scenario)


def test_a_socket_that_is_refused_a_session_from_elsewhere_may_begin_another() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, asker, _ = await asking(running)
        asker.tell(ResumeAnswered(SessionId("s-7"), message="no"))
        assert [(await peer.hear())["message"] for _ in range(2)][-1] == "no"
        running.reception.is_fetching = False
        peer.say(session_init())
        assert (await peer.hear())["session_id"] == "s-1"

    run_gateway(scenario)


def test_a_session_that_comes_too_late_for_its_socket_is_detached() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, asker, outbox = await asking(running)
        peer.abort()
        await until(lambda: not running.gateway.session_sockets)
        running.reception.start("s-7", lambda: None)
        asker.tell(ResumeAnswered(SessionId("s-7"), running.reception.refs["s-7"]))
        assert await running.reception.actors["s-7"].next() == SocketLost(outbox)

    run_gateway(scenario)
