"""The tests notice: each script with a typical mistake in it must be caught by the invariants.

A fixed random walk stands for the machine. An episode with everything in it finds mistakes that
corrupt the state; a calm one (one node, no failures) finds those that later events would repair.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from storage import instances, jobs, nodes, sessions
from storage.scripts import LUA_DIRECTORY, Script, load_script
from storage.store import open_executor
from tests.storage.support.store_driver import StoreDriver
from tests.storage.support.tenant_oracle import LIMITS
from tests.support.storage_world import World

EPISODES = 28
STEPS = 100


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change to one file."""

    file: str
    right: str
    wrong: str


MUTANTS = {
    "no attempt fence": Mutant("job/complete_task.lua", "ended.attempt ~= attempt or ", ""),
    "no hand-over after completion": Mutant(
        "job/complete_task.lua", "  serve(freed)", "  place_node(freed)"
    ),
    "slot not given back": Mutant(
        "lib/slot.lua", "    call('HDEL', slots, job.slot)", "    local _"
    ),
    "slot given back with an open segment": Mutant(
        "lib/slot.lua", "if open == job.id then", "if open then"
    ),
    "capacity ignored by the usual node": Mutant(
        "lib/record.lua", "return node.used < places(node) and node or nil", "return node"
    ),
    "full node stays in the choice": Mutant(
        "lib/node.lua", "if used < places(node) then", "if true then"
    ),
    "group without a free node stays known": Mutant(
        "lib/node.lua", "call('ZREM', prefix .. 'groups:free', node.group)", "local _"
    ),
    "load ignored": Mutant("lib/node.lua", "math.floor(used * 1000 / node.max)", "0"),
    "a sick node is like any other": Mutant(
        "lib/node.lua",
        "return node.health == 'sick' or node.health == 'erring'",
        "return false",
    ),
    "marks ignored": Mutant("lib/node.lua", "rank = rank + MARKED", "rank = rank"),
    "preference ignored": Mutant("lib/choice.lua", "preference .. ' any'", "'any'"),
    "worst node chosen": Mutant("lib/choice.lua", "score < best_score", "score > best_score"),
    "last session first": Mutant(
        "lib/handover.lua",
        "call('ZRANGE', key, 0, 0, 'WITHSCORES')\n    local session",
        "call('ZRANGE', key, -1, -1, 'WITHSCORES')\n    local session",
    ),
    "last tenant first": Mutant(
        "lib/handover.lua",
        "call('ZRANGE', key, 0, 0, 'WITHSCORES')\n    local tenant",
        "call('ZRANGE', key, -1, -1, 'WITHSCORES')\n    local tenant",
    ),
    "queues not compared": Mutant(
        "lib/handover.lua", "best, best_time = found, earliest", "best = found"
    ),
    "queue head not updated": Mutant(
        "lib/queue.lua",
        "call('ZADD', parent, 'CH', head[2], child)",
        "call('ZADD', parent, 'NX', head[2], child)",
    ),
    "waiting job not taken out": Mutant(
        "lib/queue.lua",
        "  call('ZREM', prefix .. 'session:' .. job.session .. ':queued', job.id)",
        "  local _",
    ),
    "virtual time stands still": Mutant("lib/handover.lua", "+ math.max(1, job.cost)", ""),
    "who displaces nobody is charged": Mutant("lib/handover.lua", "others > 0", "others >= 0"),
    "a tenant that displaces nobody is charged": Mutant(
        "lib/tenant.lua", "if others <= 0 then", "if others < 0 then"
    ),
    "weights ignored": Mutant("lib/tenant.lua", "job.cost / job.weight", "job.cost"),
    "a tenant that comes back has waited all the time": Mutant(
        "lib/tenant.lua", "(was_waiting and MAX_CREDIT_MS or 0)", "MAX_CREDIT_MS * 1000"
    ),
    "a tenant's bound ignored where slots are free": Mutant(
        "job/dispatch_task.lua", "local may_take = not is_at_cap(new)", "local may_take = true"
    ),
    "a tenant's bound ignored where it waits": Mutant(
        "lib/handover.lua", "if job and not is_at_cap(job) then", "if job then"
    ),
    "a parked tenant is forgotten": Mutant("lib/queue.lua", "call('SMEMBERS', parked)", "{}"),
    "a tenant's slot is not given back": Mutant(
        "lib/slot.lua",
        "      call('SREM', tenant_slots(job.tenant)",
        "      call('SISMEMBER', tenant_slots(job.tenant)",
    ),
    "other nodes not looked at for who was at its bound": Mutant(
        "lib/handover.lua", "      serve_elsewhere(tenant)", "      local _"
    ),
    "a better node is not seen": Mutant(
        "lib/node.lua",
        "      call('ZADD', prefix .. 'groups:free', 'LT', score, node.group)",
        "      call('ZADD', prefix .. 'groups:free', 'NX', score, node.group)",
    ),
    "pinned segments forgotten": Mutant(
        "job/complete_task.lua", "prefix .. 'qs', prefix .. 'pin:' .. freed.id", "prefix .. 'qs'"
    ),
    "turn left behind": Mutant("lib/handover.lua", "  if not job.turned then", "  if true then"),
    "turns put together at any node": Mutant(
        "lib/turn_slot.lua", "has_atoms(node, JOINS_TURNS)", "true"
    ),
    "what stands alone shares the slot of its turn": Mutant(
        "lib/turn_slot.lua", "  job.slot = slot_of(job.session, job.turn, job.language)", ""
    ),
    "excluded node used again": Mutant(
        "lib/choice.lua", "if not is_excluded(ranked[n], excluded) and", "if"
    ),
    "excluded node handed the job": Mutant(
        "lib/handover.lua", "return not is_excluded(node.id, excluded) or", "return true or"
    ),
    "attempts without end": Mutant(
        "job/failover_job.lua", "moving.attempt >= max_attempts or ", ""
    ),
    "attempt not raised": Mutant(
        "job/failover_job.lua", "moving.attempt = moving.attempt + 1", "local _"
    ),
    "old slot kept on fail-over": Mutant("job/failover_job.lua", "  vacate(moving)", "  local _"),
    "freed slot of a fail-over not handed on": Mutant(
        "job/failover_job.lua", "if left then\n  serve(left)\nend\nreturn reply", "return reply"
    ),
    "drained node still chosen": Mutant(
        "lib/group.lua",
        "if node.state == 'online' and string.find",
        "if node.state ~= 'offline' and string.find",
    ),
    "an operator's drain forgotten": Mutant(
        "node/register_node.lua", "is_held and 'draining' or 'online'", "'online'"
    ),
    "new node ignores who waits": Mutant("node/register_node.lua", "\nserve(joined)", ""),
    "raised capacity not used": Mutant("node/update_node.lua", "\nserve(changed)", ""),
    "final job stays in the index": Mutant(
        "lib/finish.lua", "  call('ZREM', prefix .. 'inst:' .. job.owner .. ':jobs', job.id)", ""
    ),
    "due time not renewed": Mutant(
        "lib/handover.lua", "  set_due(job, math.min(now + job.job_ms, job.deadline))", ""
    ),
    "job without an end of life": Mutant(
        "lib/record.lua",
        "  call('EXPIRE', key, RECORD_TTL_S)\n  local of_session",
        "  local of_session",
    ),
    "final job may end again": Mutant(
        "job/complete_task.lua", "if FINAL[ended.state] then", "if false then"
    ),
}


@pytest.fixture
def mutate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Mutant], None]:
    """Replace the scripts by ones with a mistake."""

    def apply(mutant: Mutant) -> None:
        directory = tmp_path / "lua"
        shutil.copytree(LUA_DIRECTORY, directory)
        source = (directory / mutant.file).read_text(encoding="utf-8")
        assert source.count(mutant.right) == 1, "the mutant no longer fits the script"
        (directory / mutant.file).write_text(source.replace(mutant.right, mutant.wrong))
        for module in (instances, jobs, nodes, sessions):
            for name, value in vars(module).items():
                if isinstance(value, Script):
                    monkeypatch.setattr(module, name, load_script(value.path, directory))

    return apply


def walk(url: str, seed: int) -> None:
    """Do a fixed sequence of random operations; odd seeds are calm."""
    world = World.on_empty_store(open_executor(url), LIMITS)
    try:
        driver = StoreDriver(world)
        random = Random(seed)
        for number in range(1 + seed % 3):
            driver.register(number, 2 - number, 1 + seed % 2)
        for _ in range(STEPS):
            step(driver, random, calm=seed % 2 == 1)
    finally:
        world.close()


def step(driver: StoreDriver, random: Random, *, calm: bool) -> None:
    """Do one operation."""

    def number() -> int:
        return random.randrange(12)

    usual: list[Callable[[], None]] = [
        lambda: driver.dispatch(number(), number()),
        lambda: driver.dispatch(number(), number()),
        lambda: driver.segment(number(), ends=number() < 3),
        lambda: driver.complete(number(), by_node=True),
        lambda: driver.complete(number(), by_node=True),
        lambda: driver.complete(number(), by_node=number() < 9),
        lambda: driver.wait(random.choice([1, 500, 2000])),
    ]
    trouble: list[Callable[[], None]] = [
        lambda: driver.register(number(), number(), 1 + number() % 3),
        lambda: driver.offline(number()),
        lambda: driver.drain(number(), draining=number() < 6),
        lambda: driver.resize(number(), 1 + number() % 3),
        lambda: driver.heartbeat(number(), overloaded=number() < 6),
        lambda: driver.failover(number(), number()),
        lambda: driver.failover(number(), number()),
        lambda: driver.failover(number(), number()),
        driver.complete_stale,
        lambda: driver.complete_again(number()),
        lambda: driver.progress(number()),
        lambda: driver.wait(random.choice([5000, 10_000, 30_000])),
    ]
    random.choice(usual if calm or random.random() < 0.6 else trouble)()


def test_the_right_scripts_pass_the_walks(real_url: str) -> None:
    for seed in range(EPISODES):
        walk(real_url, seed)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_noticed(real_url: str, mutate: Callable[[Mutant], None], name: str) -> None:
    mutate(MUTANTS[name])
    for seed in range(EPISODES):
        try:
            walk(real_url, seed)
        except Exception:  # noqa: BLE001 - whatever it is, it was noticed
            return
    pytest.fail(f"nobody noticed: {name}")
