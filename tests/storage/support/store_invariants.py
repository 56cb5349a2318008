"""What must hold in the store after every operation; each breach is a sentence."""

from collections import Counter
from collections.abc import Iterator

from storage.capability import JOINS_TURNS
from storage.keys import Life
from tests.storage.support.key_kinds import key_of
from tests.storage.support.store_snapshot import Hash, Snapshot

ACTIVE = ("queued", "assigned", "running")
FINAL = ("done", "empty", "failed", "cancelled")
RECORD_TTL_MS = 3_600_000
USAGE_TTL_MS = 400 * 24 * 3_600_000
RANK_UNIT = 4e12


def breaches(state: Snapshot, *, over_capacity: frozenset[str] = frozenset()) -> list[str]:
    """Return what is wrong.

    Args:
        state: The store after an operation.
        over_capacity: Nodes that may hold more slots than they have: capacity lowered, restored.
    """
    return [
        *_slots_agree_with_jobs(state),
        *_capacity_holds(state, over_capacity),
        *_tenants_hold_what_they_may(state),
        *_choice_agrees_with_nodes(state),
        *_held_nodes_are_drained(state),
        *_groups_agree(state),
        *_atoms_agree(state),
        *_speeds_agree(state),
        *_queues_agree_with_jobs(state),
        *_queues_are_found(state),
        *_indexes_agree_with_jobs(state),
        *_nobody_waits_beside_a_free_slot(state),
        *_streams_are_found(state),
        *_keys_fit_the_schema(state),
    ]


def can_serve(state: Snapshot, node: str, requirement: str) -> bool:
    """Say whether the node may be chosen for the requirement, slots apart."""
    row = state.nodes[node]
    penalised = [item.rsplit("=", 1)[0] for item in row["penalties"].split()]
    return (
        row["state"] == "online"
        and set(requirement.split(",")) <= set(row["atoms"].split())
        and requirement not in penalised
    )


DOUBTED = ("sick", "erring")


def is_passed_over(state: Snapshot, node: str, requirement: str, excluded: set[str]) -> bool:
    """Say whether a job is left to nodes that are well, although this one could do it."""
    row = state.nodes[node]
    health = row.get("health", "")
    if health not in DOUBTED:
        return False
    if health == "erring" and len(state.slots(node)) < int(row["credit"]):
        return False
    return any(
        state.nodes[other].get("health", "") in ("", "watched")
        and can_serve(state, other, requirement)
        for other in state.nodes.keys() - excluded
    )


def places(row: Hash) -> int:
    """Return how many slots of a node may be in use."""
    return min(1, int(row["max"])) if row.get("health") == "trial" else int(row["max"])


def excluded_from(state: Snapshot, job: Hash) -> set[str]:
    """Return the nodes that a waiting job must not get: empty if no other could ever serve."""
    named = set(exclusion_of(state, job).split("\n")) - {""}
    others = [
        node
        for node, row in state.nodes.items()
        if row["group"] and set(job["requirement"].split(",")) <= set(row["atoms"].split())
        if node not in named
    ]
    return named if others else set()


def exclusion_of(state: Snapshot, job: Hash) -> str:
    """Return what the job, or its turn, excludes: a node a line."""
    if job.get("turned") == "1":
        return str(state.hash(f"turn:{slot_of(job)}").get("excluded", ""))
    return str(job.get("excluded", ""))


def queue_of(job: Hash) -> str:
    """Return the queue in which an unpinned job waits."""
    return f"{job['requirement']}={job['owner']}={job.get('barred', '')}"


def is_at_cap(state: Snapshot, job: Hash) -> bool:
    """Say whether the job's tenant may have no further slot."""
    cap = int(job.get("cap", "0"))
    return cap > 0 and len(state.set(f"tenant:{job['tenant']}:slots")) >= cap


def slot_of(job: Hash) -> str:
    """Return the slot of a job."""
    return f"{job['session']}|{job['turn']}|{job['language']}"


def _held_nodes_are_drained(state: Snapshot) -> Iterator[str]:
    """What an operator has drained is not on-line, whoever registered or changed it since."""
    for node, row in state.nodes.items():
        if row.get("held") == "1" and row["state"] == "online":
            yield f"{node} is drained by an operator, and on-line"


def _slots_agree_with_jobs(state: Snapshot) -> Iterator[str]:
    held: Counter[tuple[str, str, str]] = Counter()
    for node in state.ids("node:*:slots"):
        for slot, jobs in state.slots(node).items():
            if not jobs:
                yield f"{node} holds the empty slot {slot}"
            held.update((node, slot, job) for job in jobs)
    wanted = Counter(
        (job["node"], slot_of(job), name)
        for name, job in state.jobs.items()
        if job["state"] in ("assigned", "running")
    )
    if held != wanted:
        yield f"slots hold {held - wanted} too much and lack {wanted - held}"


def _capacity_holds(state: Snapshot, over_capacity: frozenset[str]) -> Iterator[str]:
    for node, row in state.nodes.items():
        used = len(state.slots(node))
        if used > int(row["max"]) and node not in over_capacity:
            yield f"{node} uses {used} of {row['max']} slots"


def _tenants_hold_what_they_may(state: Snapshot) -> Iterator[str]:
    held: dict[str, set[str]] = {}
    for job in state.jobs.values():
        if job["state"] in ("assigned", "running") and int(job.get("cap", "0")):
            held.setdefault(job["tenant"], set()).add(f"{job['node']} {slot_of(job)}")
    counted = {name: state.set(f"tenant:{name}:slots") for name in state.ids("tenant:*:slots")}
    if counted != held:
        yield f"tenants hold {held}, counted are {counted}"


def _choice_agrees_with_nodes(state: Snapshot) -> Iterator[str]:
    ranked = {
        node: (group, score)
        for group in state.ids("grp:*:free")
        for node, score in state.zset(f"grp:{group}:free").items()
    }
    for node, row in state.nodes.items():
        used, capacity = len(state.slots(node)), int(row["max"])
        free = row["group"] != "" and used < places(row)
        if free != (node in ranked):
            yield f"{node} uses {used} of {capacity} slots and free is {node in ranked}"
        if free and node in ranked:
            group, score = ranked[node]
            marked, load = divmod(score // RANK_UNIT, 1000)
            if group != row["group"] or load != used * 1000 // capacity:
                yield f"{node} is ranked {score} in {group} with {used} of {capacity} in use"
            if marked and row["suspect"] != "1" and row["overloaded"] == "0":
                yield f"{node} is marked for nothing"
            if not marked and row["suspect"] == "1":
                yield f"{node} is suspect and not marked"
    if unknown := ranked.keys() - state.nodes.keys():
        yield f"free nodes without a record: {unknown}"


def _groups_agree(state: Snapshot) -> Iterator[str]:
    members = {group: state.set(f"grp:{group}:nodes") for group in state.ids("grp:*:nodes")}
    for node, row in state.nodes.items():
        if (row["state"] == "online" and row["atoms"].strip() != "") != (row["group"] != ""):
            yield f"{node} is {row['state']} in group '{row['group']}'"
        penalised = " ".join(sorted(item.rsplit("=", 1)[0] for item in row["penalties"].split()))
        atoms = row["atoms"]
        if row.get("pace"):
            atoms += f"v:{row['pace']} "
        if row.get("health") in ("sick", "erring"):
            atoms = " ~" + " ".join(f"~{atom}" if atom else "" for atom in atoms.split(" "))
        identity = atoms + (f"|{penalised}" if penalised else "")
        identity += "?" if row.get("health") == "trial" else ""
        if row["group"] and state.entries[f"grp:{row['group']}:identity"].value != identity:
            yield f"{node} is in the wrong group"
        if row["group"] and node not in members.get(row["group"], set()):
            yield f"{node} is not among the nodes of its group"
    total = sum(len(nodes) for nodes in members.values())
    if total != sum(row["group"] != "" for row in state.nodes.values()):
        yield f"groups have {total} nodes"
    if set(state.hash("groups").values()) != members.keys():
        yield f"known groups {state.hash('groups')} are not those with nodes {set(members)}"
    with_free = set(state.ids("grp:*:free"))
    bounds = state.zset("groups:free")
    if bounds.keys() != with_free:
        yield f"groups:free is {bounds}, not {with_free}"
    for group in with_free & bounds.keys():
        if bounds[group] > min(state.zset(f"grp:{group}:free").values()):
            yield f"{group} has a better node than {bounds[group]}"


def _atoms_agree(state: Snapshot) -> Iterator[str]:
    for identity, group in state.hash("groups").items():
        for atom in identity.split("|")[0].rstrip("?").split():
            if group not in state.set(f"cap:{atom}"):
                yield f"cap:{atom} lacks {group}"
    known = {*state.ids("grp:*:nodes")}
    for atom in state.ids("cap:*"):
        if unknown := state.set(f"cap:{atom}") - known:
            yield f"cap:{atom} has gone groups {unknown}"


def _speeds_agree(state: Snapshot) -> Iterator[str]:
    paces = {
        float(row["pace"])
        for row in state.nodes.values()
        if row["group"] and row.get("pace") and row.get("health") not in DOUBTED
    }
    if set(state.zset("speeds").values()) != paces:
        yield f"speeds are {state.zset('speeds')}, not {paces}"


def _queues_agree_with_jobs(state: Snapshot) -> Iterator[str]:
    queued = {name: job for name, job in state.jobs.items() if job["state"] == "queued"}
    pinned = {
        (node, job) for node in state.ids("pin:*") for job in state.zset(f"pin:{node}") if job
    }
    if pinned != {(job["pin"], name) for name, job in queued.items() if job.get("pin")}:
        yield f"pinned are {pinned}"
    free = {name: job for name, job in queued.items() if not job.get("pin")}
    standing = {
        (tree, queue, name)
        for tree, queue in _queues(state)
        for name in state.zset(f"{tree}q:{queue}")
    }
    wanted, optional = set(), set()  # what expires, or waits for its tenant, may be found or not
    for job in free.values():
        tenant, queue = job["tenant"], queue_of(job)
        own, of_all = (f"of:{tenant}:", queue, job["session"]), ("", queue, tenant)
        wanted |= {own, of_all}
        if float(job["deadline"]) <= state.now_ms:
            optional |= {own, of_all}
        elif queue in state.set(f"tenant:{tenant}:parked"):
            optional.add(of_all)
    if standing - wanted or wanted - standing - optional:
        yield f"queues have {standing - wanted} too much, lack {wanted - standing - optional}"
    for name, job in free.items():
        if job.get("barred", "") != exclusion_of(state, job):
            yield f"{name} waits as if it excluded {job.get('barred')!r}"
    waiting = {
        (turn, job)
        for turn in state.ids("turn:*")
        for job in state.hash(f"turn:{turn}").get("waiting", "").split()
    }
    turned = {(slot_of(job), name) for name, job in queued.items() if job.get("turned") == "1"}
    if waiting != turned:
        yield f"turns wait for {waiting}, not {turned}"


def _queues(state: Snapshot) -> Iterator[tuple[str, str]]:
    """Return each queue with the beginning of its tree's keys: the tenants', or a tenant's own."""
    yield from (("", queue) for queue in state.ids("q:*"))
    for name in state.ids("of:*"):
        tenant, kind, queue = f"{name}:".split(":", 2)
        if kind == "q":
            yield f"of:{tenant}:", queue[:-1]


def _queues_are_found(state: Snapshot) -> Iterator[str]:
    """Each queue is a leaf of its tree, and no entry above it is later than it is."""
    entries: dict[str, dict[str, float]] = {}
    for tree, queue in _queues(state):
        requirement, end, rest = queue.partition("=")
        bound = min(state.zset(f"{tree}q:{queue}").values())
        names = [(f"{tree}ql:{requirement}", end + rest), (f"{tree}qs:{requirement}", "=")]
        path = requirement.split(",")
        for depth in range(len(path), 0, -1):
            above = ",".join(path[: depth - 1])
            names.append((f"{tree}qs:{above}" if above else f"{tree}qs", path[depth - 1]))
        for key, child in names:
            known = entries.setdefault(key, {})
            known[child] = min(bound, known.get(child, bound))
    stored = [key for kind in ("ql:*", "qs:*") for key in map(kind[:-1].__add__, state.ids(kind))]
    stored += [f"of:{name}" for name in state.ids("of:*") if name.split(":")[1] != "q"]
    for key in {*entries, *stored, "qs"}:
        at, known = state.zset(key), entries.get(key, {})
        if at.keys() != known.keys() or any(at[child] > known[child] for child in known):
            yield f"{key} is {at}, not {known}"


def _indexes_agree_with_jobs(state: Snapshot) -> Iterator[str]:
    active = {name: job for name, job in state.jobs.items() if job["state"] in ACTIVE}
    by_owner: dict[str, dict[str, float]] = {}
    by_session: dict[str, set[str]] = {}
    queued: dict[str, dict[str, float]] = {}
    of_tenants: dict[str, set[str]] = {}
    for name, job in active.items():
        by_owner.setdefault(job["owner"], {})[name] = float(job["due"])
        by_session.setdefault(job["session"], set()).add(name)
        if job["state"] == "queued":
            queued.setdefault(job["session"], {})[name] = float(job["index"])
            of_tenants.setdefault(job["tenant"], set()).add(name)
    stored = {owner: state.zset(f"inst:{owner}:jobs") for owner in state.ids("inst:*:jobs")}
    if stored != by_owner:
        yield f"instances own {stored}, not {by_owner}"
    sessions = {
        session: state.set(f"session:{session}:jobs") for session in state.ids("session:*:jobs")
    }
    if sessions != by_session:
        yield f"sessions have {sessions}, not {by_session}"
    waiting = {name: state.zset(f"session:{name}:queued") for name in state.ids("session:*:queued")}
    if waiting != queued:
        yield f"sessions wait for {waiting}, not {queued}"
    tenants = {name: state.set(f"tenant:{name}:queued") for name in state.ids("tenant:*:queued")}
    if tenants != of_tenants:
        yield f"tenants wait for {tenants}, not {of_tenants}"
    for word in ("queued", "running", *FINAL):
        listed = list(state.zset(f"jobs:{word}"))
        if sorted(listed) != sorted(state.jobs_in(word)):
            yield f"jobs:{word} is {listed}"


def _nobody_waits_beside_a_free_slot(state: Snapshot) -> Iterator[str]:
    now = state.now_ms
    leases = state.zset("insts")
    for name, job in state.jobs.items():
        if job["state"] != "queued" or float(job["deadline"]) <= now:
            continue
        if leases.get(job["owner"], 0) <= now:
            continue
        avoids = job.get("excluded") or state.hash(f"turn:{slot_of(job)}").get("excluded")
        if avoids:
            continue  # that no other node is left is noticed by the next sweep
        turn_node = state.hash(f"turn:{slot_of(job)}").get("node")
        joins = turn_node and JOINS_TURNS in state.nodes[turn_node]["atoms"].split()
        if turn_node and joins and slot_of(job) in state.slots(turn_node):
            yield f"{name} waits while its turn holds a slot at {turn_node}"
        siblings = state.hash(f"turn:{slot_of(job)}").get("waiting", "").split()
        if not job.get("pin") and any(state.jobs[other].get("pin") for other in siblings):
            continue  # an earlier segment waits for the turn's node, and this one behind it
        if is_at_cap(state, job):
            continue
        for node, row in state.nodes.items():
            if row.get("health") in DOUBTED:
                continue  # that no other node serves it is noticed by the next sweep, too
            free = len(state.slots(node)) < places(row) or any(
                "stream" in state.jobs[other]
                for jobs in state.slots(node).values()
                for other in jobs
                if other in state.jobs
            )
            if not free or not can_serve(state, node, job["requirement"]):
                continue
            if job.get("pin") in (None, "", node):
                yield f"{name} waits while {node} has a free slot"


def _streams_are_found(state: Snapshot) -> Iterator[str]:
    """Who has to wait finds every stream that could give way to it, and no other job."""
    streams = {name: job for name, job in state.jobs.items() if "stream" in job}
    by_group: dict[str, set[str]] = {}
    by_tenant: dict[str, set[str]] = {}
    for name, job in streams.items():
        if job["state"] not in ("assigned", "running"):
            yield f"the stream {name} is {job['state']}"
        group = state.nodes[job["node"]]["group"]
        if group:
            by_group.setdefault(group, set()).add(f"{job['node']} {name}")
        if int(job.get("cap", "0")):
            by_tenant.setdefault(job["tenant"], set()).add(f"{job['node']} {name}")
    found = {name: set(state.zset(f"grp:{name}:streams")) for name in state.ids("grp:*:streams")}
    if found != by_group or state.set("groups:streaming") != by_group.keys():
        yield f"groups stream {found}, not {by_group}"
    held = {
        name: set(state.zset(f"tenant:{name}:streams")) for name in state.ids("tenant:*:streams")
    }
    if held != by_tenant:
        yield f"tenants stream {held}, not {by_tenant}"


def _keys_fit_the_schema(state: Snapshot) -> Iterator[str]:
    yield from (f"{name} has another prefix" for name in state.foreign)
    for name, entry in state.entries.items():
        key = key_of(name)
        if key is None:
            yield f"{name} is not in the schema"
        elif key.kind != entry.kind:
            yield f"{name} is a {entry.kind}, not a {key.kind}"
        elif entry.ttl_ms > (USAGE_TTL_MS if key.life is Life.KEPT else RECORD_TTL_MS):
            yield f"{name} lives for {entry.ttl_ms} ms"
        elif entry.ttl_ms < 0 and not _may_stay(state, name, key.life):
            yield f"{name} would never expire"


def _may_stay(state: Snapshot, name: str, life: Life) -> bool:
    owner = name.split(":")[1] if ":" in name else ""
    if life is Life.NODE:
        return state.hash(f"node:{owner}").get("state") in ("online", "draining")
    if life is Life.INSTANCE:
        return owner in state.zset("insts")
    return life is Life.FOREVER
