"""Files that come as fast as the line takes them: read at the pace of speech, nothing lost."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from peers.recordings import carried_recordings
from peers.wav import read_wav, write_wav
from tests.support.peers.raw_client import b64, pieces, session_init
from tests.support.peers.raw_node import Ability, audio_of, raw_node
from tests.support.peers.raw_wire import Pair, over_sockets
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

ROOT = Path(__file__).parents[2]
SECONDS_OF_SPEECH = 60


@pytest.fixture(scope="module")
def strict() -> Iterator[SchedulerProcess]:
    """A scheduler that reads 8 s of audio in a second, after the first."""
    with running_scheduler("--ingest-rate=8", "--ingest-burst-ms=1000") as process:
        yield process


def speech(seconds: int) -> bytes:
    spoken = b"".join(read_wav(each.path) + bytes(40_000) for each in carried_recordings())
    return (spoken * (1 + seconds * 32_000 // len(spoken)))[: seconds * 32_000]


@over_sockets
async def test_a_stock_client_that_sends_a_file_at_once_does_not_die_of_its_keepalive(
    strict: SchedulerProcess, pair: Pair
) -> None:
    """Its pings wait behind what it sends: 2.6 MB fit into the kernels, 8 s at this pace."""
    ability, spoken = Ability(asr=(pair[0],), semantic=(pair[1],)), speech(SECONDS_OF_SPEECH)
    async with (
        raw_node(strict.node_url, ability, answering=True) as node,
        connect(strict.session_url, ping_interval=1, ping_timeout=5) as socket,
    ):
        await socket.send(json.dumps(session_init(*pair)))
        session_id = json.loads(await socket.recv())["session_id"]
        chunk = {"type": "audio_chunk", "session_id": session_id, "is_final": False}
        for seq, piece in enumerate(pieces(spoken, 8_192)):
            await socket.send(json.dumps({**chunk, "seq": seq, "payload": b64(piece)}))
        end = {"type": "session_close", "session_id": session_id, "reason": "done"}
        await socket.send(json.dumps(end))
        async for data in socket:
            if json.loads(data)["type"] == "session_close_ack":
                break
        assert b"".join(audio_of(job) for job in node.jobs) == spoken


@pytest.mark.parametrize("form", ["--pcm", "--opus"])
@over_sockets
async def test_a_recording_played_fifty_times_as_fast_brings_every_result(
    strict: SchedulerProcess, pair: Pair, form: str, tmp_path: Path
) -> None:
    ability, path = Ability(asr=(pair[0],), semantic=(pair[1],)), tmp_path / "talk.wav"
    write_wav(path, speech(SECONDS_OF_SPEECH))
    async with raw_node(strict.node_url, ability, answering=True) as node:
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "run.py", "client", str(path), "--url", strict.session_url),
            *("--from", pair[0], "--to", pair[1], "--speed", "50", "--cut-silence-ms", "600", form),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        shown, _ = await client.communicate()
        assert client.returncode == 0, shown.decode()
        assert len(node.jobs) >= SECONDS_OF_SPEECH // 7
