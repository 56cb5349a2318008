"""What a client sends, and what its session's actor gets."""

import base64
from typing import Any

import pytest

from actors.messages.room import RoomRequested
from actors.messages.session import (
    ChunkArrived,
    ClientBeat,
    CloseRequested,
    PlaybackEnded,
    PlaybackStarted,
    SocketAttached,
    SocketLost,
    UtteranceArrived,
)
from protocol.errors import CloseCode, ErrorCode
from protocol.frames import AudioFrame, FinalFrame, PingFrame, encode_frame
from protocol.ids import SessionId
from protocol.messages.session_outbound import ServerHeartbeat
from tests.gateway.support.raw_peer import BINARY
from tests.gateway.support.running_gateway import (
    LOOPS,
    RunningGateway,
    chunk,
    refused,
    run_gateway,
    session_init,
)

AUDIO = b"\x02\x00\x48\x01"
TICKS = 960
SID = SessionId("s-1")


def utterance(session_id: str = "s-1", **fields: Any) -> dict[str, Any]:
    return {
        "type": "utterance",
        "session_id": session_id,
        "utterance_index": 0,
        "manual_cut": False,
        "src_lang": "en",
        "tgt_lang": "es",
        "audio": base64.b64encode(AUDIO).decode(),
        "audio_format": "opus",
        "sample_rate": 16000,
        **fields,
    }


def heartbeat(session_id: str = "s-1") -> dict[str, Any]:
    return {"type": "client_heartbeat", "session_id": session_id, "timestamp": 5}


def playback(kind: str, session_id: str = "s-1") -> dict[str, Any]:
    stamp = "ts_start_ms" if kind == "tts_started" else "ts_end_ms"
    return {"type": kind, "session_id": session_id, "trace_id": "t", "group_id": "g", stamp: 9}


def close(session_id: str = "s-1") -> dict[str, Any]:
    return {"type": "session_close", "session_id": session_id, "reason": "bye"}


ROOM_MESSAGES: list[dict[str, Any]] = [
    {"type": "room_create", "client_ts": 1},
    {"type": "room_join", "room_code": "123456"},
    {"type": "room_leave", "room_code": "123456"},
    {
        "type": "room_raw_voice_preference",
        "room_code": "123456",
        "target_session_id": "s-2",
        "receive_raw_voice": True,
    },
    {"type": "webrtc_offer", "room_code": "123456", "to": "s-2", "sdp": {}},
    {"type": "webrtc_answer", "room_code": "123456", "to": "s-2", "sdp": {}},
    {"type": "webrtc_ice", "room_code": "123456", "to": "s-2", "candidate": {}},
]


@pytest.mark.parametrize("loop", LOOPS)
def test_each_message_is_told_to_the_session(loop: str) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        payload = base64.b64encode(AUDIO).decode()
        said_at_ms = 1_700_000_000_077
        peer.say(chunk("s-1", 3, payload, client_timestamp_ms=said_at_ms))
        assert await actor.next() == ChunkArrived(AUDIO, 3, False, said_at_ms, opus_ticks=TICKS)
        peer.say(chunk("s-1", 4, is_final=True))
        assert await actor.next() == ChunkArrived(b"", 4, is_final=True)
        peer.say(utterance())
        arrived = await actor.next()
        assert isinstance(arrived, UtteranceArrived)
        assert arrived.message.audio == AUDIO
        peer.say({**heartbeat(), "last_delivery_seq": 8})
        assert await actor.next() == ClientBeat(8)
        peer.say(playback("tts_started"))
        assert await actor.next() == PlaybackStarted("g")
        peer.say(playback("tts_play_ended"))
        assert await actor.next() == PlaybackEnded("g")
        peer.say(close())
        assert await actor.next() == CloseRequested("bye", acknowledge=True)

    run_gateway(scenario, loop=loop)


def test_binary_frames_are_chunks() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        for frame in (
            AudioFrame(SID, 1, 99, is_final=False, audio=AUDIO),
            AudioFrame(SID, 2, 99, is_final=True, audio=AUDIO),
            FinalFrame(SID, 3, 99),
        ):
            peer.frame(encode_frame(frame), BINARY)
        assert await actor.count(3) == [
            ChunkArrived(AUDIO, 1, is_final=False, opus_ticks=TICKS),
            ChunkArrived(AUDIO, 2, is_final=True, opus_ticks=TICKS),
            ChunkArrived(b"", 3, is_final=True),
        ]

    run_gateway(scenario)


def test_a_ping_frame_changes_nothing() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.frame(encode_frame(PingFrame()), BINARY)
        await peer.is_heard()
        assert actor.messages == []

    run_gateway(scenario)


def test_what_the_session_sends_reaches_the_client() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.abort()
        lost = await actor.next()
        assert isinstance(lost, SocketLost)
        assert not lost.outbox.send(ServerHeartbeat(session_id=SID, timestamp=1))
        lost.outbox.close(1000, "again")

    run_gateway(scenario)


@pytest.mark.parametrize(
    "message",
    [chunk("s-2"), utterance("s-2"), heartbeat("s-2"), close("s-2")]
    + [playback(kind, "s-2") for kind in ("tts_started", "tts_play_ended")],
    ids=lambda message: str(message["type"]),
)
def test_a_message_that_names_another_session_is_refused_and_changes_nothing(
    message: dict[str, Any],
) -> None:
    async def scenario(running: RunningGateway) -> None:
        running.reception.detached.add("s-2")
        peer, actor = await running.session()
        other, other_actor = await running.session()
        peer.say(message)
        error = await peer.hear()
        assert (error["type"], error["code"]) == ("error", "INVALID_SESSION")
        other.say(heartbeat("s-2"))
        await other_actor.next()
        peer.say(heartbeat())
        assert await actor.next() == ClientBeat()
        assert (actor.messages, other_actor.messages) == ([], [])

    run_gateway(scenario)


def test_a_binary_frame_that_names_another_session_is_refused() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.frame(encode_frame(FinalFrame(SessionId("s-9"), 0, 0)), BINARY)
        assert (await peer.hear())["code"] == "INVALID_SESSION"
        assert actor.messages == []

    run_gateway(scenario)


@pytest.mark.parametrize(
    "message",
    [chunk("s-1"), close(), playback("tts_started"), *ROOM_MESSAGES],
    ids=lambda message: str(message["type"]),
)
def test_nothing_but_session_init_works_on_a_fresh_socket(message: dict[str, Any]) -> None:
    async def scenario(running: RunningGateway) -> None:
        running.reception.detached.add("s-1")
        peer = await running.connect("/ws/session")
        peer.say(message)
        assert (await peer.hear())["code"] == "INVALID_SESSION"
        assert await peer.hear_close() == 1011
        assert running.reception.detached == {"s-1"}

    run_gateway(scenario)


@pytest.mark.parametrize("message", ROOM_MESSAGES, ids=lambda message: str(message["type"]))
def test_what_is_said_about_a_room_is_told_to_the_session(message: dict[str, Any]) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        peer.say(message)
        arrived = await actor.next()
        wanted = arrived.request if isinstance(arrived, RoomRequested) else arrived.signal
        assert wanted.type == message["type"]

    run_gateway(scenario)


def test_wrong_room_codes_are_counted_by_the_socket_whatever_sessions_it_opens() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, former = await running.session()
        peer.say(ROOM_MESSAGES[1])
        first = await former.next()
        peer.say(session_init())
        await peer.hear()
        peer.say(ROOM_MESSAGES[1])
        second = await running.reception.actors["s-2"].next()
        assert first.attempts is second.attempts

    run_gateway(scenario)


def test_a_second_session_init_opens_another_session_and_closes_the_former() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, former = await running.session()
        peer.say(session_init(tgt_lang="fr"))
        ack = await peer.hear()
        assert ack["session_id"] == "s-2"
        arrived = await former.next()
        assert isinstance(arrived, CloseRequested)
        assert not arrived.acknowledge
        peer.say(heartbeat("s-1"))
        assert (await peer.hear())["code"] == "INVALID_SESSION"
        peer.say(heartbeat("s-2"))
        assert await running.reception.actors["s-2"].next() == ClientBeat()
        peer.abort()
        assert isinstance(await running.reception.actors["s-2"].next(), SocketLost)
        assert former.messages == []

    run_gateway(scenario)


def test_a_refused_second_session_init_leaves_the_former_session_alone() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        running.reception.refusal = refused(ErrorCode.INVALID_SESSION)
        peer.say(session_init(resume=True))
        assert (await peer.hear())["code"] == "INVALID_SESSION"
        peer.say(heartbeat())
        assert await actor.next() == ClientBeat()

    run_gateway(scenario)


def test_a_closed_session_leaves_the_socket_for_another_one() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, former = await running.session()
        peer.say(close())
        assert await former.next() == CloseRequested("bye", acknowledge=True)
        running.reception.detached.add("s-1")
        peer.say(heartbeat())
        assert (await peer.hear())["code"] == "INVALID_SESSION"
        peer.say(session_init())
        assert (await peer.hear())["session_id"] == "s-2"
        assert former.messages == []

    run_gateway(scenario)


def test_a_session_that_ended_by_itself_is_reported_to_its_client() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, _ = await running.session()
        await running.reception.refs["s-1"].stop(block=False)
        peer.say(heartbeat())
        assert (await peer.hear())["code"] == "INVALID_SESSION"
        peer.say(session_init())
        assert (await peer.hear())["session_id"] == "s-2"

    run_gateway(scenario)


def test_a_refusal_with_a_close_code_closes_the_socket_after_the_reason() -> None:
    async def scenario(running: RunningGateway) -> None:
        code = ErrorCode.NODE_OVERLOADED
        running.reception.refusal = refused(code, CloseCode.TRY_AGAIN_LATER)
        peer = await running.connect("/ws/session")
        peer.say(session_init())
        assert (await peer.hear())["code"] == code
        assert await peer.hear_close() == 1013

    run_gateway(scenario)


# ---- attaching ------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [utterance("s-7"), heartbeat("s-7")])
def test_a_fresh_socket_gets_the_detached_session_it_names(message: dict[str, Any]) -> None:
    async def scenario(running: RunningGateway) -> None:
        running.reception.detached.add("s-7")
        peer = await running.connect("/ws/session")
        peer.say(message)
        await peer.is_heard()
        actor = running.reception.actors["s-7"]
        assert isinstance(await actor.next(), SocketAttached)
        assert isinstance(await actor.next(), UtteranceArrived | ClientBeat)
        peer.say(chunk("s-7", 1))
        assert isinstance(await actor.next(), ChunkArrived)
        peer.abort()
        assert isinstance(await actor.next(), SocketLost)

    run_gateway(scenario)


def test_a_fresh_socket_that_names_an_unknown_session_is_refused() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer = await running.connect("/ws/session")
        peer.say(utterance("s-7"))
        assert (await peer.hear())["code"] == "INVALID_SESSION"

    run_gateway(scenario)
