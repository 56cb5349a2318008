"""However many kinds of nodes there are and however much waits: the best is chosen."""

from random import Random
from typing import Any

import pytest

from protocol.ids import JobId, NodeId, SessionId
from storage.capability import node_atoms, requirement
from storage.job_limits import JobLimits
from storage.nodes import NodeRegistration
from storage.replies.job import Assigned, Registered
from storage.sessions import Claim
from storage.store import open_executor
from tests.support.storage_world import START_MS, World

LANGUAGES = tuple(f"l{number}" for number in range(71))
ENDLESS_MS = 10**9


@pytest.fixture(params=[40, 5000])
def many(request: pytest.FixtureRequest) -> int:
    """How many kinds there are; 5,000 take a few seconds."""
    return int(request.param)


@pytest.fixture
def big_world(real_url: str) -> World:
    """A real server, and bounds that are not in the way."""
    limits = JobLimits(max_queued_jobs=10**6, pending_timeout_ms=ENDLESS_MS)
    world = World.on_empty_store(open_executor(real_url), limits)
    world.beat(lease_ms=ENDLESS_MS)
    return world


def register_kinds(world: World, number: int, random: Random) -> dict[str, tuple[str, ...]]:
    """Register nodes that all differ in what they can do; return their atoms."""
    nodes: dict[str, tuple[str, ...]] = {}
    calls = []
    for name in (f"n{n}" for n in range(number)):
        asr = random.sample(LANGUAGES, 3)
        nodes[name] = node_atoms([*asr, name], random.sample(LANGUAGES, 3))
        registration = NodeRegistration(NodeId(name), nodes[name], 1 + number % 2, ENDLESS_MS)
        calls.append(world.member().nodes.register(registration))
    world.wait(1)
    assert all(isinstance(reply, Registered) for reply in world.do_all(calls))
    return nodes


def serves(atoms: tuple[str, ...], wanted: str) -> bool:
    return set(wanted.split(",")) <= set(atoms)


def claim_all(world: World, names: list[str]) -> None:
    claims = [world.member().sessions.claim(Claim(SessionId(name), "t1")) for name in names]
    for name, reply in zip(names, world.do_all(claims), strict=True):
        world.session_epochs[name] = reply.epoch


def test_each_job_gets_the_best_node_of_all_kinds(big_world: World, many: int) -> None:
    world, random = big_world, Random(1)
    nodes = register_kinds(world, many, random)
    used = dict.fromkeys(nodes, 0)
    since = dict.fromkeys(nodes, world.now_ms)
    capacity = 1 + many % 2
    running: list[Assigned] = []
    claim_all(world, [f"s{n}" for n in range(400)])
    for number in range(400):
        world.wait(1)
        wanted = requirement(random.choice(LANGUAGES[:9]), random.choice(LANGUAGES), use_nmt=True)
        free = {node for node, atoms in nodes.items() if serves(atoms, wanted)}
        free = {node for node in free if used[node] < capacity}
        reply = world.dispatch(f"s{number}", 1, requirement=wanted, preference="")
        best = min(((used[node], since[node]) for node in free), default=None)
        assert isinstance(reply, Assigned) is (best is not None)
        if isinstance(reply, Assigned):
            assert (used[reply.node_id], since[reply.node_id]) == best
            used[reply.node_id] += 1
            since[reply.node_id] = world.now_ms
            running.append(reply)
        if running and random.random() < 0.4:
            ended = running.pop(random.randrange(len(running)))
            for given in world.complete(ended.job_id, ended.node_id).handovers:
                running.append(given)
                used[given.node_id] += 1
            used[ended.node_id] -= 1
            since[ended.node_id] = world.now_ms
    world.close()


def test_a_free_node_takes_the_job_that_waits_longest_of_all_it_can_serve(
    big_world: World, many: int
) -> None:
    world, random = big_world, Random(2)
    wishes = [f"a:{one},s:{other}" for one in LANGUAGES for other in LANGUAGES if one != other]
    waiting: dict[JobId, str] = {}
    names = [f"s{n}" for n in range(many)]
    claim_all(world, names)
    random.shuffle(wishes)
    for start in range(0, many, 500):
        calls = []
        for n, name in enumerate(names[start : start + 500], start):
            world.wait(1)
            wanted = wishes[n % len(wishes)]
            spec = world.spec(name, 1, requirement=wanted, deadline_in_ms=ENDLESS_MS)
            waiting[spec.job_id] = wanted
            calls.append(world.member().jobs.dispatch(spec))
        world.do_all(calls)
    for number in range(60):
        atoms = node_atoms(random.sample(LANGUAGES, 1 + number), random.sample(LANGUAGES, 3))
        reply = world.register(f"n{number}", atoms=atoms, max_jobs=2)
        expected = [job for job, wanted in waiting.items() if serves(atoms, wanted)][:2]
        assert [given.job_id for given in reply.handovers] == expected
        for job in expected:
            del waiting[job]
    world.close()


def test_jobs_that_nobody_can_have_now_keep_no_other_from_a_free_node(world: World) -> None:
    """Dead owners, passed deadlines and nodes that they must not get: any number of them."""
    world.beat("i2")
    for number in range(60):
        world.session(f"dead{number}", owner="i2")
        world.dispatch(f"dead{number}", 1, owner="i2")
        world.dispatch(f"over{number}", 1, deadline_in_ms=10)
    world.wait(4000)
    world.beat()
    world.dispatch("s", 1)
    assert [job.job_id for job in world.node("n1").handovers] == ["job-s-1-es"]


def test_jobs_that_must_not_get_a_node_keep_no_other_from_it(world: World) -> None:
    world.node("bad", slots=60)
    for number in range(60):
        world.dispatch(f"s{number}", 1)
    world.node("other")
    world.dispatch("busy", 1)
    for number in range(60):
        world.failover(f"job-s{number}-1-es", "bad", exclude_node=True)
    given = world.dispatch("later", 1)
    assert given.node_id == "bad"
    assert world.now_ms > START_MS - 1


def share(world: World, rivals: int, *, slots: int = 4) -> int:
    """Return how many of 48 slots go to who used idle capacity, beside so many equal rivals."""
    world.node("n1", slots=slots)
    indexes = {"first": 0}

    def say(name: str) -> Any:
        indexes[name] = indexes.get(name, 0) + 1
        return world.dispatch(name, indexes[name])

    running = [say("first") for _ in range(slots)]
    for _ in range(600):
        say("first")
        world.wait(500)
        world.beat()
        world.heartbeat("n1")
        ended = running.pop(0)
        running += world.complete(ended.job_id, "n1").handovers
    names = ["first", *(f"rival{n}" for n in range(rivals))]
    for name in names * 6:
        say(name)
    got: list[str] = []
    while len(got) < 48:
        world.wait(100)
        world.beat()
        [given] = world.complete(running.pop(0).job_id, "n1").handovers
        running.append(given)
        name = given.job_id.split("-")[1]
        got.append(name)
        say(name)
    return got.count("first")


def test_who_used_idle_capacity_shares_equally_with_one_rival(real_url: str) -> None:
    world = World.on_empty_store(open_executor(real_url))
    assert 20 <= share(world, 1) <= 28
    world.close()


def test_who_used_idle_capacity_has_its_part_beside_eight_rivals(real_url: str) -> None:
    world = World.on_empty_store(open_executor(real_url))
    assert 6 <= share(world, 8) <= 7
    world.close()


def test_long_audio_counts_for_more_than_short_audio(world: World) -> None:
    world.node("n1")
    world.dispatch("long", 0, cost_ms=6000)
    for index in range(1, 9):
        world.dispatch("long", index, cost_ms=6000)
        world.dispatch("short", index, cost_ms=2000)
    got, current = [], "job-long-0-es"
    for _ in range(8):
        [given] = world.complete(current, "n1").handovers
        current = given.job_id
        got.append(current.split("-")[1])
    assert got.count("short") >= 5
