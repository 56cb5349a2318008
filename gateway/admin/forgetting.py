"""Forgetting: everything that is kept of a session, or of all sessions of a tenant, is erased.

Sessions that live on an instance end at once, without waiting for results: what they hold in memory
goes with them, and what the store has of them when it learns that they ended. What dead instances
left to be gone on with is erased in the store. It must not know sockets.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors.messages.operator import OperatorAnswered, OperatorCommand
from actors.operations import Operations
from protocol.ids import InstanceId, session_ref
from storage.instances import InstanceRepository
from storage.replies.session import ForgottenSession
from storage.sessions import SessionRepository
from storage.store import Store

_ROUNDS = 30
_ROUND_SECONDS = 0.1
"""Sessions end within milliseconds; one that is on its way to another instance takes longer."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Life: that of the process."""

    instance_id: InstanceId
    store: Store
    instances: InstanceRepository
    sessions: SessionRepository
    operations: Operations

    async def run(self, command: OperatorCommand, target: str) -> dict[str, Any]:
        """Erase it; return what was erased, and what could not be.

        Raises:
            StorageUnavailable: the store does not answer; what lives on an instance has ended.
        """
        everybody = [self.instance_id, *await self.instances.others()]
        ended = still_open = 0
        answers: Sequence[OperatorAnswered] = ()
        for _ in range(_ROUNDS):
            answers = await self.operations.ask_all(everybody, command, target)
            still_open = sum(answer.count for answer in answers)
            ended = max(ended, still_open)
            if not still_open:
                break
            await asyncio.sleep(_ROUND_SECONDS)
        erased = await self._erase(command, target)
        silent = [
            instance
            for instance, answer in zip(everybody, answers, strict=True)
            if answer.error is not None and not answer.is_unknown
        ]
        return {
            "sessions_ended": ended - still_open,
            "records_erased": len(erased),
            "outcomes_erased": sum(erased),
            "sessions_still_open": still_open,
            "silent_instances": silent,
            "is_complete": not still_open and not silent,
        }

    async def _erase(self, command: OperatorCommand, target: str) -> list[int]:
        """Erase what dead instances left; return of each session how many outcomes that were."""
        left = await self.sessions.orphans()
        wanted = [
            session_id
            for session_id, tenant_id in left.items()
            if target
            == (tenant_id if command is OperatorCommand.FORGET_TENANT else session_ref(session_id))
        ]
        cells = self.store.cells.all
        calls = [self.sessions.forget(one, cell) for one in wanted for cell in cells]
        replies = await self.store.run(calls) if calls else []
        of_each = [replies[at : at + len(cells)] for at in range(0, len(replies), len(cells))]
        erased = [[one for one in each if isinstance(one, ForgottenSession)] for each in of_each]
        return [sum(one.outcomes for one in each) for each in erased if each]
