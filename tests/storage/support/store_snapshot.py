"""Everything in a store at one moment, as plain Python values."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from storage.cells import FIRST, Cell
from tests.storage.support.key_kinds import key_of
from tests.support.storage_world import World

_DUMP = """
local read = {
  hash = function(key) return redis.call('HGETALL', key) end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  string = function(key) return { redis.call('GET', key) } end,
  stream = function(key) return { tostring(redis.call('XLEN', key)) } end,
}
local rows = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if string.sub(key, 1, #KEYS[1]) == KEYS[1] then
    local kind = redis.call('TYPE', key)['ok']
    rows[#rows + 1] = { key, kind, redis.call('PTTL', key), read[kind](key) }
  else
    rows[#rows + 1] = { key, '', 0, {} }
  end
end
return rows
"""

Hash = dict[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key."""

    kind: str
    ttl_ms: int
    value: Any
    """dict for a hash, set for a set, dict to score for a zset, str otherwise."""


class Snapshot:
    """All keys with the prefix; names are without it."""

    def __init__(self, entries: dict[str, Entry], foreign: list[str], now_ms: int) -> None:
        self.entries = entries
        self.foreign = foreign
        """Names of keys that no cell has."""
        self.now_ms = now_ms

    @classmethod
    def of(cls, world: World, cell: Cell = FIRST) -> "Snapshot":
        """Read the whole store, or of many cells this one."""
        prefix = world.store.prefix_of(cell)
        [rows] = world.run(world.store.read([("EVAL", _DUMP, 1, prefix)]))
        entries = {
            name.removeprefix(prefix): Entry(kind, ttl_ms, _value(kind, raw))
            for name, kind, ttl_ms, raw in rows
            if name.startswith(prefix)
        }
        foreign = [name for name, *_ in rows if not name.startswith(world.store.cells.prefixes)]
        return cls(entries, foreign, world.now_ms)

    def hash(self, name: str) -> Hash:
        """Return a hash, empty if there is none."""
        return self.entries[name].value if name in self.entries else {}

    def zset(self, name: str) -> dict[str, float]:
        """Return a sorted set as member to score, lowest first."""
        return self.entries[name].value if name in self.entries else {}

    def set(self, name: str) -> set[str]:
        """Return a set."""
        return self.entries[name].value if name in self.entries else set()

    def text(self, name: str) -> str:
        """Return a string, "0" if there is none."""
        return self.entries[name].value if name in self.entries else "0"

    def ids(self, pattern: str) -> list[str]:
        """Return what stands for `*` in the names of this kind of key."""
        start, _, end = pattern.partition("*")
        return [
            name.removeprefix(start).removesuffix(end)
            for name in self.entries
            if name.startswith(start) and (key := key_of(name)) and key.pattern == pattern
        ]

    @cached_property
    def jobs(self) -> dict[str, Hash]:
        """All job records by id; what was lent to another cell has none here."""
        jobs = {job: self.hash(f"job:{job}") for job in self.ids("job:*")}
        return {job: row for job, row in jobs.items() if "cell" not in row}

    def jobs_in(self, state: str) -> list[str]:
        """Return the ids of the jobs in a state."""
        return [job for job, row in self.jobs.items() if row["state"] == state]

    @cached_property
    def nodes(self) -> dict[str, Hash]:
        """All node records by id."""
        return {node: self.hash(f"node:{node}") for node in self.ids("node:*")}

    def slots(self, node: str) -> dict[str, list[str]]:
        """Return a node's slots with their jobs."""
        return {slot: jobs.split() for slot, jobs in self.hash(f"node:{node}:slots").items()}

    def values(self) -> dict[str, Any]:
        """Return everything but life times, to compare two moments."""
        return {name: entry.value for name, entry in self.entries.items()}


def _value(kind: str, raw: list[str]) -> Any:
    if kind == "hash":
        return dict(zip(raw[::2], raw[1::2], strict=True))
    if kind == "zset":
        return {member: float(score) for member, score in zip(raw[::2], raw[1::2], strict=True)}
    if kind == "list":
        return raw
    return set(raw) if kind == "set" else raw[0]
