"""The keys of the store: what each holds and how long it lives.

This table is the schema. Tests hold every key that a script leaves against it. Every key begins
with the prefix (`lingua:v1:`), which is left out here. `*` stands for an id.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import quote

SCHEMA = "3"
"""Of the table below. It changes with what an older or newer program would misunderstand: two
versions of one schema may share a store, two schemas may not."""


class Life(StrEnum):
    """How a key ends."""

    EXPIRES = "expires"
    """It has a TTL of at most an hour (sessions: as claimed)."""
    NODE = "node"
    """It lives as long as its node is on-line or draining, then for an hour."""
    INSTANCE = "instance"
    """It lives until its instance is reaped."""
    KEPT = "kept"
    """It has a TTL of at most 400 days."""
    FOREVER = "forever"
    """It is one key, bounded by what is registered now or trimmed to a fixed length."""


@dataclass(frozen=True, slots=True)
class Key:
    """One kind of key."""

    pattern: str
    kind: str
    """The Redis type."""
    life: Life
    content: str


KEYS = (
    Key("job:*", "hash", Life.EXPIRES, "a job: state, attempt, node, owner, times, metadata"),
    Key("req:*", "string", Life.EXPIRES, "request id to job id: what makes a repetition harmless"),
    Key("session:*", "hash", Life.EXPIRES, "owner, epoch, tenant, last node, virtual time, state"),
    Key("session:*:jobs", "set", Life.EXPIRES, "its jobs that are not final"),
    Key("session:*:queued", "zset", Life.EXPIRES, "its jobs that wait, by utterance"),
    Key("turn:*", "hash", Life.EXPIRES, "node, excluded nodes and waiting segments of a long turn"),
    Key("out:*", "stream", Life.EXPIRES, "a session's outcomes without speech, at most 200"),
    Key(
        "node:*",
        "hash",
        Life.NODE,
        "state, owner, atoms, capacity, marks, errors, speed",
    ),
    Key("node:*:slots", "hash", Life.NODE, "slot to its open jobs; its length is what is in use"),
    Key("place:*", "string", Life.EXPIRES, "cell in which a node is to register that none knows"),
    Key("pin:*", "zset", Life.EXPIRES, "segments that wait for this node, by time"),
    Key("nodes", "zset", Life.FOREVER, "nodes by the end of their lease"),
    Key("lapses", "zset", Life.EXPIRES, "nodes by the time a mark or penalty of theirs lapses"),
    Key("groups", "hash", Life.FOREVER, "atoms and penalties to the id of the group that has them"),
    Key("groups:free", "zset", Life.FOREVER, "groups with a free slot, by a bound of their best"),
    Key("grp:*:identity", "string", Life.FOREVER, "atoms and penalties of a group"),
    Key("grp:*:nodes", "set", Life.FOREVER, "nodes of a group"),
    Key("grp:*:free", "zset", Life.FOREVER, "its nodes with a free slot, best first"),
    Key("grp:*:streams", "zset", Life.FOREVER, "node and job of its streams, the youngest last"),
    Key("groups:streaming", "set", Life.FOREVER, "groups that have streams"),
    Key("grp:*:penalties", "set", Life.FOREVER, "requirements that it is not chosen for"),
    Key("cap:*", "set", Life.FOREVER, "groups with this atom"),
    Key("speeds", "zset", Life.FOREVER, "classes of speed that groups have, the fastest first"),
    Key("q:*", "zset", Life.EXPIRES, "tenants with jobs that wait for the same, by virtual time"),
    Key("ql:*", "zset", Life.EXPIRES, "queues of a requirement, by their head's virtual time"),
    Key("qs:*", "zset", Life.EXPIRES, "atoms behind these of requirements that are waited for"),
    Key("qs", "zset", Life.EXPIRES, "first atoms of requirements that are waited for"),
    Key(
        "of:*",
        "zset",
        Life.EXPIRES,
        "the same tree for one tenant, with its sessions in the queues",
    ),
    Key("tenant:*:clock", "string", Life.EXPIRES, "a tenant's virtual time"),
    Key("tenant:*:queued", "set", Life.EXPIRES, "its jobs that wait"),
    Key("tenant:*:streams", "zset", Life.EXPIRES, "its streams, if what it uses is bounded"),
    Key("tenant:*:slots", "set", Life.EXPIRES, "node and slot of what it uses, if that is bounded"),
    Key(
        "tenant:*:parked", "set", Life.EXPIRES, "queues that it waits in while it has all its slots"
    ),
    Key("vtime", "string", Life.EXPIRES, "virtual time of the tenant that was served last"),
    Key("pace", "hash", Life.EXPIRES, "requirement to the pace at which its queue moves"),
    Key("room:*", "hash", Life.EXPIRES, "id, version, last speech and expiry of a room"),
    Key("room:*:seats", "hash", Life.EXPIRES, "its members: instance and what each wants to hear"),
    Key("usage:*", "hash", Life.KEPT, "a month's sessions, audio and jobs of at most 5000 tenants"),
    Key("insts", "zset", Life.FOREVER, "instances by the end of their lease"),
    Key("inst:*", "hash", Life.EXPIRES, "an instance that is alive: where it is reached, version"),
    Key("inst:*:jobs", "zset", Life.INSTANCE, "its jobs that are not final, by due time"),
    Key("inst:*:nodes", "set", Life.INSTANCE, "its nodes"),
    Key("inst:*:sessions", "zset", Life.INSTANCE, "its sessions, by the next renewal"),
    Key("inst:*:mbox", "stream", Life.EXPIRES, "notes of other instances for it, about 10000"),
    Key("inst:*:reap", "string", Life.EXPIRES, "how far its reaper has come"),
    Key("orphans", "zset", Life.EXPIRES, "sessions of dead instances, by the end of their grace"),
    Key("jobs:queued", "zset", Life.FOREVER, "jobs that wait, by time"),
    Key("jobs:running", "zset", Life.FOREVER, "jobs that a node reports as started, by time"),
    Key("jobs:*", "list", Life.FOREVER, "final jobs by state, latest first, at most 10000"),
    Key("probe", "string", Life.EXPIRES, "written to find out whether the store takes writes"),
    Key("gen", "string", Life.FOREVER, "id of this data set: another one means that data was lost"),
    Key("secret", "string", Life.FOREVER, "what instances show each other where none is set"),
    Key("schema", "string", Life.FOREVER, "layout of these keys, see `SCHEMA`"),
    Key("cells", "string", Life.FOREVER, "how many cells the data set has; without a hash tag"),
    Key("seq", "string", Life.FOREVER, "numbers uses of nodes, and groups"),
)


@lru_cache(maxsize=4096)
def key_text(text: str) -> str:
    """Return text from outside as it may be part of a key; plain ids stay as they are.

    Two texts never become one, and none contains what separates the parts of a key, a slot, a queue
    or a list: so it names a thing of its kind or nothing, never another key.
    """
    return quote(text, safe="", errors="surrogatepass")
