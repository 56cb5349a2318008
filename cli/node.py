"""`python run.py node`: offer this machine's speech engines to a scheduler.

Parses the command line, prints what is offered and what is missing, and runs the node of `peers`
until it is told to stop. The first SIGTERM or Ctrl-C lets it finish the jobs in hand, a second one
ends it at once. Exit status: 0 stopped in order, 130 or 143 at once, 1 no engines, 2 usage.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from cli.logs import LogOptions, configure_logs
from cli.output import print_text
from cli.parser import OneLineParser, positive
from cli.peer_token import add_token_flags, token_of
from peers.engines.builtin import builtin_engines, default_workers
from peers.engines.engine import EngineError, Engines
from peers.node.node import ReferenceNode
from peers.node.options import ReferenceNodeOptions
from peers.node.program import run_until_stopped
from peers.socket_url import NODE_PATH, UrlError, shown_url, socket_url
from protocol.audio.framing import AudioFormat
from protocol.ids import NodeId
from protocol.messages.node_inbound import NodeName

_NAME: TypeAdapter[NodeId] = TypeAdapter(NodeName)


def main(argv: Sequence[str]) -> int:
    """Run a node until it is stopped."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        options = ReferenceNodeOptions(
            url=socket_url(arguments.url, NODE_PATH),
            node_id=arguments.name,
            token=token_of(arguments),
            max_jobs=arguments.jobs,
            speech_format=arguments.speech,
        )
        configure_logs(LogOptions(log_level=arguments.log_level))
        engines = builtin_engines(workers=arguments.jobs)
        print_text(summary(options, engines))
        return asyncio.run(run_until_stopped(ReferenceNode(options, engines)))
    except UrlError as error:
        parser.error(str(error))
    except EngineError as error:
        sys.stderr.write(f"lingua: {error}\n")
        return 1


def summary(options: ReferenceNodeOptions, engines: Engines) -> str:
    """Return what a node offers, as a few lines for people."""
    languages = engines.languages
    rows = [
        ("scheduler", shown_url(options.url)),
        ("recognises", f"{', '.join(languages.asr)}  ({engines.names.get('asr', 'own')})"),
        ("translates", f"into {', '.join(languages.semantic)}  ({engines.names.get('nmt', '-')})"),
        ("speaks", f"{', '.join(languages.tts) or '-'}  ({engines.names.get('tts', '-')})"),
        ("at once", f"{options.max_jobs} {'job' if options.max_jobs == 1 else 'jobs'}"),
        *(("note", note) for note in engines.notes),
        ("stop", "Ctrl-C: jobs in hand finish first; a second one ends at once"),
    ]
    return "\n".join(["lingua node", *(f"  {name:<11}{text}" for name, text in rows)])


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        "node",
        description="Offer this machine's speech engines to a scheduler.",
        epilog="A node with engines of your own: see peers/engines/engine.py.",
    )
    add = parser.add_argument
    add("--url", default=ReferenceNodeOptions().url, help="the scheduler (%(default)s)")
    add("--jobs", type=positive, default=default_workers(), help="jobs at once (%(default)s)")
    add("--name", type=_name, help="id of the node (the scheduler gives one)")
    add_token_flags(parser)
    add(
        "--speech",
        type=AudioFormat,
        choices=list(AudioFormat),
        help="how speech is sent (opus where PyAV is installed, else pcm16)",
    )
    add(
        "--log-level",
        choices=["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"],
        default="INFO",
        help="least level that is logged (%(default)s)",
    )
    return parser


def _name(text: str) -> str:
    try:
        return _NAME.validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError("1 to 128 characters, no blanks, no braces") from None
