"""How a job's hash reads back as a `JobRecord`. Pure; the fields are written by the scripts."""

from typing import Any
from urllib.parse import unquote

from protocol.ids import InstanceId, JobId, NodeId, SessionId, request_id
from storage.job import FINAL_STATES, JobRecord, JobState, TimelineEntry
from storage.replies.reader import mapping

_STEPS = ("queued", "assigned", "accepted", "running")
"""Steps of the current attempt with a time field `<step>_at`, in order."""
_MAX_PAST_ATTEMPTS = 20


def job_record(job_id: JobId, raw: Any) -> JobRecord:
    """Return the record of a job whose hash is not empty."""
    row = mapping(raw)
    session_id, index = SessionId(row["session"]), int(row["index"])
    state = JobState(row["state"])
    return JobRecord(
        job_id=job_id,
        request_id=request_id(session_id, index, row["language"]),
        session_id=session_id,
        utterance_index=index,
        language=row["language"],
        source=row["source"],
        requirement=row["requirement"],
        state=state,
        attempt=int(row["attempt"]),
        node_id=NodeId(row["node"]) if row["node"] else None,
        owner_instance=InstanceId(row["owner"]),
        turn_id=row["turn"],
        tenant_id=unquote(row["tenant"]),
        trace_id=row["trace"],
        reason=row.get("reason") or None,
        excluded_nodes=tuple(NodeId(node) for node in row.get("excluded", "").split("\n") if node),
        created_at_ms=int(row["created_at"]),
        deadline_at_ms=int(row["deadline"]),
        due_at_ms=0 if state in FINAL_STATES else int(row["due"]),
        turn_part=int(row["part"]),
        replaced=row.get("replaced") == "1",
        timeline=_timeline(row),
    )


def _timeline(row: Any) -> tuple[TimelineEntry, ...]:
    created_at = int(row["created_at"])
    attempt = int(row["attempt"])
    node = NodeId(row["node"]) if row["node"] else None
    entries = [TimelineEntry("created", created_at, 1, None)]
    for past in range(1, min(attempt, _MAX_PAST_ATTEMPTS)):
        if text := row.get(f"attempt_{past}"):
            began, ended, reason, past_node = text.split(" ", 3)
            there = NodeId(past_node)
            entries.append(TimelineEntry("assigned", created_at + int(began), past, there))
            entries.append(TimelineEntry(reason, created_at + int(ended), past, there))
    for step in _STEPS:
        if at_ms := int(row.get(f"{step}_at") or 0):
            where = None if step == "queued" else node
            entries.append(TimelineEntry(step, at_ms, attempt, where))
    if ended_at := int(row.get("ended_at") or 0):
        entries.append(TimelineEntry(row["state"], ended_at, attempt, node))
    return tuple(entries)
