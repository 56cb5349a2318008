"""NodesSeen: how fast nodes are and how often they fail, as all instances have seen it.

Each instance knows the jobs of its own sessions. It owns the last answers of the others, which are
asked once a second at most, and only while somebody looks. One that does not answer holds nobody
up: what it answered last is shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from loguru import logger

from actors.messages.operator import NodeSeen, OperatorCommand
from actors.operations import Operations
from protocol.ids import InstanceId
from storage.client.executor import StorageUnavailable

_RENEW_SECONDS = 1.0
_PATIENCE_SECONDS = 0.3


class NodesSeen:
    """For the loop's thread. Life: that of the process."""

    def __init__(
        self, operations: Operations, others: Callable[[], Awaitable[Sequence[InstanceId]]]
    ) -> None:
        self._operations = operations
        self._others = others
        self._by_instance: dict[InstanceId, dict[str, NodeSeen]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._asked_at: float | None = None

    async def renew(self) -> None:
        """Ask the others, unless that was done within the last second; wait for a moment."""
        now_s = asyncio.get_running_loop().time()
        is_due = self._asked_at is None or now_s - self._asked_at >= _RENEW_SECONDS
        if self._asking is None and is_due:
            self._asked_at = now_s
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=_PATIENCE_SECONDS)

    def seen(self, node_id: str) -> Mapping[str, Any]:
        """Return what is known of a node's last jobs: speed weighs by jobs."""
        own = {row.node_id: row for row in self._operations.nodes_seen(node_id)}
        tables = [own, *self._by_instance.values()]
        found = [table[node_id] for table in tables if node_id in table]
        if not found:
            return {}
        timed = [(row.ms_per_second, row.jobs) for row in found if row.ms_per_second is not None]
        jobs = sum(count for _, count in timed)
        return {
            "ms_per_second": sum(ms * count for ms, count in timed) / jobs if jobs else None,
            "recent_jobs": sum(row.jobs for row in found),
            "recent_errors": sum(row.errors for row in found),
        }

    def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> None:
        try:
            others = await self._others()
        except (StorageUnavailable, TimeoutError):
            return  # what was known stays
        answers = await self._operations.ask_all(others, OperatorCommand.LIST_NODES_SEEN)
        answered = zip(others, answers, strict=True)
        self._by_instance = {
            instance: {row.node_id: row for row in answer.nodes}
            if answer.error is None
            else self._by_instance.get(instance, {})
            for instance, answer in answered
        }

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking = None
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.opt(exception=error).error("the other instances could not be asked of nodes")
