"""StoreReports: what operators may see, read from the store and from this process.

Reads only; each answer costs one or two round trips and no scan.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.directory import Directory
from actors.session.presence import Presence
from gateway.ports import JobMoment, JobReport, Readiness, Reception
from protocol.ids import InstanceId, JobId, NodeId, session_ref
from storage.capability import languages_of, pairs_of
from storage.instances import InstanceRecord, InstanceRepository
from storage.job import JobState
from storage.jobs import JobRepository
from storage.nodes import NodeRecord, NodeRepository
from storage.store import StorageUnavailable, Store

_MOST_PAIRS = 10_000
"""A page that fills its menus has no use for more."""


@dataclass(frozen=True, slots=True)
class ReportSources:
    """Where the reports come from."""

    instance_id: InstanceId
    store: Store
    jobs: JobRepository
    nodes: NodeRepository
    instances: InstanceRepository
    directory: Directory
    presence: Presence
    reception: Reception


class StoreReports:
    """The reports of one instance."""

    def __init__(self, sources: ReportSources) -> None:
        self._from = sources

    async def readiness(self) -> Readiness:
        """Tell whether the instance can take work."""
        draining = self._from.reception.draining
        store = "ok"
        try:
            await self._from.store.probe()
        except StorageUnavailable as error:
            store = f"unavailable: {error}"
        ready = store == "ok" and not draining
        return Readiness(ready, store, draining, self._from.instance_id)

    async def job(self, job_id: JobId) -> JobReport | None:
        """Return a job's record and timeline; None if it is not known (any more)."""
        record = await self._from.jobs.get_job(job_id)
        if record is None:
            return None
        return JobReport(
            job_id=record.job_id,
            state=record.state.value,
            attempt=record.attempt,
            node=record.node_id,
            reason=record.reason,
            session_ref=session_ref(record.session_id),
            index=record.utterance_index,
            language=record.language,
            timeline=tuple(
                JobMoment(step.at_ms, step.event, step.attempt, step.node_id)
                for step in record.timeline
            ),
        )

    async def node(self, node_id: NodeId) -> Mapping[str, Any] | None:
        """Return a node's state, load, languages and slots; None if it is not known."""
        record = await self._from.nodes.get_node(node_id)
        if record is None:
            return None
        return {
            "node_id": record.node_id,
            "state": record.state,
            "instance_id": record.owner_instance,
            "cell": record.cell,
            "slots": {"used": record.used_slots, "max": record.max_jobs},
            "asr_languages": languages_of(record.atoms, "a"),
            "semantic_languages": languages_of(record.atoms, "s"),
            "tts_languages": languages_of(record.atoms, "t"),
            "suspect": record.suspect,
            "info": dict(record.info),
            "why_not_chosen": _why_not_chosen(record),
        }

    async def languages(self) -> Mapping[str, Any]:
        """Return the pairs served now, in order, each with or without speech."""
        pairs = sorted(pairs_of(await self._from.nodes.abilities()).items())
        return {
            "pairs": [
                {"src_lang": source, "tgt_lang": target, "speech": is_spoken}
                for (source, target), is_spoken in pairs[:_MOST_PAIRS]
            ],
            "is_complete": len(pairs) <= _MOST_PAIRS,
        }

    async def stats(self) -> Mapping[str, Any]:
        """Return figures about clients, nodes and jobs of this instance."""
        counts = await self._from.jobs.counts()
        presence = self._from.presence
        return {
            "web_clients": {"active_users": presence.attached, "detached": presence.detached},
            "nodes": {"connected_nodes": len(self._from.directory.nodes)},
            "jobs": {state.value: count for state, count in counts.items()},
        }

    async def cluster(self) -> Mapping[str, Any]:
        """Return all instances on this store, and the nodes that are on-line at any of them."""
        instances = await self._from.instances.all_known()
        nodes = await self._from.nodes.online_records()
        counts = await self._from.jobs.counts()
        return {
            "instance_id": self._from.instance_id,
            "draining": self._from.reception.draining,
            "instances": [_instance(record) for record in instances],
            "total_instances": len(instances),
            "online_instances": sum(record.lease_left_ms > 0 for record in instances),
            "total_nodes": len(nodes),
            "online_nodes": sum(record.state == "online" for record in nodes),
            "total_sessions": sum(record.sessions for record in instances),
            "total_pending": counts.get(JobState.QUEUED, 0),
            "redis_key_prefix": self._from.store.prefix,
            "nodes": [_node(record) for record in nodes],
        }


def _instance(record: InstanceRecord) -> dict[str, Any]:
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


def _node(record: NodeRecord) -> dict[str, Any]:
    return {
        "node_id": record.node_id,
        "instance_id": record.owner_instance,
        "online": record.state == "online",
        "status": record.state,
        "current_jobs": record.used_slots,
        "max_concurrent_jobs": record.max_jobs,
    }


def _why_not_chosen(record: NodeRecord) -> list[str]:
    """Return what keeps jobs away from the node, in words."""
    reasons = []
    if record.state != "online":
        reasons.append(record.state)
    if record.used_slots >= record.max_jobs:
        reasons.append("no free slot")
    if not languages_of(record.atoms, "a") or not languages_of(record.atoms, "s"):
        reasons.append("serves no language pair")
    if record.suspect:
        reasons.append("a job timed out here; others go first")
    reasons += [f"lacked a model for {requirement}" for requirement in record.penalties]
    return reasons
