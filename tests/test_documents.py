"""The documents: every link leads somewhere, and what they show of Python runs."""

import asyncio
import re
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from peers.node import ReferenceNode
from protocol.ids import SessionId
from protocol.messages.session_inbound import AudioChunk, SessionInit
from protocol.messages.session_outbound import SessionInitAck, TranslationResult
from tests.support.peers.scripted_server import ScriptedPeer, scripted_server

ROOT = Path(__file__).parents[1]
DOCUMENTS = [path for path in (*ROOT.glob("*.md"), *ROOT.glob("peers/*.md")) if path.is_file()]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PATH = re.compile(
    r"`((?:actors|cli|gateway|lua|peers|protocol|storage|tests)/[\w/.-]+|[\w/]+\.(?:py|lua|md))`"
)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
MODELS = ("ctranslate2", "faster_whisper", "numpy", "piper", "sentencepiece")
"""What engines of one's own are made of, and this project does without."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_path_of_a_document_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if "://" not in link]
    lost = [link for link in links if not (document.parent / link).exists()]
    lost += [
        path
        for path in PATH.findall(text)
        if not (ROOT / path).exists() and not (document.parent / path).exists()
    ]
    assert not lost


def python_of(document: str, part: str) -> str:
    """Return the Python of a document that has this in it."""
    blocks = PYTHON.findall((ROOT / document).read_text(encoding="utf-8"))
    [block] = [block for block in blocks if part in block]
    return str(block)


def run_block(code: str, **names: object) -> dict[str, Any]:
    """Run it as it stands."""
    scope: dict[str, Any] = {"__name__": "__main__", **names}
    exec(compile(code, "document", "exec"), scope)  # noqa: S102 - our own documents
    return scope


def test_a_node_of_one_s_own_is_made_as_the_readme_shows() -> None:
    engines = {name: lambda *_: "" for name in ("my_asr", "my_mt", "my_tts")}
    assert isinstance(run_block(python_of("README.md", "my_asr"), **engines)["node"], ReferenceNode)


def test_engines_of_one_s_own_run_as_their_document_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MODELS:
        monkeypatch.setitem(sys.modules, name, MagicMock())
    started: list[str] = []

    def run(main: Coroutine[Any, Any, None]) -> None:
        started.append(repr(main))
        main.close()

    monkeypatch.setattr(asyncio, "run", run)
    run_block(python_of("peers/README.md", "faster_whisper"))
    assert len(started) == 1
    assert "ReferenceNode.run" in started[0]


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
    code = python_of("peers/README.md", "SpeechClient")
    here = f'ClientOptions(url="ws://127.0.0.1:{port}/ws/session", '
    run_block(code.replace("ClientOptions(", here))  # 5010 may be taken on this machine
    assert "text_translated='hola'" in capsys.readouterr().out
