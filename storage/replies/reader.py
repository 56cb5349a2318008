"""Readers: the raw reply of a script to the outcome class of its first word. Pure.

One function per script, named by what happened. The order of fields is that of the script's RETURNS
lines.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from protocol.ids import InstanceId, JobId, NodeId, SessionId
from storage.cells import Cell
from storage.job import JobState
from storage.replies.job import (
    Alive,
    Assigned,
    Beaten,
    Busy,
    Completed,
    Counted,
    DueJob,
    Duplicate,
    Fenced,
    GivenUp,
    Gone,
    IdTaken,
    Incompatible,
    LeftCell,
    Lent,
    Located,
    Moved,
    NodeRemoved,
    NoNode,
    OpenJob,
    Placed,
    Queued,
    Reaped,
    Registered,
    Revived,
    SlotsHeld,
    Stale,
    Superseded,
    Surveyed,
    Swept,
    Taken,
    Updated,
)
from storage.replies.report import Waiting, WaitingPair

T = TypeVar("T")

_STATES = {state.value: state for state in JobState}

Raw = list[Any]
"""A reply: its word, then its values; numbers as int, everything else as str."""


def swept(raw: Raw) -> Swept:
    """Read `sweep`."""
    _, due, given, next_due_ms = raw
    jobs = [
        DueJob(JobId(job), JobState(state), attempt, cause)
        for job, state, attempt, cause, _due_at, _index in due
    ]
    return Swept(tuple(jobs), handovers(given), None if next_due_ms < 0 else next_due_ms)


def beaten(raw: Raw) -> Beaten:
    """Read `heartbeat`."""
    return Beaten(tuple(NodeId(node) for node in raw[1]), handovers(raw[2]))


def alive(raw: Raw) -> Alive | Taken:
    """Read `beat`."""
    if raw[0] == "TAKEN":
        return Taken(int(raw[1]))
    _, data_id, revived, instances, nodes, secret = raw
    return Alive(
        data_id=data_id,
        expired_instances=tuple(InstanceId(instance) for instance in instances),
        expired_nodes=tuple((NodeId(node), int(epoch)) for node, epoch in nodes),
        revived=bool(revived),
        secret=secret,
    )


def counted(raw: Raw) -> Counted:
    """Read `count_nodes`."""
    _, epoch, alike, online = raw
    return Counted(int(epoch), alike, online)


def placed(raw: Raw) -> Placed:
    """Read `place_node`."""
    return Placed(Cell(int(raw[1])))


def surveyed(raw: Raw) -> Surveyed:
    """Read `survey`."""
    return Surveyed(raw[1])


def waiting(raw: Raw) -> Waiting:
    """Read `list_waiting`."""
    _, jobs, looked_at, pairs = raw
    found = (
        WaitingPair(source, language, requirement, count, int(oldest_ms))
        for source, language, requirement, count, oldest_ms in pairs
    )
    return Waiting(jobs, looked_at, tuple(found))


def handovers(rows: Iterable[Raw]) -> tuple[Assigned, ...]:
    """Read the jobs that were handed a slot."""
    return tuple(_assigned(row) for row in rows)


def mapping(raw: Any) -> Mapping[str, str]:
    """Read a whole hash: a mapping, or a flat list of fields and values."""
    return raw if isinstance(raw, dict) else dict(zip(raw[::2], raw[1::2], strict=True))


def _assigned(values: Raw) -> Assigned:
    job, attempt, node, instance, epoch, due_ms, turned, *given = values
    return Assigned(
        JobId(job),
        int(attempt),
        NodeId(node),
        InstanceId(instance),
        int(epoch),
        due_ms,
        handovers(given[0]) if given and given[0] else (),
        stays_in_turn=bool(turned),
    )


def _queued(values: Raw) -> Queued:
    job, attempt, position, wait_ms, due_ms, *given = values
    return Queued(
        JobId(job), int(attempt), position, wait_ms, due_ms, handovers(given[0]) if given else ()
    )


def _duplicate(values: Raw) -> Duplicate:
    job, state, attempt, node, instance, epoch, due_ms, turned = values
    return Duplicate(
        JobId(job),
        JobState(state),
        int(attempt),
        NodeId(node) if node else None,
        InstanceId(instance) if instance else None,
        int(epoch),
        due_ms,
        stays_in_turn=bool(turned),
    )


def _open_jobs(rows: Iterable[Raw]) -> tuple[OpenJob, ...]:
    jobs = [
        OpenJob(
            JobId(job),
            SessionId(session),
            int(index),
            JobState(state),
            int(attempt),
            InstanceId(owner),
        )
        for job, session, index, state, attempt, owner in rows
    ]
    return tuple(sorted(jobs, key=lambda job: (job.session_id, job.utterance_index)))


def _completed(values: Raw) -> Completed:
    return Completed(_STATES[values[0]], handovers(values[1]) if values[1] else ())


def _given_up(values: Raw) -> GivenUp:
    return GivenUp(values[0], handovers(values[1]))


def _superseded(values: Raw) -> Superseded:
    return Superseded(InstanceId(values[0]), int(values[1]))


def _located(values: Raw) -> Located:
    state, attempt, node, owner, owner_is_alive, trace = values
    return Located(
        JobState(state),
        int(attempt),
        NodeId(node) if node else None,
        InstanceId(owner),
        bool(owner_is_alive),
        trace,
    )


def _slots_held(values: Raw) -> SlotsHeld:
    return SlotsHeld(frozenset(JobId(job) for held in values[0] for job in held.split()))


def _stale(values: Raw) -> Stale:
    return Stale(int(values[0]))


def gone(_: Raw) -> Gone:
    """Read `GONE`."""
    return Gone()


def _busy(_: Raw) -> Busy:
    return Busy()


def fenced(_: Raw) -> Fenced:
    """Read `FENCED`."""
    return Fenced()


def usage_added(raw: Raw) -> Updated | Fenced:
    """Read `add_usage`; a batch that the store had before is in it all the same."""
    return Fenced() if raw[0] == "FENCED" else Updated()


def updated(_: Raw) -> Updated:
    """Read `OK` with nothing else."""
    return Updated()


def _revived(_: Raw) -> Revived:
    return Revived()


def _registered(values: Raw) -> Registered:
    return Registered(int(values[0]), handovers(values[1]), bool(values[2]))


def _id_taken(_: Raw) -> IdTaken:
    return IdTaken()


def _removed(values: Raw) -> NodeRemoved:
    return NodeRemoved(_open_jobs(values[0]))


def moved(values: Raw) -> Moved:
    """Read `MOVED`, with the owner where it is given."""
    return Moved(InstanceId(values[0]) if values else None)


def _lent(values: Raw) -> Lent:
    return Lent(Cell(int(values[0])))


def _left_cell(values: Raw) -> LeftCell:
    return LeftCell(tuple(JobId(job) for job in values[0].split()))


def _no_node(_: Raw) -> NoNode:
    return NoNode()


def _reaped(values: Raw) -> Reaped:
    more, finished, jobs, given = values
    return Reaped(bool(more), bool(finished), _open_jobs(jobs), handovers(given))


def by_word(table: Mapping[str, Callable[[Raw], T]]) -> Callable[[Raw], T]:
    """Return the reader of a script from those of its words."""

    def read(raw: Raw) -> T:
        return table[raw[0]](raw[1:])

    return read


dispatched: Callable[[Raw], Assigned | Queued | Duplicate | Busy | Moved | Fenced | Lent] = by_word(
    {
        "LENT": _lent,
        "ASSIGNED": _assigned,
        "QUEUED": _queued,
        "DUPLICATE": _duplicate,
        "BUSY": _busy,
        "MOVED": moved,
        "FENCED": fenced,
    }
)
"""Reads `dispatch_task`."""

completed: Callable[[Raw], Completed | Duplicate | Stale | Gone] = by_word(
    {"OK": _completed, "DUPLICATE": _duplicate, "STALE": _stale, "GONE": gone}
)
"""Reads `complete_task`."""

progressed: Callable[[Raw], Updated | Duplicate | Stale | Gone] = by_word(
    {"OK": updated, "DUPLICATE": _duplicate, "STALE": _stale, "GONE": gone}
)
"""Reads `update_job_status`."""

failed_over: Callable[[Raw], Assigned | Queued | GivenUp | Stale | Gone | Duplicate] = by_word(
    {
        "ASSIGNED": _assigned,
        "QUEUED": _queued,
        "FAILED": _given_up,
        "DUPLICATE": _duplicate,
        "STALE": _stale,
        "GONE": gone,
    }
)
"""Reads `failover_job`."""

restored: Callable[[Raw], Assigned | Queued | Duplicate | Updated | Moved | Fenced | Lent] = (
    by_word(
        {
            "LENT": _lent,
            "RESTORED": updated,
            "ASSIGNED": _assigned,
            "QUEUED": _queued,
            "DUPLICATE": _duplicate,
            "MOVED": moved,
            "FENCED": fenced,
        }
    )
)
"""Reads `restore_job`."""

registered: Callable[[Raw], Registered | Superseded | IdTaken | Fenced] = by_word(
    {"OK": _registered, "SUPERSEDED": _superseded, "TAKEN": _id_taken, "FENCED": fenced}
)
"""Reads `register_node`."""

changed: Callable[[Raw], Registered | Fenced] = by_word({"OK": _registered, "FENCED": fenced})
"""Reads `update_node`."""

slots_held: Callable[[Raw], SlotsHeld | Fenced] = by_word({"OK": _slots_held, "FENCED": fenced})
"""Reads `list_slots`."""

located: Callable[[Raw], Located | Lent | Gone] = by_word(
    {"OK": _located, "LENT": _lent, "GONE": gone}
)
"""Reads `locate_job`."""

removed: Callable[[Raw], NodeRemoved | Fenced] = by_word({"OK": _removed, "FENCED": fenced})
"""Reads `node_offline`."""

agreed: Callable[[Raw], Updated | Incompatible] = by_word(
    {"OK": updated, "INCOMPATIBLE": lambda values: Incompatible(values[0])}
)
"""Reads `agree_schema`."""

reaped: Callable[[Raw], Reaped | Revived | Fenced] = by_word(
    {"OK": _reaped, "REVIVED": _revived, "FENCED": fenced}
)
"""Reads `reap`."""

stream_closed: Callable[[Raw], Completed | Gone] = by_word({"OK": _completed, "GONE": gone})
"""Reads `close_stream`."""

borrowed: Callable[[Raw], Assigned | Duplicate | NoNode | Moved | Fenced] = by_word(
    {
        "ASSIGNED": _assigned,
        "DUPLICATE": _duplicate,
        "NO_NODE": _no_node,
        "MOVED": moved,
        "FENCED": fenced,
    }
)
"""Reads `borrow_node`."""

lent: Callable[[Raw], LeftCell | Duplicate | Stale | Gone] = by_word(
    {"OK": _left_cell, "DUPLICATE": _duplicate, "STALE": _stale, "GONE": gone}
)
"""Reads `lend_job`."""
