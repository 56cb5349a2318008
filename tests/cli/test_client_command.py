"""`run.py client`: what it shows, what it writes, how it ends."""

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cli.client import main
from peers.engines import opus
from peers.pcm import duration_ms, silence
from peers.wav import read_wav, write_wav
from protocol.audio.framing import join_packets
from protocol.errors import MissingReason
from protocol.ids import SessionId
from protocol.messages.session_inbound import AudioChunk, SessionClose, SessionInit
from protocol.messages.session_outbound import (
    MissingResult,
    SessionCloseAck,
    SessionInitAck,
    TranslationResult,
    UiEvent,
    UiEventKind,
)
from protocol.messages.shared import ServiceTimings
from tests.support.peers.scripted_server import ScriptedPeer, scripted_server
from tests.support.waiting import PATIENCE_S

SESSION = SessionId("s-1")


@pytest.fixture
def speech(tmp_path: Path) -> str:
    """Return the path of a recording of 400 ms."""
    path = tmp_path / "greeting.wav"
    write_wav(path, b"\x00\x10" * 6400)
    return str(path)


def run(script: Callable[[ScriptedPeer], Awaitable[None]], *arguments: str) -> int:
    """Run the command against a script; return its exit status."""

    async def whole() -> int:
        async with scripted_server(script) as server, asyncio.timeout(2 * PATIENCE_S):
            argv = [*arguments, "--url", server.session_url, "--speed", "20"]
            return await asyncio.to_thread(main, argv)

    return asyncio.run(whole())


async def opened(peer: ScriptedPeer) -> None:
    await peer.hear(SessionInit)
    await peer.say(SessionInitAck(session_id=SESSION))


async def utterance(peer: ScriptedPeer, index: int) -> None:
    while not (await peer.hear(AudioChunk)).is_final:
        pass
    await peer.say(
        UiEvent(
            trace_id="t",
            session_id=SESSION,
            job_id="j",
            utterance_index=index,
            event=UiEventKind.DISPATCHED,
        )
    )


async def closed(peer: ScriptedPeer) -> None:
    await peer.hear(SessionClose)
    await peer.say(SessionCloseAck(session_id=SESSION))


def translation(index: int, speech_ms: int) -> TranslationResult:
    audio = join_packets(opus.encode(silence(speech_ms)))
    return TranslationResult(
        session_id=SESSION,
        utterance_index=index,
        job_id="j",
        text_asr="good morning",
        text_translated="buenos días",
        tts_audio=base64.b64encode(audio).decode(),
        tts_format="opus",
        service_timings=ServiceTimings(asr_ms=700.0, nmt_ms=2.0, tts_ms=9.0),
    )


def missing(index: int) -> MissingResult:
    return MissingResult(
        session_id=SESSION,
        utterance_index=index,
        reason=MissingReason.NO_AVAILABLE_NODE,
        created_at_ms=0,
    )


def test_what_comes_back_is_shown_and_its_speech_written(
    speech: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        for index in range(2):
            await utterance(peer, index)
        await peer.say(translation(0, 400), translation(1, 200))
        await closed(peer)

    out = tmp_path / "answer.wav"
    assert run(script, speech, speech, "--to", "es", "--out", str(out)) == 0
    shown = capsys.readouterr().out
    for text in ("greeting", "good morning", "buenos días", "dispatched +", "recognise 700 ms"):
        assert text in shown
    assert duration_ms(read_wav(out)) == 400 + 300 + 200


def test_speech_is_written_only_where_that_is_asked_for(
    speech: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        await utterance(peer, 0)
        await peer.say(translation(0, 100))
        await closed(peer)

    monkeypatch.chdir(tmp_path)
    assert run(script, speech, "--to", "es", "--pcm", "--binary") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["greeting.wav"]


def test_an_utterance_without_a_result_is_status_1(
    speech: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        await utterance(peer, 0)
        await peer.say(missing(0))
        await closed(peer)

    out = tmp_path / "none.wav"
    assert run(script, speech, "--to", "es", "--out", str(out)) == 1
    said = capsys.readouterr()
    assert "no_available_node" in said.out
    assert said.err == "lingua: 1 of 1 without a result\n"
    assert not out.exists()


def test_a_session_that_is_lost_is_status_1_and_one_line(
    speech: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(peer: ScriptedPeer) -> None:
        await opened(peer)
        await peer.socket.close(1001, "going away")

    assert run(script, speech, "--to", "es", "--speed", "1") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_no_scheduler_is_status_3_and_one_line(
    speech: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert main([speech, "--to", "es", "--url", f"ws://127.0.0.1:{port}"]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"lingua: ws://127.0.0.1:{port}/ws/session: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["none.wav", "--to", "es"], "none.wav: no such file"),
        ([str(Path(__file__)), "--to", "es"], "not audio"),
        (["none.wav", "--to", "es", "--url", "ftp://x"], "no WebSocket address"),
        (["none.wav"], "--to"),
        (["none.wav", "--to", "e s"], "a code such as en"),
        (["none.wav", "--to", "es", "--opus", "--pcm"], "not allowed with"),
        (["none.wav", "--to", "es", "--speed", "0"], "above 0"),
    ],
)
def test_wrong_usage_is_status_2_and_names_the_fault(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert why in capsys.readouterr().err.splitlines()[-1]


def test_opus_without_pyav_is_refused_with_a_way_out(
    speech: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(opus, "is_installed", lambda: False)
    assert main([speech, "--to", "es", "--opus"]) == 2
    assert "--pcm goes without" in capsys.readouterr().err
