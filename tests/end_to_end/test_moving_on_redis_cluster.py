"""Sessions that go on at another instance while their jobs are in cells that are not their home."""

import asyncio
from collections.abc import Iterator

import pytest

from protocol.ids import SessionId
from storage.cells import Cells
from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.processes.cluster import Cluster, instances_on
from tests.support.peers.raw_client import tone
from tests.support.peers.raw_node import Ability, RawNode, audio_of, raw_node
from tests.support.peers.raw_wire import Message, Pair, over_sockets
from tests.support.processes.redis_cluster import running_cluster
from tests.support.processes.scheduler_process import SchedulerProcess

pytestmark = pytest.mark.takes(14)

CELLS = Cells(9)
SESSIONS = 12
FLAGS = (
    "--session-grace-seconds=10",
    "--audio-ack-interval-ms=50",
    "--instance-lease-ms=1000",
    "--drain-seconds=1",
)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_cluster() as started:
        yield started.url


@pytest.fixture
def members(redis_url: str) -> Iterator[Cluster]:
    with instances_on(redis_url, 2, *FLAGS) as made:
        yield made


async def talking(at: SchedulerProcess, pair: Pair) -> list[ResumingClient]:
    """Return clients in several cells; each has said one thing, and no two the same."""
    clients = [await ResumingClient(at.session_url).open() for _ in range(SESSIONS)]
    for number, client in enumerate(clients):
        await client.init(*pair)
        await client.speak(words(number))
    return clients


def words(number: int) -> bytes:
    return tone(300 + 20 * number)


async def jobs_of(node: RawNode) -> list[Message]:
    return [await node.job(seconds=15) for _ in range(SESSIONS)]


async def guests_of(at: SchedulerProcess, node: RawNode, clients: list[ResumingClient]) -> int:
    """Return how many of these sessions have another home than the node's cell."""
    answer = await asyncio.to_thread(at.get, f"/api/v1/nodes/{node.node_id}")
    homes = [CELLS.home(SessionId(client.session_id)) for client in clients]
    return sum(home != int(answer.json["cell"]) for home in homes)


async def come_back(clients: list[ResumingClient], to: SchedulerProcess) -> list[ResumingClient]:
    for client in clients:
        client.url = to.session_url
    return [await client.resume() for client in clients]


async def hear_own_words(clients: list[ResumingClient]) -> None:
    for number, client in enumerate(clients):
        outcome = await client.result(seconds=20)
        assert outcome["text_asr"] == f"{len(words(number))} bytes"
        assert outcome["delivery_seq"] == 1
        assert outcome["utterance_index"] == 0


async def answer(node: RawNode, jobs: list[Message]) -> None:
    for job in jobs:
        await node.answer(job, f"{len(audio_of(job))} bytes")


async def speak_once_more(clients: list[ResumingClient], node: RawNode) -> None:
    for client in clients:
        await client.speak(tone(300))
    await answer(node, await jobs_of(node))
    for client in clients:
        assert (await client.result(seconds=20))["delivery_seq"] == 2
        await client.end()
        await client.aclose_all()


def crash(members: Cluster) -> SchedulerProcess:
    """End the first instance as a power cut would; return the other one."""
    victim, survivor = members.members
    victim.kill()
    members.members.remove(victim)
    return survivor


@over_sockets
async def test_borrowed_jobs_in_hand_follow_sessions_whose_instance_died(
    members: Cluster, pair: Pair
) -> None:
    first, second = members.members
    async with raw_node(second.node_url, Ability.of(pair, SESSIONS)) as node:
        clients = await talking(first, pair)
        jobs = await jobs_of(node)
        assert await guests_of(second, node, clients) >= 2
        crash(members)
        clients = await come_back(clients, second)
        await answer(node, jobs)
        await hear_own_words(clients)
        assert len(node.jobs) == SESSIONS
        await speak_once_more(clients, node)


@over_sockets
async def test_what_a_borrowed_node_said_while_nobody_listened_is_heard(
    members: Cluster, pair: Pair
) -> None:
    first, second = members.members
    async with raw_node(second.node_url, Ability.of(pair, SESSIONS)) as node:
        clients = await talking(first, pair)
        jobs = await jobs_of(node)
        crash(members)
        await asyncio.sleep(1.5)  # the lease has lapsed
        await answer(node, jobs)
        await asyncio.sleep(0.5)
        clients = await come_back(clients, second)
        await hear_own_words(clients)
        assert len(node.jobs) == SESSIONS
        await speak_once_more(clients, node)


@over_sockets
async def test_words_that_wait_in_every_cell_go_to_a_node_of_one(
    members: Cluster, pair: Pair
) -> None:
    first, second = members.members
    clients = await talking(first, pair)
    for client in clients:
        await client.hear("ui_event", event="QUEUED")
    crash(members)
    clients = await come_back(clients, second)
    for number, client in enumerate(clients):
        client.seq = 0
        await client.speak(words(number))
    async with raw_node(second.node_url, Ability.of(pair, SESSIONS)) as node:
        await answer(node, await jobs_of(node))
        await hear_own_words(clients)
        await speak_once_more(clients, node)


@over_sockets
async def test_a_drained_instance_leaves_borrowed_jobs_to_another(
    members: Cluster, pair: Pair
) -> None:
    first, second = members.members
    async with raw_node(second.node_url, Ability.of(pair, SESSIONS)) as node:
        clients = await talking(first, pair)
        jobs = await jobs_of(node)
        first.terminate()
        for client in clients:
            await client.hear("reconnect", seconds=10)
        assert await asyncio.to_thread(first.wait) == 0
        members.members.remove(first)
        clients = await come_back(clients, second)
        await answer(node, jobs)
        await hear_own_words(clients)
        assert len(node.jobs) == SESSIONS
        await speak_once_more(clients, node)
