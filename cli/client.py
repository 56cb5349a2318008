"""`python run.py client FILE...`: send recordings to a scheduler, hear them translated.

Parses the command line, streams in real time through the client of `peers`, shows each utterance
with its way, and writes the translated speech. Exit status: 0 all utterances came back, 1 some did
not, 2 usage, 3 no session, 130 Ctrl-C.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from cli.client_screen import Screen
from cli.output import Terminal
from cli.parser import OneLineParser, positive, speed
from cli.peer_token import add_token_flags, token_of
from cli.program import PROGRAM
from peers.client.client import CannotConnectError, SessionLostError, SpeechClient
from peers.client.microphone import microphone, recorded, standard_input
from peers.client.options import ClientOptions
from peers.client.speech import SpeechFormatError, spoken_pcm
from peers.client.subtitles import srt
from peers.client.timeline import UtteranceRecord
from peers.engines import opus
from peers.media import MediaError, read_audio
from peers.pcm import duration_ms, silence
from peers.socket_url import SESSION_PATH, UrlError, socket_url
from peers.wav import write_wav
from protocol.audio.framing import AudioFormat
from protocol.messages.session_inbound import Hint
from protocol.messages.session_outbound import TranslationResult
from protocol.wire import LanguageCode

_LANGUAGE: TypeAdapter[str] = TypeAdapter(LanguageCode)
_HINT: TypeAdapter[str] = TypeAdapter(Hint)
MOST_LANGUAGES: Final = 8
INCOMPLETE: Final = 1
USAGE: Final = 2
NO_SESSION: Final = 3
PAUSE_BETWEEN_FILES_MS: Final = 700
PAUSE_BETWEEN_ANSWERS_MS: Final = 300
LAST_RESULTS_MS: Final = 60_000
STANDARD_INPUT: Final = "-"
MICROPHONE: Final = "mic"
FILES_HELP: Final = (
    "WAV; with PyAV also MP3, FLAC, M4A, OGG, WebM, …; - is one of these, or raw PCM16 16 kHz mono,"
    " on stdin; mic is the microphone (needs sounddevice), until Ctrl-C"
)


@dataclass(frozen=True, slots=True)
class Speech:
    """One thing to be said."""

    label: str
    pcm: bytes | None
    """PCM16 16 kHz mono; None: what comes on standard input, or from the microphone."""


def main(argv: Sequence[str]) -> int:
    """Say the files, show what comes back."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    console = Terminal(markup=False, highlight=False)
    try:
        options = options_from(arguments)
        speeches = [_loaded(name) for name in arguments.files]
        screen = Screen(console, prints_partials=arguments.partials is True)
        utterances = asyncio.run(_talk(options, speeches, arguments.speed, screen))
        if arguments.out is not None:
            _write(arguments.out, utterances, console)
        if arguments.srt is not None:
            _write_subtitles(arguments.srt, utterances, console)
    except (UrlError, MediaError, SpeechFormatError, OSError) as error:
        return _failed(str(error), USAGE)
    except CannotConnectError as error:
        return _failed(str(error), NO_SESSION)
    except SessionLostError as error:
        return _failed(f"the session is lost: {error}", INCOMPLETE)
    missing = [utterance for utterance in utterances if not utterance.is_complete]
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
        tgt_lang=arguments.targets[0],
        tgt_langs=arguments.targets if len(arguments.targets) > 1 else (),
        subtitles=arguments.subtitles,
        hints=tuple(arguments.hint),
        voice=arguments.voice,
        audio_format=arguments.format,
        binary_frames=arguments.binary,
        cut_silence_ms=arguments.cut_silence_ms,
        token=token_of(arguments),
        resume=arguments.resume,
        partials=arguments.partials is not False,
    )


async def _talk(
    options: ClientOptions, speeches: Sequence[Speech], speed: float, screen: Screen
) -> list[UtteranceRecord]:
    """Say everything in one session and wait for what comes back."""
    client = SpeechClient(options, lambda event: screen.show(client, event))
    async with client:
        frames = "binary frames" if client.ack.use_binary_frame else "JSON"
        screen.console.print(f"session {client.ack.session_id}, {client.audio_format} in {frames}")
        with screen:
            for number, speech in enumerate(speeches):
                if number:
                    await asyncio.sleep(PAUSE_BETWEEN_FILES_MS / 1000 / speed)
                source = _source(speech, options.chunk_ms, speed)
                total_ms = duration_ms(speech.pcm) if speech.pcm is not None else None
                source = screen.counted(source, speech.label, total_ms)
                await client.stream(source, speech.label)
            screen.wait("waiting for the last results")
            await client.wait_outcomes(LAST_RESULTS_MS)
            await client.close()
    return client.timeline.utterances


def _source(speech: Speech, chunk_ms: int, speed: float) -> AsyncIterator[bytes]:
    if speech.label == MICROPHONE and speech.pcm is None:
        return microphone(chunk_ms)
    if speech.pcm is None:
        return standard_input(chunk_ms, speed)
    return recorded(speech.pcm, chunk_ms, speed)


def _loaded(name: str) -> Speech:
    if name == STANDARD_INPUT or (name == MICROPHONE and not Path(name).exists()):
        return Speech("standard input" if name == STANDARD_INPUT else MICROPHONE, None)
    return Speech(Path(name).stem, read_audio(Path(name)))


def joined_speech(utterances: Iterable[UtteranceRecord]) -> bytes:
    """Return all translated speech as PCM16 16 kHz, in order, with pauses between.

    Raises:
        SpeechFormatError: some of it cannot be decoded here.
    """
    answers = [spoken_pcm(record.result) for record in utterances if record.result is not None]
    return silence(PAUSE_BETWEEN_ANSWERS_MS).join(answer for answer in answers if answer)


def _write(path: Path, utterances: Iterable[UtteranceRecord], console: Console) -> None:
    pcm = joined_speech(utterances)
    if not pcm:
        return
    write_wav(path, pcm)
    console.print(f"translated speech: {path} ({duration_ms(pcm) / 1000:.1f} s)")


def _write_subtitles(path: Path, utterances: Iterable[UtteranceRecord], console: Console) -> None:
    """Write a file for each language; several are told apart by their names: `talk.de.srt`."""
    by_language: dict[str, list[TranslationResult]] = {}
    for record in utterances:
        for result in record.results:
            by_language.setdefault(result.tgt_lang or "", []).append(result)
    for language, results in by_language.items():
        is_one = len(by_language) == 1
        target = path if is_one else path.with_suffix(f".{language}{path.suffix or '.srt'}")
        target.write_text(srt(results), encoding="utf-8")
        console.print(f"subtitles: {target}")


def _failed(message: str, status: int) -> int:
    sys.stderr.write(f"lingua: {message}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        "client",
        description="Send recordings to a scheduler in real time, hear them translated.",
        epilog=f"A microphone: arecord -f S16_LE -r 16000 -t raw | {PROGRAM} client - --to es",
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help=FILES_HELP)
    add(
        "--to",
        dest="targets",
        type=_languages,
        required=True,
        metavar="LANG[,LANG]",
        help="languages wanted, say es or de,fr (at most 8)",
    )
    add(
        "--from",
        dest="source",
        type=_language,
        default="en",
        metavar="LANG",
        help="spoken (%(default)s)",
    )
    add("--url", default=ClientOptions().url, help="the scheduler (%(default)s)")
    add("--out", type=Path, metavar="FILE.wav", help="keep translated speech in this file")
    _add_wishes(parser)
    form = parser.add_mutually_exclusive_group()
    for audio_format in AudioFormat:
        form.add_argument(
            f"--{'pcm' if audio_format is AudioFormat.PCM16 else audio_format}",
            dest="format",
            action="store_const",
            const=audio_format,
            help=f"send {audio_format} (opus where PyAV is installed)",
        )
    add("--binary", action="store_true", help="send binary frames instead of JSON")
    add(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on after a lost line (default: yes)",
    )
    add("--speed", type=speed, default=1.0, help="times real time (%(default)s)")
    add(
        "--partials",
        action=argparse.BooleanOptionalAction,
        help="print text as it grows, a line for each change; on a terminal it is shown anyway",
    )
    add(
        "--cut-silence-ms",
        type=positive,
        metavar="MS",
        help="end an utterance after so much silence (else at the end of each file)",
    )
    add_token_flags(parser)
    return parser


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    """Add what is asked for besides languages."""
    add = parser.add_argument
    add("--subtitles", action="store_true", help="text alone, no speech")
    add("--srt", type=Path, metavar="FILE.srt", help="write subtitles, in a file per language")
    add(
        "--hint",
        action="append",
        default=[],
        type=_hint,
        metavar="WORD",
        help="a name or term to expect (may be repeated)",
    )
    add("--voice", metavar="NAME", help="who shall speak, where the node has that voice")


def _languages(text: str) -> tuple[str, ...]:
    languages = tuple(_language(each.strip()) for each in text.split(","))
    if len(languages) > MOST_LANGUAGES:
        raise argparse.ArgumentTypeError(f"at most {MOST_LANGUAGES} languages")
    return languages


def _hint(text: str) -> str:
    try:
        return _HINT.validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError("a word or phrase of at most 64 characters") from None


def _language(text: str) -> str:
    try:
        return _LANGUAGE.validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError("a code such as en or zh-CN, or auto") from None
