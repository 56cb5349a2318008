"""`make hops`: how many calls and files lie between two sockets, counted on a live session.

Three trips are made over real sockets, with a store of its own, each many times: one chunk; from
the end of an utterance to the node's `job_assign`; from the node's `job_result` to the client's
`translation_result`. Every call of a function of the product (a step of a coroutine counts as one)
is counted with `sys.setprofile` from the moment at which a peer sends until the other end has
heard, or, for a chunk, until the scheduler is idle again. The median of the rounds is printed:
the beats of every second fall into a few of them.
"""

import argparse
import asyncio
import statistics
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

from tests.end_to_end.support.processes.scheduler_in_process import scheduler_here
from tests.support.peers.raw_client import RawClient, raw_client, recorded_chunks
from tests.support.peers.raw_node import Ability, RawNode, raw_node

ROOT = Path(__file__).parents[1]
PRODUCT = tuple(f"{ROOT / name}/" for name in ("actors", "cli", "gateway", "protocol", "storage"))
ROUNDS = 40
SETTLED_SECONDS = 0.02
"""By then all that a chunk brings about has been done."""
TARGETS = {"chunk": (40, 15), "final to job_assign": (180, 28), "result to client": (120, 25)}


class Trip:
    """The calls of the product between `start` and `stop`, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        """File, as a path below the repository, and function."""

    def start(self) -> None:
        """Count from now on."""
        sys.setprofile(self._on_event)

    def stop(self) -> None:
        """Count no more."""
        sys.setprofile(None)

    def _on_event(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            if code.co_filename.startswith(PRODUCT):
                name = code.co_filename.removeprefix(f"{ROOT}/")
                self.calls.append((name, code.co_qualname))

    @property
    def files(self) -> int:
        """How many files a reader opens."""
        return len({file for file, _ in self.calls})

    @property
    def changes(self) -> int:
        """How often the next call is in another file."""
        files = [file for file, _ in self.calls]
        return sum(one != other for one, other in pairwise(files))


async def measure(rounds: int) -> dict[str, list[Trip]]:
    """Make every trip so many times."""
    trips: dict[str, list[Trip]] = {name: [] for name in TARGETS}
    chunk = recorded_chunks()[3]
    async with (
        scheduler_here() as scheduler,
        raw_node(scheduler.node_url, Ability()) as node,
        raw_client(scheduler.session_url) as client,
    ):
        for number in range(rounds + 3):
            made = await _one_utterance(client, node, chunk)
            if number >= 3:  # the first ones open links, indexes and caches
                for name, trip in made.items():
                    trips[name].append(trip)
    return trips


async def _one_utterance(client: RawClient, node: RawNode, chunk: bytes) -> dict[str, Trip]:
    for _ in range(3):
        await client.chunk(chunk)
    await asyncio.sleep(SETTLED_SECONDS)
    spoken = await _trip(lambda: client.chunk(chunk), lambda: asyncio.sleep(SETTLED_SECONDS))
    assigned = await _trip(client.final, node.job)
    job = node.all_heard("job_assign")[-1]
    await asyncio.sleep(SETTLED_SECONDS)
    answered = await _trip(lambda: node.answer(job), client.result)
    await asyncio.sleep(SETTLED_SECONDS)
    return {"chunk": spoken, "final to job_assign": assigned, "result to client": answered}


async def _trip(send: Callable[[], Awaitable[Any]], arrive: Callable[[], Awaitable[Any]]) -> Trip:
    trip = Trip()
    trip.start()
    try:
        await send()
        await arrive()
    finally:
        trip.stop()
    return trip


def table(trips: dict[str, list[Trip]]) -> list[str]:
    """Return the lines that are shown."""
    lines = [f"{'trip':<22}{'calls':>7}{'files':>7}{'changes':>9}{'to reach':>12}"]
    for name, made in trips.items():
        calls = statistics.median_low(len(trip.calls) for trip in made)
        files = statistics.median_low(trip.files for trip in made)
        changes = statistics.median_low(trip.changes for trip in made)
        to_reach = "{}, {}".format(*TARGETS[name])
        lines.append(f"{name:<22}{calls:>7}{files:>7}{changes:>9}{to_reach:>12}")
    return lines


def _walk(trips: list[Trip]) -> list[str]:
    """Return the calls of a typical trip in order, repeated ones once."""
    median = statistics.median_low(len(trip.calls) for trip in trips)
    trip = next(trip for trip in trips if len(trip.calls) == median)
    counts = Counter(trip.calls)
    return [f"{counts[call]:>4}  {call[0]}: {call[1]}" for call in dict.fromkeys(trip.calls)]


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.hops", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="utterances to say")
    parser.add_argument("--walk", choices=sorted(TARGETS), help="print the calls of this trip, too")
    arguments = parser.parse_args(argv)
    trips = asyncio.run(measure(arguments.rounds))
    lines = table(trips)
    if arguments.walk:
        lines += ["", *_walk(trips[arguments.walk])]
    print("\n".join(lines))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
