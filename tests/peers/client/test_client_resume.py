"""The client whose line is cut, against a server that follows a script."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from peers.client.client import SessionLostError, SpeechClient
from peers.client.options import ClientOptions
from protocol.audio.framing import AudioFormat
from protocol.ids import SessionId
from protocol.messages.session_inbound import AudioChunk, ClientHeartbeat, SessionClose, SessionInit
from protocol.messages.session_outbound import (
    AudioAck,
    ErrorMessage,
    SessionCloseAck,
    SessionInitAck,
    TranslationResult,
)
from tests.support.peers.scripted_server import Script, ScriptedPeer, scripted_server
from tests.support.waiting import PATIENCE_S

SID = SessionId("s-1")
LOUD = b"\x00\x10" * 160


def ack(token: str, **fields: Any) -> SessionInitAck:
    return SessionInitAck.model_validate(
        {"session_id": SID, "resume_token": token, "resumed": False, "next_seq": 0, **fields}
    )


def result(seq: int) -> TranslationResult:
    return TranslationResult(
        session_id=SID,
        utterance_index=seq - 1,
        job_id="j",
        text_translated=f"hola {seq}",
        delivery_seq=seq,
    )


def with_lines(
    lines: list[Script], main: Callable[[SpeechClient], Awaitable[None]], **options: object
) -> SpeechClient:
    """Run one script per connection; further ones are refused."""

    async def whole() -> SpeechClient:
        left = iter(lines)

        async def script(peer: ScriptedPeer) -> None:
            line = next(left, None)
            if line is not None:
                await line(peer)
            await peer.socket.close(1011, "")

        async with scripted_server(script) as server, asyncio.timeout(PATIENCE_S):
            usual = {
                "url": server.session_url,
                "audio_format": AudioFormat.PCM16,
                "resume_first_ms": 10,
                "resume_longest_ms": 20,
                "resume_within_ms": 500,
            }
            client = SpeechClient(ClientOptions(**{**usual, **options}))  # type: ignore[arg-type] # by name
            async with client:
                await main(client)
            return client

    return asyncio.run(whole())


def cut(peer: ScriptedPeer) -> None:
    peer.socket.transport.abort()


def test_it_comes_back_with_its_token_and_sends_what_the_server_does_not_have() -> None:
    heard: list[int] = []

    async def first(peer: ScriptedPeer) -> None:
        assert (await peer.hear(SessionInit)).resume is True
        await peer.say(ack("one"))
        for _ in range(3):
            await peer.hear(AudioChunk)
        await peer.say(result(1), AudioAck(session_id=SID, next_seq=1))
        cut(peer)

    async def second(peer: ScriptedPeer) -> None:
        init = await peer.hear(SessionInit)
        assert (init.session_id, init.resume_token, init.last_delivery_seq) == (SID, "one", 1)
        await peer.say(ack("two", resumed=True, next_seq=2), result(2))
        while not (chunk := await peer.hear(AudioChunk)).is_final:
            heard.append(chunk.seq)
        cut(peer)

    async def third(peer: ScriptedPeer) -> None:
        init = await peer.hear(SessionInit)
        assert (init.resume_token, init.last_delivery_seq) == ("two", 2)
        await peer.say(ack("three", resumed=True, next_seq=5), result(2), result(3))
        await peer.hear(SessionClose)
        await peer.say(SessionCloseAck(session_id=SID))

    async def main(client: SpeechClient) -> None:
        for _ in range(4):
            await client.send_chunk(LOUD)
            await asyncio.sleep(0.01)
        await client.send_final()
        async for event in client.events():
            if getattr(event.message, "resume_token", None) == "three":
                break
        assert await client.close()

    client = with_lines([first, second, third], main)
    assert heard == [2, 3]
    outcomes = [event.message for event in client.history]
    seqs = [said.delivery_seq for said in outcomes if isinstance(said, TranslationResult)]
    assert seqs == [1, 2, 3]


def test_an_end_that_was_lost_with_the_line_is_said_again() -> None:
    async def first(peer: ScriptedPeer) -> None:
        await peer.hear(SessionInit)
        await peer.say(ack("one"))
        await peer.hear(SessionClose)
        cut(peer)

    async def second(peer: ScriptedPeer) -> None:
        await peer.hear(SessionInit)
        await peer.say(ack("two", resumed=True))
        await peer.hear(SessionClose)
        await peer.say(SessionCloseAck(session_id=SID))

    async def main(client: SpeechClient) -> None:
        assert await client.close()

    with_lines([first, second], main)


def test_a_heartbeat_says_what_was_heard() -> None:
    async def first(peer: ScriptedPeer) -> None:
        await peer.hear(SessionInit)
        await peer.say(ack("one"), result(1))
        while (await peer.hear(ClientHeartbeat)).last_delivery_seq != 1:
            pass
        await peer.socket.wait_closed()

    async def main(client: SpeechClient) -> None:
        await asyncio.sleep(0.1)

    with_lines([first], main, heartbeat_ms=10)


@pytest.mark.parametrize("code", [1000, 1008, 1013, 4001])
def test_who_was_sent_away_stays_away(code: int) -> None:
    async def first(peer: ScriptedPeer) -> None:
        await peer.hear(SessionInit)
        await peer.say(ack("one"))
        await peer.socket.close(code, "go")

    async def main(client: SpeechClient) -> None:
        async for _ in client.events():
            pass
        with pytest.raises(SessionLostError, match=f"{code} go"):
            await client.send_chunk(LOUD)

    with_lines([first], main)


def test_a_refused_resume_ends_the_session() -> None:
    async def first(peer: ScriptedPeer) -> None:
        await peer.hear(SessionInit)
        await peer.say(ack("one"))
        cut(peer)

    async def second(peer: ScriptedPeer) -> None:
        await peer.hear(SessionInit)
        await peer.say(ErrorMessage(code="INVALID_SESSION", message="expired"))
        await peer.socket.wait_closed()

    async def main(client: SpeechClient) -> None:
        async for _ in client.events():
            pass
        with pytest.raises(SessionLostError, match="INVALID_SESSION: expired"):
            await client.send_chunk(LOUD)

    with_lines([first, second], main)


def test_a_line_that_stays_down_ends_the_session() -> None:
    async def first(peer: ScriptedPeer) -> None:
        await peer.hear(SessionInit)
        await peer.say(ack("one"))
        cut(peer)

    async def main(client: SpeechClient) -> None:
        async for _ in client.events():
            pass
        with pytest.raises(SessionLostError):
            await client.send_chunk(LOUD)

    with_lines([first], main, resume_within_ms=100)


def test_without_resume_nothing_is_asked_for_or_kept() -> None:
    async def first(peer: ScriptedPeer) -> None:
        assert (await peer.hear(SessionInit)).resume is None
        await peer.say(SessionInitAck(session_id=SID))
        await peer.hear(AudioChunk)
        cut(peer)

    async def main(client: SpeechClient) -> None:
        await client.send_chunk(LOUD)
        assert len(client._audio) == 0
        async for _ in client.events():
            pass
        with pytest.raises(SessionLostError):
            await client.send_chunk(LOUD)

    with_lines([first], main, resume=False)
