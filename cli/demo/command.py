"""`lingua demo`: scheduler, node and client on the carried recordings, all in one command.

Starts a scheduler in a process of its own on a free port, a node and a client beside it, says the
recordings in real time, shows what comes back and when, writes the speech, and stops everything,
also after a failure or Ctrl-C. With `--page` a page to speak into is offered instead. Exit status:
0 everything came back, 1 something did not or did not start, 130 Ctrl-C.
"""

import argparse
import asyncio
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.client import joined_speech
from cli.demo.consent import is_refused
from cli.demo.page import offer_page
from cli.logs import LogOptions, configure_logs
from cli.output import Terminal
from cli.parser import OneLineParser, speed
from cli.program import PROGRAM
from cli.utterance_view import utterance_view
from peers.bench.server import BenchError, running_server
from peers.child_module import module_command
from peers.client.client import CannotConnectError, SessionLostError, SpeechClient
from peers.client.microphone import recorded
from peers.client.options import ClientOptions
from peers.client.speech import SpeechFormatError
from peers.client.timeline import UtteranceRecord
from peers.engines import EngineError, Engines
from peers.engines.apertium import INSTALL, installed_modes
from peers.engines.builtin import builtin_engines
from peers.engines.installer import can_install, install_translator
from peers.node.node import ReferenceNode
from peers.node.options import ReferenceNodeOptions
from peers.pcm import duration_ms
from peers.recordings import Recording, carried_recordings, word_errors
from peers.wav import WavError, read_wav, write_wav

REGISTER_SECONDS: Final = 30.0
OUTCOME_MS: Final = 30_000
PAGE_PORT: Final = 5010
"""Where the page is if it can: browsers remember per address that it may use the microphone."""


class DemoError(Exception):
    """The demo cannot go on; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the demo does."""

    speed: float = 1.0
    """How many times faster than real time the recordings are said."""
    out_dir: Path | None = None
    """Where translated speech goes; None: it is not kept."""
    install: bool = True
    """Try to install the translator where it is missing."""
    page: bool = False
    """Offer the page to speak into instead of saying the recordings."""


def main(argv: Sequence[str]) -> int:
    """Run the demo once."""
    arguments = _parser().parse_args(argv)
    options = DemoOptions(
        arguments.speed, arguments.out, install=not arguments.no_install, page=arguments.page
    )
    configure_logs(LogOptions(log_level="WARNING"))
    console = Terminal(markup=False, highlight=False)
    try:
        return asyncio.run(_interruptible(options, console))
    except (DemoError, BenchError, EngineError, CannotConnectError, SessionLostError) as error:
        return _failed(str(error))
    except (WavError, SpeechFormatError, OSError) as error:
        return _failed(str(error))
    except asyncio.CancelledError:
        return _failed("stopped")


async def _interruptible(options: DemoOptions, console: Console) -> int:
    """Run, and let SIGTERM end the run as Ctrl-C does: with everything that was started."""
    task = asyncio.current_task()
    if task is not None and sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run_demo(options, console)


async def run_demo(options: DemoOptions, console: Console) -> int:
    """Start everything, say the recordings, stop everything; return the exit status."""
    if options.install and not installed_modes():
        await _get_translator(console)
    began = time.monotonic()
    engines = builtin_engines(workers=1)
    for note in engines.notes:
        console.print(f"note: {note}", style="yellow")
    wanted_port = PAGE_PORT if options.page else 0
    async with running_server(module_command("cli"), wanted_port) as server:
        console.print(f"scheduler ready on port {server.port} after {_seconds_since(began)}")
        began = time.monotonic()
        async with _running_node(f"ws://127.0.0.1:{server.port}/ws/node", engines):
            names = ", ".join(engines.names.values())
            console.print(f"node ready after {_seconds_since(began)}: {names}\n")
            if options.page:
                await offer_page(server.port, console)
            url = f"ws://127.0.0.1:{server.port}/ws/session"
            target = engines.languages.semantic[0]
            utterances = await _say_all(
                ClientOptions(url=url, tgt_lang=target), options, carried_recordings(), console
            )
    return _verdict(utterances, console)


async def _get_translator(console: Console) -> None:
    """Install it, if that needs no password and nobody minds."""
    if not await can_install():
        console.print(f"no translator, and to install it needs root: sudo {INSTALL}")
    elif await is_refused(INSTALL, console):
        console.print("left out; so speech stays in English")
    elif not await install_translator():
        console.print(f"that did not work; by hand: sudo {INSTALL}")


@asynccontextmanager
async def _running_node(url: str, engines: Engines) -> AsyncIterator[None]:
    """Run a node while the context is open; enters when the scheduler knows it."""
    node = ReferenceNode(ReferenceNodeOptions(url=url), engines)
    run = asyncio.create_task(node.run())
    registered = asyncio.create_task(node.registered.wait())
    try:
        await asyncio.wait(
            {run, registered}, timeout=REGISTER_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if run.done():
            run.result()
        if not registered.done():
            raise DemoError(f"the node did not register within {REGISTER_SECONDS:.0f} s")
        yield
    finally:
        registered.cancel()
        run.cancel()
        await asyncio.wait({run, registered})


async def _say_all(
    client_options: ClientOptions,
    options: DemoOptions,
    recordings: Sequence[Recording],
    console: Console,
) -> list[UtteranceRecord]:
    """Say one recording after the other, each when the one before has come back."""
    transcripts = {recording.name: recording.transcript for recording in recordings}
    shown = 0
    async with SpeechClient(client_options) as client:
        for recording in recordings:
            pcm = read_wav(recording.path)
            console.print(f"saying {recording.name} ({duration_ms(pcm) / 1000:.1f} s) …")
            source = recorded(pcm, client_options.chunk_ms, options.speed)
            await client.stream(source, recording.name)
            await client.wait_outcomes(OUTCOME_MS)
            said = client.timeline.utterances[shown:]
            shown += len(said)
            if not said:
                raise DemoError(f"the scheduler heard nothing of {recording.name}")
            for utterance in said:
                console.print(utterance_view(utterance, transcripts[recording.name]))
            speech = joined_speech(said)
            if speech and options.out_dir is not None:
                path = options.out_dir / f"{recording.name}.{client_options.tgt_lang}.wav"
                write_wav(path, speech)
                console.print(f"wrote {path}\n")
        await client.close()
    return client.timeline.utterances


def _verdict(utterances: Sequence[UtteranceRecord], console: Console) -> int:
    """Say how it went; return the exit status."""
    missing = [utterance for utterance in utterances if utterance.result is None]
    latencies = [utterance.latency_ms for utterance in utterances if utterance.latency_ms]
    transcripts = {recording.name: recording.transcript for recording in carried_recordings()}
    errors = sum(
        word_errors(transcripts[utterance.source], utterance.result.text_asr)
        for utterance in utterances
        if utterance.result is not None
    )
    words = sum(len(transcripts[utterance.source].split()) for utterance in utterances)
    console.print(
        f"{len(utterances) - len(missing)} of {len(utterances)} utterances came back; "
        f"{errors} of {words} words misheard; "
        f"end of speech to result: median {statistics.median(latencies or [0]):.0f} ms"
    )
    if missing:
        return _failed(f"{len(missing)} of {len(utterances)} utterances have no result")
    console.print(f"\nnow you: {PROGRAM} demo --page opens a page to speak into")
    return 0


def _seconds_since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"


def _failed(message: str) -> int:
    sys.stderr.write(f"lingua: {message}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        "demo",
        description="Scheduler, node and client on recorded speech, all in one command.",
    )
    add = parser.add_argument
    add("--speed", type=speed, default=1.0, help="times real time (%(default)s)")
    add("--out", type=Path, metavar="DIR", help="keep translated speech in this directory")
    add("--page", action="store_true", help="offer the page to speak into, until Ctrl-C")
    add("--no-install", action="store_true", help="do not try to install a translator")
    return parser
