"""A few seconds of everything at once: whatever peers do, each utterance has one outcome."""

import asyncio
import random
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from tests.end_to_end.support.processes.redis_tap import RedisEyes
from tests.support.peers.raw_client import RawClient, tone
from tests.support.peers.raw_node import Ability, RawNode
from tests.support.peers.raw_wire import Message
from tests.support.processes.redis_server import real_server
from tests.support.processes.scheduler_process import SchedulerProcess, running_scheduler

SPEAKERS = 10
NODES = 4
SECONDS = 3.0
FLAGS = {
    "job-timeout-ms": 500,
    "pending-timeout-ms": 900,
    "turn-wait-ms": 200,
    "result-gap-ms": 300,
    "pause-ms": 250,
    "max-duration-ms": 800,
    "max-turn-ms": 2000,
    "model-penalty-ms": 200,
    "overload-hold-ms": 200,
    "close-flush-ms": 6000,
    "session-grace-seconds": 0.5,
    "ingest-rate": 1000,
}


class MoodyNode:
    """A node that comes and goes and does with each job whatever chance says."""

    def __init__(self, url: str, number: int, chance: random.Random) -> None:
        self._url = url
        self._chance = chance
        self._ability = Ability(node_id=f"moody-{number}", capacity=chance.randint(1, 3))
        self.node = RawNode(url, self._ability)
        self.failures: list[AssertionError] = []
        self._work: set[asyncio.Task[None]] = set()

    async def live(self) -> None:
        """Register, work, die and come back until cancelled."""
        while True:
            former, self.node = self.node, RawNode(self._url, self._ability)
            self.node.remember(former)
            await self.node.open()
            self.node.on_job = self._begin
            await self.node.register()
            for _ in range(self._chance.randint(2, 12)):
                await asyncio.sleep(self._chance.uniform(0.02, 0.25))
                await self._beat()
                if not self.node.is_open:
                    break
            self._note()
            self.node.abort()
            await asyncio.sleep(self._chance.uniform(0, 0.15))

    def _note(self) -> None:
        if self.node.failure is not None:
            self.failures.append(self.node.failure)
        assert self.node.peak <= (self._ability.capacity or 0), "more open than it can take"

    async def _beat(self) -> None:
        usage = {"gpu_queue_length": self._chance.choice([0, 0, 0, 2])}
        languages = self._ability.languages()
        if self._chance.random() < 0.1:
            languages["semantic_languages"] = []
        with suppress(ConnectionClosed):
            await self.node.beat(resource_usage=usage, language_capabilities=languages)

    def _begin(self, job: Message) -> None:
        task = asyncio.create_task(self._do(self.node, job))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _do(self, node: RawNode, job: Message) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.08))
        with suppress(ConnectionClosed):
            match self._chance.choices(range(8), weights=(20, 3, 2, 2, 2, 2, 1, 1))[0]:
                case 0:
                    await node.answer(job, f"words {job['nth']}")
                case 1:
                    await node.answer(job, "")
                case 2:
                    await node.answer(job, "half", text_translated="", tts_audio="")
                case 3:
                    await node.refuse(job, "PROCESSING_ERROR")
                case 4:
                    await node.refuse(job, "MODEL_NOT_AVAILABLE")
                case 5:
                    await node.answer(job, "")
                    await node.answer(job, "twice")
                    await node.answer(job, "thrice")
                case 6:
                    await node.answer(job, "", extra={"reason": "NO_TEXT_ASSIGNED"})
                case _:
                    pass  # it hangs


async def speak(client: RawClient, chance: random.Random, until: float) -> None:
    """Say something of every kind until it is time."""
    now = asyncio.get_running_loop().time
    index = 1000
    while now() < until:
        match chance.randrange(6):
            case 0:
                await client.speak(tone(chance.choice([100, 300, 700])))
            case 1:
                for _ in range(chance.randint(1, 5)):
                    await client.chunk(tone(300))
            case 2:
                index += 1
                fields = {"src_lang": "en", "tgt_lang": "es"}
                await client.utterance(index, tone(chance.choice([200, 1500])), **fields)
            case 3:
                await client.binary_chunk(tone(400), final=chance.random() < 0.5)
            case 4:
                await client.final()
            case _:
                await client.say_raw("nonsense")
        await asyncio.sleep(chance.uniform(0, 0.35))


@pytest.mark.parametrize("seed", [1])
def test_each_utterance_has_one_outcome_whatever_the_peers_do(seed: int) -> None:
    flags = [f"--{name}={value}" for name, value in FLAGS.items()]
    with real_server() as url, running_scheduler("--redis-url", url, *flags) as scheduler:
        asyncio.run(run_chaos(scheduler, seed))
        scheduler.wait_until_idle(seconds=10)
        eyes = RedisEyes(url)
        left = [key for key in eyes.all_keys() if is_open_work(key)]
        eyes.close()
        assert not left


def is_open_work(key: str) -> bool:
    parts = key.removeprefix("lingua:v1:").split(":")
    return parts[-1] == "slots" or parts[0] in {"q", "qs", "pin"} or parts[-1] == "queued"


async def run_chaos(scheduler: SchedulerProcess, seed: int) -> None:
    chance = random.Random(seed)
    nodes = [MoodyNode(scheduler.node_url, number, chance) for number in range(NODES)]
    lives = [asyncio.create_task(node.live()) for node in nodes]
    clients = [await RawClient(scheduler.session_url).open() for _ in range(SPEAKERS)]
    for client in clients:
        await client.init("en", "es")
    until = asyncio.get_running_loop().time() + SECONDS
    await asyncio.gather(*(speak(client, chance, until) for client in clients))
    for client in clients:
        await client.say(client.own("session_close", reason="done"))
    for client in clients:
        await client.hear("session_close_ack", seconds=15)
    cuts = await asyncio.to_thread(cuts_made, scheduler)
    outcomes = [outcome for client in clients for outcome in client.outcomes()]
    for task in lives:
        task.cancel()
    ends = await asyncio.gather(*lives, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
    for peer in (*clients, *(node.node for node in nodes)):
        await peer.aclose()
    assert [client.failure for client in clients] == [None] * SPEAKERS
    assert not [failure for node in nodes for failure in node.failures]
    assert len(outcomes) == cuts
    assert cuts > SPEAKERS * 4
    kinds = {outcome.get("reason", "a result") for outcome in outcomes}
    assert "a result" in kinds
    for client in clients:
        codes = {error["code"] for error in client.all_heard("error")}
        assert codes <= {"INVALID_MESSAGE"}


def cuts_made(scheduler: SchedulerProcess) -> int:
    figures = scheduler.metrics()
    return int(
        sum(value for name, value in figures.items() if name.startswith("lingua_cuts_total"))
    )
