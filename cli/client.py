"""`python run.py client FILE...`: send recordings to a scheduler, hear them translated.

Parses the command line, streams in real time through the client of `peers`, shows each utterance with
its way, and writes the translated speech. Exit status: 0 all utterances came back, 1 some did not,
2 usage, 3 no session, 130 Ctrl-C.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.utterance_view import utterance_view
from peers.client import CannotConnectError, ClientEvent, SessionLostError, SpeechClient
from peers.client_options import ClientOptions
from peers.client_speech import SpeechFormatError, spoken_pcm
from peers.engines import opus
from peers.microphone import recorded, standard_input
from peers.pcm import duration_ms, silence
from peers.socket_url import SESSION_PATH, UrlError, socket_url
from peers.timeline import UtteranceRecord
from peers.wav import WavError, read_wav, write_wav
from protocol.audio import AudioFormat
from protocol.session_outbound import ErrorMessage, MissingResult, Reconnect, TranslationResult

INCOMPLETE: Final = 1
USAGE: Final = 2
NO_SESSION: Final = 3
PAUSE_BETWEEN_FILES_MS: Final = 700
PAUSE_BETWEEN_ANSWERS_MS: Final = 300
MICROPHONE: Final = "-"


@dataclass(frozen=True, slots=True)
class Speech:
    """One thing to be said."""

    label: str
    pcm: bytes | None
    """PCM16 16 kHz mono; None: whatever comes on standard input."""


def main(argv: Sequence[str]) -> int:
    """Say the files, show what comes back."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    console = Console()
    try:
        options = options_from(arguments)
        speeches = [_loaded(name) for name in arguments.files]
        utterances = asyncio.run(_talk(options, speeches, arguments.speed, console))
        _write(arguments.out or _out_path(arguments.files[0], options), utterances, console)
    except (UrlError, WavError, SpeechFormatError) as error:
        return _failed(str(error), USAGE)
    except CannotConnectError as error:
        return _failed(str(error), NO_SESSION)
    except SessionLostError as error:
        return _failed(f"the session is lost: {error}", INCOMPLETE)
    missing = [utterance for utterance in utterances if utterance.result is None]
    if not utterances:
        return _failed("nothing was heard: the server made no utterance of it", INCOMPLETE)
    if missing:
        return _failed(f"{len(missing)} of {len(utterances)} without a result", INCOMPLETE)
    return 0


def options_from(arguments: argparse.Namespace) -> ClientOptions:
    """Return the client's options.

    Raises:
        UrlError: the address is none.
        SpeechFormatError: opus was asked for and is not installed.
    """
    if arguments.format is AudioFormat.OPUS and not opus.is_installed():
        raise SpeechFormatError("--opus needs PyAV (pip install av); --pcm goes without")
    return ClientOptions(
        url=socket_url(arguments.url, SESSION_PATH),
        src_lang=arguments.source,
        tgt_lang=arguments.target,
        audio_format=arguments.format,
        binary_frames=arguments.binary,
        cut_silence_ms=arguments.cut_silence_ms,
        token=arguments.token,
    )


async def _talk(
    options: ClientOptions, speeches: Sequence[Speech], speed: float, console: Console
) -> list[UtteranceRecord]:
    """Say everything in one session and wait for what comes back."""
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console,
        transient=True,
    )  # fmt: skip
    shown: set[int] = set()

    def show(event: ClientEvent) -> None:
        message = event.message
        match message:
            case TranslationResult() | MissingResult():
                if message.utterance_index not in shown:
                    shown.add(message.utterance_index)
                    for record in client.timeline.utterances:
                        if record.index == message.utterance_index:
                            progress.console.print(utterance_view(record))
            case ErrorMessage():
                progress.console.print(f"[red]server: {message.code}: {message.message}[/red]")
            case Reconnect():
                progress.console.print(f"[yellow]the server goes away: {message.reason}[/yellow]")
            case _:
                pass

    client = SpeechClient(options, show)
    async with client:
        encoding = f"{client.audio_format}{', binary' if client.ack.use_binary_frame else ''}"
        console.print(f"session {client.ack.session_id} ({encoding})", style="dim")
        with progress:
            for number, speech in enumerate(speeches):
                if number:
                    await asyncio.sleep(PAUSE_BETWEEN_FILES_MS / 1000 / speed)
                total = duration_ms(speech.pcm) if speech.pcm is not None else None
                task = progress.add_task(speech.label, total=total)
                source = _source(speech, options.chunk_ms, speed)
                await client.stream(_counted(source, progress, task), speech.label)
            progress.add_task("waiting for the last results", total=None)
            await client.close()
    return client.timeline.utterances
