"""`run.py node`: what it says, how it ends, and that nothing outlives it."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.node import main, summary
from peers.engines.builtin import builtin_engines
from peers.node.options import ReferenceNodeOptions
from protocol.ids import NodeId
from protocol.messages.node_inbound import NodeHeartbeat, NodeRegister
from protocol.messages.node_outbound import NodeRegisterAck
from tests.cli.support.marked_processes import Mark, take_ctrl_c
from tests.support.peers.scripted_server import ScriptedPeer, scripted_server
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]


def ended_node(end: Callable[[Process], None]) -> tuple[int, str, dict[int, str]]:
    """Start a node, end it once it works; return its status, what it said, what is left of it."""
    mark = Mark()

    async def whole() -> tuple[int, str]:
        works = asyncio.Event()

        async def script(peer: ScriptedPeer) -> None:
            await peer.hear(NodeRegister)
            await peer.say(NodeRegisterAck(node_id=NodeId("n")))
            await peer.hear(NodeHeartbeat)
            works.set()
            await peer.gone()

        async with scripted_server(script) as server, asyncio.timeout(2 * PATIENCE_S):
            command = [sys.executable, "run.py", "node", "--url", server.node_url]
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=ROOT,
                env=mark.environment,
                stdout=PIPE,
                stderr=PIPE,
                preexec_fn=take_ctrl_c,
            )
            await works.wait()
            assert any("_worker" in name for name in mark.processes().values())
            end(process)
            said, _ = await process.communicate()
            return process.returncode or 0, said.decode()

    status, said = asyncio.run(whole())
    return status, said, mark.wait_until_gone()


def test_a_node_that_is_told_to_stop_leaves_nothing_behind() -> None:
    status, said, left = ended_node(lambda process: process.terminate())
    assert status == 0
    assert "recognises en  (" in said
    assert left == {}


@pytest.mark.usefixtures("sigint_is_not_ignored")
def test_ctrl_c_is_a_way_to_end_a_node() -> None:
    status, _, left = ended_node(lambda process: process.send_signal(signal.SIGINT))
    assert status == 0
    assert left == {}


def test_a_node_that_is_killed_takes_its_engines_with_it() -> None:
    status, _, left = ended_node(lambda process: process.kill())
    assert status == -signal.SIGKILL
    assert left == {}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--url", "ftp://nowhere"], "no WebSocket address"),
        (["--jobs", "0"], "at least 1"),
        (["--speech", "mp3"], "invalid"),
        (["--name", "a b"], "no blanks"),
    ],
)
def test_wrong_usage_is_said_in_one_line(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert why in capsys.readouterr().err.splitlines()[-1]


def test_what_is_missing_is_named_with_a_way_to_get_it() -> None:
    text = summary(ReferenceNodeOptions(), builtin_engines(modes={}))
    (note,) = [line for line in text.splitlines() if line.startswith("  note")]
    assert "apt-get install apertium-eng-spa" in note
    assert "  translates into en" in text
