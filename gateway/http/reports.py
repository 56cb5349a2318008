"""StoreReports: what operators may see, read from the store and from this process.

Reads only; each answer costs one or two round trips and no scan.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from actors.directory import Directory
from actors.session.presence.presence import Presence
from gateway.http.nodes_seen import NodesSeen
from gateway.http.query import JobsQuery
from gateway.http.report_rows import instance_row, job_row, node_row, pair_rows
from gateway.http.route_report import route_report
from gateway.ports import JobMoment, JobReport, Readiness, Reception, Survey
from protocol.ids import InstanceId, JobId, NodeId, session_ref
from storage.capability import pairs_of
from storage.instances import InstanceRepository
from storage.job import JobState
from storage.jobs import JobRepository
from storage.nodes import NodeRepository
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
    nodes_seen: NodesSeen
    figures: Callable[[], Mapping[str, Any]] = dict
    """What the process has measured of itself."""


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

    async def node(self, node_id: NodeId, principal: str | None = None) -> Mapping[str, Any] | None:
        """Return a node's state, load, languages and slots; None if it is not known.

        For a `principal` only nodes of that credential are known.
        """
        record = await self._from.nodes.get_node(node_id)
        if record is None or (principal is not None and record.credential != principal):
            return None
        await self._from.nodes_seen.renew()
        row = node_row(record, _now_ms(), self._from.nodes_seen.seen)
        return {
            **row,
            "load": record.used_slots / record.max_jobs if record.max_jobs else 1.0,
            "languages": {stage: row[f"{stage}_languages"] for stage in ("asr", "semantic", "tts")},
            "speed": row["ms_per_second"],
            "errors": {"recent": row["recent_errors"], "of": row["recent_jobs"]},
        }

    async def nodes(self, principal: str | None = None) -> list[Mapping[str, Any]]:
        """Return the nodes with a lease, all or those of one credential."""
        records, now_ms = await self._from.nodes.online_records(), _now_ms()
        await self._from.nodes_seen.renew()
        return [
            node_row(record, now_ms, self._from.nodes_seen.seen)
            for record in records
            if principal is None or record.credential == principal
        ]

    async def jobs(self, query: JobsQuery) -> Mapping[str, Any]:
        """Return a page of jobs by state, the latest first, and where the next page begins.

        Of several states each has its page.
        """
        now_ms, rows, is_more = _now_ms(), [], False
        for state in query.states:
            end = query.offset + query.limit
            records = await self._from.jobs.jobs_in_state(state, end + 1)
            is_more = is_more or len(records) > end
            rows += [job_row(record, now_ms) for record in records[query.offset : end]]
        next_offset = query.offset + query.limit if is_more else None
        return {"jobs": rows, "offset": query.offset, "next_offset": next_offset}

    async def route(self, src: str, tgt: str) -> Mapping[str, Any]:
        """Return for a pair each node, why it is or is not chosen, and what waits."""
        nodes = await self._from.nodes.online_records()
        waiting = await self._from.jobs.waiting()
        await self._from.nodes_seen.renew()
        rows = [node_row(record, _now_ms(), self._from.nodes_seen.seen) for record in nodes]
        return route_report(src, tgt, zip(nodes, rows, strict=True), waiting, _now_ms())

    async def usage(self, month: str) -> Mapping[str, Any]:
        """Return what each tenant has used in a month, who used most first. No content."""
        found = await self._from.instances.usage(month)
        rows = sorted(found, key=lambda row: (-row.audio_ms, row.tenant_id))
        return {
            "month": month,
            "tenants": [
                {
                    "tenant_id": row.tenant_id,
                    "sessions": row.sessions,
                    "audio_seconds": row.audio_ms / 1000,
                    "jobs": row.jobs,
                }
                for row in rows
            ],
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
        """Return figures about clients, nodes and jobs; see `survey`."""
        return (await self.survey()).stats

    async def cluster(self) -> Mapping[str, Any]:
        """Return all instances on this store, and the nodes that are on-line at any of them."""
        return (await self.survey()).cluster

    async def survey(self) -> Survey:
        """Return both, from one look: its cost does not depend on who else looks."""
        counts = await self._from.jobs.counts()
        waiting = await self._from.jobs.waiting()
        instances = await self._from.instances.all_known()
        nodes = await self._from.nodes.online_records()
        await self._from.nodes_seen.renew()
        now_ms = _now_ms()
        owners: dict[str, list[str]] = {}
        for record in nodes:
            if record.credential:
                owners.setdefault(record.credential, []).append(record.node_id)
        return Survey(
            {
                **self.figures_here(),
                "jobs": {state.value: count for state, count in counts.items()},
                "waiting": {
                    "jobs": waiting.jobs,
                    "is_complete": waiting.looked_at >= waiting.jobs,
                    "oldest_wait_ms": max((pair.oldest_ms for pair in waiting.pairs), default=0),
                },
                "pairs": pair_rows(nodes, waiting),
                "store": {"ok": True},
            },
            {
                "instance_id": self._from.instance_id,
                "draining": self._from.reception.draining,
                "instances": [instance_row(record) for record in instances],
                "total_instances": len(instances),
                "online_instances": sum(record.lease_left_ms > 0 for record in instances),
                "total_nodes": len(nodes),
                "online_nodes": sum(record.state == "online" for record in nodes),
                "total_sessions": sum(record.sessions for record in instances),
                "total_pending": counts.get(JobState.QUEUED, 0),
                "redis_key_prefix": self._from.store.prefix,
                "nodes": [node_row(record, now_ms, self._from.nodes_seen.seen) for record in nodes],
            },
            owners,
        )

    def figures_here(self) -> dict[str, Any]:
        """Return what this process knows without the store."""
        presence = self._from.presence
        return {
            "instance_id": self._from.instance_id,
            "web_clients": {"active_users": presence.attached, "detached": presence.detached},
            "nodes": {"connected_nodes": len(self._from.directory.nodes)},
            **self._from.figures(),
        }


def _now_ms() -> int:
    return int(time.time() * 1000)
