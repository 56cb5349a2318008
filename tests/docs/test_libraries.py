"""`peers/README.md`: what it shows of Python runs."""

import asyncio
import socket
import sys
from collections.abc import Coroutine
from typing import Any
from unittest.mock import MagicMock

import pytest

from protocol.ids import SessionId
from protocol.messages.session_inbound import AudioChunk, SessionInit
from protocol.messages.session_outbound import SessionInitAck, TranslationResult
from tests.docs.support.documents import ROOT, block
from tests.support.peers.scripted_server import ScriptedPeer, scripted_server

MODELS = ("ctranslate2", "faster_whisper", "numpy", "piper", "sentencepiece")
"""What engines of one's own are made of, and this project does without."""


def run_block(code: str, **names: object) -> dict[str, Any]:
    """Run it as it stands."""
    scope: dict[str, Any] = {"__name__": "__main__", **names}
    exec(compile(code, "document", "exec"), scope)  # noqa: S102 - our own documents
    return scope


def test_engines_of_one_s_own_run_as_their_document_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MODELS:
        monkeypatch.setitem(sys.modules, name, MagicMock())
    started: list[str] = []

    def run(main: Coroutine[Any, Any, None]) -> None:
        started.append(repr(main))
        main.close()

    monkeypatch.setattr(asyncio, "run", run)
    run_block(block("peers/README.md", "python", "faster_whisper"))
    assert len(started) == 1
    assert "run_until_stopped" in started[0]


def test_the_client_runs_as_its_document_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session_id = SessionId("s-1")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    async def script(peer: ScriptedPeer) -> None:
        await peer.hear(SessionInit)
        await peer.say(SessionInitAck(session_id=session_id, trace_id="t"))
        while not (await peer.hear(AudioChunk)).is_final:
            pass
        outcome = TranslationResult(
            session_id=session_id, utterance_index=0, job_id="j", text_translated="hola"
        )
        await peer.say(outcome)
        await peer.gone()

    async def beside_a_scheduler(main: Coroutine[Any, Any, None]) -> None:
        async with scripted_server(script, port):
            await main

    run = asyncio.run
    monkeypatch.setattr(asyncio, "run", lambda main: run(beside_a_scheduler(main)))
    monkeypatch.chdir(ROOT)
    code = block("peers/README.md", "python", "SpeechClient")
    here = f'ClientOptions(url="ws://127.0.0.1:{port}", '
    run_block(code.replace("ClientOptions(", here))  # 5010 may be taken on this machine
    assert "text_translated='hola'" in capsys.readouterr().out
