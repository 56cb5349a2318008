"""How records look to operators: nodes, instances, jobs, and pairs of languages. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from protocol.ids import session_ref
from storage.capability import FORMATS, formats_of, languages_of
from storage.instances import InstanceRecord
from storage.job import JobRecord
from storage.nodes import NodeRecord
from storage.pair_slots import slots_by_pair
from storage.replies.report import Waiting

Seen = Callable[[str], Mapping[str, Any]]
"""Finds what was seen of a node's last jobs: `ms_per_second`, `recent_jobs`, `recent_errors`."""

MOST_PAIRS = 200
"""Rows of a table of pairs; those for which something waits come first."""


def instance_row(record: InstanceRecord) -> dict[str, Any]:
    """Return an instance as reports show it."""
    about = record.about
    started_at_ms, beat_at_ms = int(about.get("started_at", 0)), int(about.get("beat_at", 0))
    return {
        "instance_id": record.instance_id,
        "hostname": about.get("hostname", ""),
        "pid": int(about.get("pid", 0)),
        "version": about.get("version", ""),
        "peer_url": about.get("peer_url", ""),
        "started_at_ms": started_at_ms,
        "uptime_seconds": max(0, beat_at_ms - started_at_ms) // 1000,
        "is_online": record.lease_left_ms > 0,
        "inbox_length": record.notes,
        "nodes_owned": record.nodes,
        "sessions_owned": record.sessions,
        "open_jobs": record.open_jobs,
    }


def node_row(record: NodeRecord, now_ms: int, seen: Seen) -> dict[str, Any]:
    """Return a node as reports show it.

    `online`, `status`, `current_jobs` and `max_concurrent_jobs` are the names that existing
    dashboards read. `ms_per_second` is the median time at the node for a second of speech; null:
    of too few jobs.
    """
    return {
        "node_id": record.node_id,
        "instance_id": record.owner_instance,
        "online": record.state == "online",
        "status": record.state,
        "current_jobs": record.used_slots,
        "max_concurrent_jobs": record.max_jobs,
        "state": record.state,
        "cell": record.cell,
        "slots": {"used": record.used_slots, "max": record.max_jobs},
        **_languages(record.atoms),
        "audio_formats": formats_of(record.atoms),
        "is_drained": record.is_held,
        "is_overloaded": record.overloaded_until_ms > now_ms,
        "suspect": record.suspect or record.health in ("sick", "trial"),
        "health": record.health or "well",
        "info": dict(record.info),
        "ms_per_second": None,
        "recent_jobs": 0,
        "recent_errors": 0,
        **seen(record.node_id),
        **({} if record.ms_per_second is None else {"ms_per_second": record.ms_per_second}),
        "errors_in_row": record.errors_in_row,
        "why_not_chosen": why_not_chosen(record, now_ms),
    }


@lru_cache(maxsize=1024)
def _languages(atoms: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    return {
        "asr_languages": languages_of(atoms, "a"),
        "semantic_languages": languages_of(atoms, "s"),
        "tts_languages": languages_of(atoms, "t"),
    }


def why_not_chosen(record: NodeRecord, now_ms: int) -> list[str]:
    """Return what keeps jobs away from the node, in words."""
    reasons = []
    if record.is_held:
        reasons.append("drained by an operator")
    elif record.state != "online":
        reasons.append(record.state)
    if record.used_slots >= record.max_jobs:
        reasons.append("no free slot")
    languages = _languages(record.atoms)
    if not languages["asr_languages"] or not languages["semantic_languages"]:
        reasons.append("serves no language pair")
    unread = [each for each in FORMATS if each not in formats_of(record.atoms)]
    reasons += [f"reads no {each}" for each in unread]
    reasons += _doubts(record, now_ms)
    if record.suspect:
        reasons.append("a job timed out here; others go first")
    if record.overloaded_until_ms > now_ms:
        reasons.append("reports too much load; others go first")
    reasons += [f"lacked a model for {requirement}" for requirement in record.penalties]
    return reasons


def _doubts(record: NodeRecord, now_ms: int) -> list[str]:
    """Return what its errors mean for the node."""
    if record.health == "sick":
        left_ms = max(0, record.doubted_until_ms - now_ms)
        return [f"sick: {record.errors_in_row} errors in a row; a trial in {left_ms} ms"]
    if record.health == "trial":
        return ["sick: on trial, with one job at a time"]
    if record.health == "erring":
        return [f"{record.errors_in_row} errors in a row; others go first"]
    return []


def job_row(record: JobRecord, now_ms: int) -> dict[str, Any]:
    """Return a job as listings show it: nothing in it lets anybody attach to its session."""
    ended_at_ms = record.timeline[-1].at_ms if record.due_at_ms == 0 else now_ms
    return {
        "job_id": record.job_id,
        "state": record.state.value,
        "attempt": record.attempt,
        "node": record.node_id,
        "reason": record.reason,
        "session_ref": session_ref(record.session_id),
        "index": record.utterance_index,
        "src_lang": record.source,
        "tgt_lang": record.language,
        "instance_id": record.owner_instance,
        "tenant_id": record.tenant_id,
        "created_at_ms": record.created_at_ms,
        "age_ms": max(0, ended_at_ms - record.created_at_ms),
    }


def pair_rows(nodes: Iterable[NodeRecord], waiting: Waiting) -> list[dict[str, Any]]:
    """Return the pairs of languages with what serves each, and what waits for it."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for pair in waiting.pairs:
        row = _pair_row(rows, pair.source, pair.language)
        row["waiting_jobs"] += pair.jobs
        row["oldest_wait_ms"] = max(row["oldest_wait_ms"], pair.oldest_ms)
    for (source, target), slots in slots_by_pair(nodes).items():
        if len(rows) >= MOST_PAIRS and (source, target) not in rows:
            continue
        row = _pair_row(rows, source, target)
        row["nodes"], row["slots"] = slots.nodes, slots.slots
        row["free_slots"], row["speech"] = slots.free, slots.is_spoken
    return list(rows.values())[:MOST_PAIRS]


def _pair_row(
    rows: dict[tuple[str, str], dict[str, Any]], source: str, target: str
) -> dict[str, Any]:
    return rows.setdefault(
        (source, target),
        {
            "src_lang": source,
            "tgt_lang": target,
            "nodes": 0,
            "slots": 0,
            "free_slots": 0,
            "speech": False,
            "waiting_jobs": 0,
            "oldest_wait_ms": 0,
        },
    )
