"""What it brings, and costs, that nodes hear speech while it is spoken: beside whole utterances.

Both sides have their turns, one after the other, on servers of their own:

- Recorded speech, said in real time, with the engines of the reference node: from its end to its
  result, and from its beginning to the first words. One node of two slots, as in the demo.
- Simulated sessions that speak without a pause, and nodes that cost nothing: the server's processor
  time per chunk.
- The same with fewer slots than they want: how many utterances come through.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from peers.bench import process_usage
from peers.bench.counts import Counts
from peers.bench.figures import Reading, metrics_when_freed, outcome_problems, steady_figures
from peers.bench.load import running_load
from peers.bench.load_process import PatternName, WorkerSpec
from peers.bench.plan import BenchOptions, Row, Scenario, scheduler_command, split_cores
from peers.bench.server import HOST, running_server
from peers.bench.simulated_node import NodeShape
from peers.client.client import SpeechClient
from peers.client.microphone import recorded
from peers.client.options import ClientOptions
from peers.engines.builtin import builtin_engines
from peers.engines.engine import Engines
from peers.engines.recogniser import MOONSHINE, POCKETSPHINX, ProcessRecogniser, RecogniserProgram
from peers.node.node import ReferenceNode
from peers.node.options import ReferenceNodeOptions
from peers.recordings import carried_recordings
from peers.wav import read_wav

PROGRAMS: Final = (MOONSHINE, POCKETSPHINX)
"""One recognises the line again, the other works as audio comes."""
SLOTS: Final = 2
"""Of the one node with engines."""
LONG_SECONDS: Final = 20
"""Of the long recording: the carried ones in a row."""
_UNCUT: Final = ("--max-duration-ms", "60000", "--max-utterance-bytes", "4000000")
"""The long one is one utterance to both sides."""
_AMPLE_SLOTS: Final = 60
"""Per node, so that every session of the load has a stream and a quarter stays free."""
_SCARCE_MS: Final = 300
"""For which a node has a job where slots are scarce."""
_OUTCOME_MS: Final = 60_000
_REGISTER_SECONDS: Final = 30.0
_BYTES_A_SECOND: Final = 32_000


@dataclass(slots=True)
class Spoken:
    """What clients of one node heard; milliseconds."""

    results: list[float] = field(default_factory=list)
    """From the end of speech, of the recordings one by one."""
    first_words: list[float] = field(default_factory=list)
    """From the beginning of speech."""
    long_result: float = 0.0
    """From the end of speech, of the long one."""


async def run_streaming(options: BenchOptions) -> Row:
    """Measure all of it."""
    row = Row(Scenario.STREAMING)
    for program in PROGRAMS:
        if program.is_installed():
            await _compare_speech(program, options, row)
        else:
            row.notes.append(f"{program.distribution} is not installed: not measured")
    whole = await _load(options, _ample(options, streams=False), options.few, row)
    streamed = await _load(options, _ample(options, streams=True), options.few, row)
    row.figures |= {
        "whole_us_per_chunk": whole.us_per_chunk,
        "streamed_us_per_chunk": streamed.us_per_chunk,
        "streamed_chunk_ratio": _ratio(streamed.us_per_chunk, whole.us_per_chunk),
        "streamed_percent": streamed.streamed_percent,
    }
    whole = await _load(options, _scarce(options, streams=False), 2 * options.few, row)
    streamed = await _load(options, _scarce(options, streams=True), 2 * options.few, row)
    row.figures |= {
        "whole_goodput_per_second": whole.per_second,
        "streamed_goodput_per_second": streamed.per_second,
        "streamed_goodput_ratio": _ratio(streamed.per_second, whole.per_second),
    }
    return row


# ---- recorded speech --------------------------------------------------------------------------


async def _compare_speech(program: RecogniserProgram, options: BenchOptions, row: Row) -> None:
    engines = builtin_engines(workers=SLOTS)
    engines = replace(engines, recognise=ProcessRecogniser(program, SLOTS), stream=None)
    whole = await _speak(engines, options)
    recogniser = ProcessRecogniser(program, SLOTS)
    streamed = await _speak(replace(engines, recognise=recogniser, stream=recogniser), options)
    name = program.distribution.partition("-")[0]
    before, after = statistics.median(whole.results), statistics.median(streamed.results)
    row.figures |= {
        f"{name}_whole_ms": before,
        f"{name}_streamed_ms": after,
        f"{name}_ratio": after / before,
        f"{name}_long_whole_ms": whole.long_result,
        f"{name}_long_streamed_ms": streamed.long_result,
        f"{name}_long_ratio": streamed.long_result / whole.long_result,
        f"{name}_first_words_ms": statistics.median(streamed.first_words or [float("nan")]),
    }


async def _speak(engines: Engines, options: BenchOptions) -> Spoken:
    """Say each recording so many times, and the long one once, to one node."""
    heard = Spoken()
    command = (*options.scheduler_command, *_UNCUT, *options.server_args)
    async with running_server(command) as server:
        url = f"ws://{HOST}:{server.port}"
        async with _running_node(f"{url}/ws/node", engines):
            target = engines.languages.semantic[0]
            async with SpeechClient(
                ClientOptions(url=f"{url}/ws/session", tgt_lang=target)
            ) as client:
                recordings = [read_wav(each.path) for each in carried_recordings()]
                await _say(client, recordings[0])  # the engines are slower the first time
                for pcm in recordings * max(1, options.rounds // 2):
                    await _say(client, pcm)
                said = client.timeline.utterances[1:]
                long = b"".join(recordings * 3)[: LONG_SECONDS * _BYTES_A_SECOND]
                await _say(client, long)
                for record in said:
                    if record.latency_ms is not None:
                        heard.results.append(record.latency_ms)
                    if record.first_words_ms is not None:
                        heard.first_words.append(record.first_words_ms)
                heard.long_result = client.timeline.utterances[-1].latency_ms or float("nan")
                await client.close()
    return heard


async def _say(client: SpeechClient, pcm: bytes) -> None:
    await client.stream(recorded(pcm, 100), "bench")
    await client.wait_outcomes(_OUTCOME_MS)


@asynccontextmanager
async def _running_node(url: str, engines: Engines) -> AsyncIterator[None]:
    node = ReferenceNode(ReferenceNodeOptions(url=url, max_jobs=SLOTS), engines)
    run = asyncio.create_task(node.run())
    try:
        async with asyncio.timeout(_REGISTER_SECONDS):
            await node.registered.wait()
        yield
    finally:
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


# ---- simulated load ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Loaded:
    us_per_chunk: float | None
    per_second: float | None
    streamed_percent: float


def _ample(options: BenchOptions, *, streams: bool) -> NodeShape:
    return NodeShape(_AMPLE_SLOTS, 0, options.result_bytes, streams=streams)


def _scarce(options: BenchOptions, *, streams: bool) -> NodeShape:
    return NodeShape(options.node_capacity, _SCARCE_MS, options.result_bytes, streams=streams)


async def _load(options: BenchOptions, node: NodeShape, sessions: int, row: Row) -> _Loaded:
    """Let so many sessions speak without a pause for a while."""
    server_cores, other_cores = split_cores(process_usage.available_cores())
    async with running_server(scheduler_command(_patient(options))) as server:
        server.pin(server_cores, other_cores)
        spec = WorkerSpec(
            host=HOST,
            port=server.port,
            name="bench",
            nodes=options.nodes,
            node=node,
            clients=sessions,
            pattern=PatternName.PACED,
            pace=options.pace,
            settle_seconds=4 * options.settle_seconds,
        )
        async with running_load([spec], other_cores) as load:
            metrics = await server.metrics()
            await load.ask("start")
            await asyncio.sleep(options.warm_up_seconds)
            await load.ask("mark")
            before = server.usage()
            await asyncio.sleep(2 * options.seconds)
            after = server.usage()
            counts: Counts = await load.stop()
            row.problems += outcome_problems(counts) + await load.close()
            reading = Reading(before, after, None, metrics, await metrics_when_freed(server))
    figures = steady_figures(counts, reading)
    share = 100 * counts.streamed / counts.utterances if counts.utterances else 0.0
    if node == _ample(options, streams=True) and not counts.streamed:
        row.problems.append("no utterance was heard while it was spoken")
    return _Loaded(figures["server_cpu_us_per_chunk"], figures["utterances_per_second"], share)


def _patient(options: BenchOptions) -> BenchOptions:
    """Return options under which what waits is not refused."""
    flags = ("--max-queued-jobs", "100000", "--max-queued-per-session", "1000")
    return replace(options, server_args=(*flags, *options.server_args))


def _ratio(after: float | None, before: float | None) -> float | None:
    return None if not before or after is None else after / before
