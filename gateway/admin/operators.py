"""StoreOperators: an operator's commands, and the live view, over the store and the instances.

It finds out where a session, node or job lives, and has it done there. A command that cannot be
done is answered with the reason. It must not know sockets.
"""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from actors.messages.operator import OperatorAnswered, OperatorCommand
from actors.operations import Operations
from gateway.admin.forgetting import Forgetting
from gateway.http.query import OPEN_STATES, JobsQuery, QueryError, state_of
from gateway.http.reports import ReportSources, StoreReports
from gateway.ports import Survey
from protocol.ids import InstanceId, JobId, NodeId
from protocol.messages.admin import (
    AdminAck,
    AdminInbound,
    CancelJob,
    CloseSession,
    DrainNode,
    Forget,
    ListJobs,
    ListNodes,
    ListSessions,
    Subscribe,
    UndrainNode,
)
from storage.client.executor import StorageUnavailable
from storage.job import FINAL_STATES
from storage.nodes import NodeRecord
from storage.replies.job import Registered
from storage.sessions import SessionRepository

_STORE_AWAY = "the store does not answer"
_NOT_YOURS = "only operators may do that"
_MOST_JOBS = 200

Done = tuple[str | None, dict[str, Any] | None]
"""Why it was not done, and what was asked for."""


class StoreOperators:
    """Implements `Operators`. Life: that of the process."""

    def __init__(
        self,
        sources: ReportSources,
        reports: StoreReports,
        operations: Operations,
        sessions: SessionRepository,
    ) -> None:
        self._from = sources
        self._reports = reports
        self._operations = operations
        self._forgetting = Forgetting(
            sources.instance_id, sources.store, sources.instances, sessions, operations
        )

    async def survey(self) -> Survey:
        """Return the live view; where the store is away, what is known without it."""
        try:
            return await self._reports.survey()
        except (StorageUnavailable, TimeoutError) as error:
            store = {"ok": False, "error": str(error) or _STORE_AWAY}
            return Survey({**self._reports.figures_here(), "store": store}, {})

    async def run(self, command: AdminInbound, principal: str | None) -> AdminAck:
        """Do it, or say why not."""
        may = principal is None or isinstance(command, Subscribe | ListNodes)
        try:
            error, data = await self._run(command, principal) if may else (_NOT_YOURS, None)
        except (StorageUnavailable, TimeoutError):
            error, data = _STORE_AWAY, None
        return AdminAck(request_id=command.request_id, ok=error is None, error=error, data=data)

    async def _run(self, command: AdminInbound, principal: str | None) -> Done:
        match command:
            case Subscribe():
                return None, None  # its socket does
            case DrainNode():
                return await self._at_node(command.node_id, OperatorCommand.DRAIN_NODE)
            case UndrainNode():
                return await self._at_node(command.node_id, OperatorCommand.UNDRAIN_NODE)
            case CloseSession():
                return await self._close_session(command.session_id)
            case Forget():
                return await self._forget(command)
            case CancelJob():
                return await self._cancel_job(command.job_id)
            case ListSessions():
                return await self._list_sessions()
            case ListNodes():
                return None, {"nodes": await self._reports.nodes(principal)}
            case ListJobs():
                return await self._list_jobs(command.state)

    async def _at_node(self, node_id: NodeId, command: OperatorCommand) -> Done:
        record = await self._from.nodes.get_node(node_id)
        if record is None:
            return "no such node, or not any more", None
        is_held = command is OperatorCommand.DRAIN_NODE
        if record.state == "offline":
            return await self._for_its_return(record, is_held=is_held)
        answer = await self._operations.request(record.owner_instance, command, node_id)
        if answer.is_unknown:  # its socket is gone, and the store is about to hear so
            return await self._for_its_return(record, is_held=is_held)
        return answer.error, None

    async def _for_its_return(self, record: NodeRecord, *, is_held: bool) -> Done:
        """Note for a node that is off-line what counts when it comes back."""
        call = self._from.nodes.update(
            record.node_id, record.epoch, is_held=is_held, cell=record.cell
        )
        [reply] = await self._from.store.run([call])
        if isinstance(reply, Registered):
            return None, None
        return "the node has just come back: try again", None

    async def _cancel_job(self, job_id: JobId) -> Done:
        record = await self._from.jobs.get_job(job_id)
        if record is None:
            return "no such job, or not any more", None
        if record.state in FINAL_STATES:
            return f"the job is over: {record.state.value}", None
        command = OperatorCommand.CANCEL_JOB
        answer = await self._operations.request(record.owner_instance, command, job_id)
        return answer.error, None

    async def _close_session(self, session_ref: str) -> Done:
        command = OperatorCommand.CLOSE_SESSION
        here = await self._operations.request(self._from.instance_id, command, session_ref)
        if not here.is_unknown:
            return here.error, None
        others = await self._from.instances.others()
        answers = await self._operations.ask_all(others, command, session_ref)
        if any(answer.error is None for answer in answers):
            return None, None
        faults = [answer.error for answer in answers if not answer.is_unknown]
        if faults:
            return f"no instance that answers has it; of one more: {faults[0]}", None
        return "no such session, or not any more", None

    async def _forget(self, command: Forget) -> Done:
        session_id, tenant_id = command.session_id, command.tenant_id
        if (session_id is None) == (tenant_id is None):
            return "name a session_id or a tenant_id, and not both", None
        if tenant_id is not None:
            return None, await self._forgetting.run(OperatorCommand.FORGET_TENANT, tenant_id)
        found = await self._forgetting.run(OperatorCommand.FORGET_SESSION, str(session_id))
        is_known = found["sessions_ended"] or found["records_erased"] or not found["is_complete"]
        return None if is_known else "no such session, or nothing of it is kept any more", found

    async def _list_sessions(self) -> Done:
        instances = [self._from.instance_id, *await self._from.instances.others()]
        answers = await self._operations.ask_all(instances, OperatorCommand.LIST_SESSIONS)
        rows = [row for answer in answers for row in answer.sessions]
        silent = _silent(instances, answers)
        is_complete = not silent and all(answer.is_complete for answer in answers)
        found = {"sessions": rows, "is_complete": is_complete, "silent_instances": silent}
        return None, to_jsonable_python(found)

    async def _list_jobs(self, state: str | None) -> Done:
        try:
            states = OPEN_STATES if state is None else (state_of(state),)
        except QueryError as error:
            return str(error), None
        return None, dict(await self._reports.jobs(JobsQuery(states, _MOST_JOBS, 0)))


def _silent(
    instances: Sequence[InstanceId], answers: Sequence[OperatorAnswered]
) -> list[InstanceId]:
    asked = zip(instances, answers, strict=True)
    return [instance for instance, answer in asked if answer.error is not None]
