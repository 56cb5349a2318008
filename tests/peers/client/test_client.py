"""The client on the wire, against a server that follows a script."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from peers.client.client import CannotConnectError, ClientEvent, SessionLostError, SpeechClient
from peers.client.microphone import recorded
from peers.client.options import ClientOptions
from peers.pcm import silence
from protocol.audio.framing import (
    AudioFormat,
    DeclaredFormat,
    is_opus_framed,
    opus_ticks,
    ticks_to_ms,
)
from protocol.errors import MissingReason
from protocol.frames import AudioFrame, FinalFrame
from protocol.ids import SessionId
from protocol.messages.session_inbound import AudioChunk, ClientHeartbeat, SessionClose, SessionInit
from protocol.messages.session_outbound import (
    Backpressure,
    ErrorMessage,
    MissingResult,
    SessionCloseAck,
    SessionInitAck,
    TranslationResult,
    UiEvent,
    UiEventKind,
)
from tests.support.peers.scripted_server import ScriptedPeer, scripted_server
from tests.support.waiting import PATIENCE_S

SESSION = SessionId("s-1")
ACK = SessionInitAck(session_id=SESSION, trace_id="t")
LOUD = b"\x00\x10" * 1600
"""100 ms of PCM16."""


def ui_event(index: int, kind: UiEventKind = UiEventKind.DISPATCHED) -> UiEvent:
    return UiEvent(
        trace_id="t", session_id=SESSION, job_id="job", utterance_index=index, event=kind
    )


def translation(index: int, text: str = "hola") -> TranslationResult:
    return TranslationResult(
        session_id=SESSION, utterance_index=index, job_id="job", text_translated=text
    )


async def opened(peer: ScriptedPeer, ack: SessionInitAck = ACK) -> SessionInit:
    init = await peer.hear(SessionInit)
    await peer.say(ack)
    return init


async def source(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def with_client(
    script: Callable[[ScriptedPeer], Awaitable[None]],
    main: Callable[[SpeechClient], Awaitable[None]],
    **options: object,
) -> list[ClientEvent]:
    """Run a script against one client; both have to end. Return what the client heard."""

    async def whole() -> list[ClientEvent]:
        done = asyncio.Event()

        async def to_the_end(peer: ScriptedPeer) -> None:
            try:
                await script(peer)
            finally:
                done.set()
            await peer.socket.wait_closed()

        async with scripted_server(to_the_end) as server, asyncio.timeout(PATIENCE_S):
            settings = ClientOptions(**{"url": server.session_url, **options})  # type: ignore[arg-type] # by name
            async with SpeechClient(settings) as client:
                await main(client)
                await done.wait()
        return client.history

    return asyncio.run(whole())


async def nothing(_client: SpeechClient) -> None:
    return


def test_the_first_message_asks_for_the_session() -> None:
    async def script(peer: ScriptedPeer) -> None:
        init = await opened(peer)
        assert (init.src_lang, init.tgt_lang) == ("en", "fr")
        assert init.audio_format is DeclaredFormat.PCM16
        assert init.enable_streaming_asr is True
        assert init.use_binary_frame is None
        assert peer.socket.request is not None
        assert peer.socket.request.headers["Authorization"] == "Bearer secret"

    async def main(client: SpeechClient) -> None:
        assert client.ack.session_id == "s-1"

    options = {"tgt_lang": "fr", "audio_format": AudioFormat.PCM16, "token": "secret"}
    with_client(script, main, **options)


def test_pcm_goes_out_in_order_as_it_is_and_ends_with_a_final() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        chunks = [await peer.hear(AudioChunk) for _ in range(3)]
        assert [chunk.seq for chunk in chunks] == [0, 1, 2]
        assert [chunk.payload for chunk in chunks] == [LOUD, LOUD[:100], b""]
        assert [chunk.is_final for chunk in chunks] == [False, False, True]
        assert {chunk.session_id for chunk in chunks} == {"s-1"}
        assert chunks[0].client_timestamp_ms is not None

    async def main(client: SpeechClient) -> None:
        await client.stream(source(LOUD, LOUD[:100]), "greeting")

    with_client(script, main, audio_format=AudioFormat.PCM16)


def test_opus_goes_out_framed_and_nothing_is_lost_at_the_end() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        while not (await peer.hear(AudioChunk)).is_final:
            pass
        payloads = [chunk.payload for chunk in peer.of(AudioChunk)[:-1]]
        assert all(is_opus_framed(payload) for payload in payloads)
        assert [ticks_to_ms(opus_ticks(payload)) for payload in payloads] == [240, 260, 100, 20]

    async def main(client: SpeechClient) -> None:
        await client.stream(recorded(silence(610), 256, speed=50))

    with_client(script, main, audio_format=AudioFormat.OPUS)


def test_binary_frames_are_sent_only_if_the_server_agrees() -> None:
    async def agrees(peer: ScriptedPeer) -> None:
        init = await opened(peer, SessionInitAck(session_id=SESSION, use_binary_frame=True))
        assert init.use_binary_frame is True
        frame = await peer.hear(AudioFrame)
        assert (frame.session_id, frame.seq, frame.audio) == ("s-1", 0, LOUD)
        assert (await peer.hear(FinalFrame)).seq == 1

    async def does_not(peer: ScriptedPeer) -> None:
        await opened(peer)
        assert (await peer.hear(AudioChunk)).payload == LOUD

    async def main(client: SpeechClient) -> None:
        await client.stream(source(LOUD))

    for script in (agrees, does_not):
        with_client(script, main, audio_format=AudioFormat.PCM16, binary_frames=True)


def test_an_utterance_ends_at_silence_where_that_is_wanted() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        finals = 0
        while finals < 2:
            finals += (await peer.hear(AudioChunk)).is_final
        kinds = ["final" if c.is_final else len(c.payload) for c in peer.of(AudioChunk)]
        assert kinds == [3200, 3200, 3200, "final", 3200, "final"]

    async def main(client: SpeechClient) -> None:
        await client.stream(source(LOUD, silence(100), silence(100), LOUD))

    with_client(script, main, audio_format=AudioFormat.PCM16, cut_silence_ms=200)


def test_a_source_without_a_sound_sends_nothing() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        await peer.hear(SessionClose)
        assert peer.of(AudioChunk) == []
        await peer.say(SessionCloseAck(session_id=SESSION))

    async def main(client: SpeechClient) -> None:
        await client.stream(source())
        assert await client.wait_outcomes(1000)
        assert await client.close()

    with_client(script, main)


def test_outcomes_are_waited_for_and_everything_heard_is_kept() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        while not (await peer.hear(AudioChunk)).is_final:
            pass
        await peer.say(ui_event(0), ui_event(1))
        missing = MissingResult(
            session_id=SESSION,
            utterance_index=1,
            reason=MissingReason.SILENCE_DETECTED,
            created_at_ms=1,
        )
        await peer.say(translation(0), missing)

    async def main(client: SpeechClient) -> None:
        await client.stream(source(LOUD), "greeting")
        assert await client.wait_outcomes(5000)
        first, second = client.timeline.utterances
        assert first.result is not None
        assert (first.source, first.result.text_translated) == ("greeting", "hola")
        assert second.missing is MissingReason.SILENCE_DETECTED
        heard = [event.message.type async for event in _first(client.events(), 5)]
        assert heard == [
            "session_init_ack",
            *("ui_event", "ui_event", "translation_result", "missing_result"),
        ]

    history = with_client(script, main)
    assert [event.at_ms for event in history] == sorted(event.at_ms for event in history)


async def _first(events: AsyncIterator[ClientEvent], count: int) -> AsyncIterator[ClientEvent]:
    async for event in events:
        yield event
        count -= 1
        if not count:
            return


def test_waiting_ends_when_time_is_up_or_nothing_was_made_of_the_sound() -> None:
    waited = asyncio.Event()

    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        await waited.wait()
        await peer.say(ui_event(0))

    async def main(client: SpeechClient) -> None:
        await client.stream(source(LOUD))
        assert await client.wait_outcomes(5000)
        assert client.timeline.utterances == []
        waited.set()
        async for event in client.events():
            if isinstance(event.message, UiEvent):
                break
        assert not await client.wait_outcomes(30)

    with_client(script, main, unheard_ms=20)


def test_heartbeats_tell_the_server_that_the_client_is_there() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        for _ in range(2):
            assert (await peer.hear(ClientHeartbeat)).session_id == "s-1"

    with_client(script, nothing, heartbeat_ms=10)


def test_a_pause_that_the_server_asks_for_is_kept() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        await peer.hear(AudioChunk)
        await peer.say(Backpressure(action="PAUSE", resume_after_ms=150))
        await peer.hear(AudioChunk)

    async def main(client: SpeechClient) -> None:
        await client.send_chunk(LOUD)
        async for event in client.events():
            if isinstance(event.message, Backpressure):
                await client.send_chunk(LOUD)
                assert client.now_ms() >= event.at_ms + 150
                break

    with_client(script, main)


def test_a_lost_session_is_said_to_whoever_sends_or_waits() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        await peer.hear(AudioChunk)
        await peer.socket.close(1001, "going away")

    async def main(client: SpeechClient) -> None:
        await client.send_chunk(LOUD)
        assert [event.message.type async for event in client.events()] == ["session_init_ack"]
        with pytest.raises(SessionLostError, match="1001 going away"):
            await client.send_chunk(LOUD)
        assert not await client.close()
        assert await client.wait_outcomes(5000)

    with_client(script, main)


def test_what_it_does_not_know_does_not_disturb_a_client() -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        await peer.socket.send('{"type": "invented"}')
        await peer.socket.send("not json")
        await peer.say(translation(0))

    async def main(client: SpeechClient) -> None:
        async for event in client.events():
            if isinstance(event.message, TranslationResult):
                return

    with_client(script, main)


def test_a_session_that_does_not_come_about_is_explained() -> None:
    async def refuses(peer: ScriptedPeer) -> None:
        await peer.hear(SessionInit)
        await peer.say(ErrorMessage(code="INVALID_SESSION", message="no"))

    async def hangs_up(peer: ScriptedPeer) -> None:
        await peer.socket.close(1013, "full")

    async def says_nothing(peer: ScriptedPeer) -> None:
        await peer.socket.wait_closed()

    for script, why in [
        (refuses, "refused: INVALID_SESSION: no"),
        (hangs_up, "closed with 1013 full"),
        (says_nothing, "no answer in time"),
    ]:
        with pytest.raises(CannotConnectError, match=why):
            with_client(script, nothing, ack_timeout_ms=100)


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    async def main(url: str) -> None:
        async with SpeechClient(ClientOptions(url=url)):
            pass

    with pytest.raises(CannotConnectError) as failure:
        asyncio.run(main(f"ws://127.0.0.1:{port}/ws/session"))
    assert str(port) in str(failure.value)
    assert "\n" not in str(failure.value)
    with pytest.raises(CannotConnectError, match="no WebSocket address"):
        asyncio.run(main("ftp://127.0.0.1"))
