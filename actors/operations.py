"""Operations: what operators do to sessions, nodes and jobs, wherever these live.

A plain object for the loop's thread, like reception. What lives here is asked of its actor, what
lives elsewhere of that instance's `Operations`, by the links that the engine has. An answer says
that a command was handed to whom it concerns: a session may take its time to close, a node to
finish what it has. It must not read the store: who asks knows where to ask.
"""

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice

from actors.directory import Directory
from actors.messages.job import EndJob
from actors.messages.node import DrainNode, UndrainNode
from actors.messages.operator import NodeSeen, OperatorAnswered, OperatorAsked, OperatorCommand
from actors.messages.session import CloseRequested
from actors.ports import Mailbox
from actors.runtime.actor import tell
from protocol.errors import MissingReason
from protocol.ids import InstanceId, JobId, NodeId, SessionRef
from storage.job import JobState

_ANSWER_SECONDS = 3.0
"""An instance that has not answered by then is not waited for."""
_MOST_UNANSWERED = 1024
_MOST_NODES = 1000
_MOST_SESSIONS = 1000
"""Rows in one answer, about 250 bytes each."""

_UNREACHABLE = OperatorAnswered(0, error="its instance cannot be reached now")
_SILENT = OperatorAnswered(0, error="its instance does not answer")


class Operations:
    """Life: that of the process. Implements `Mailbox` for what other instances send."""

    def __init__(
        self, directory: Directory, elsewhere: Callable[[InstanceId], Mailbox | None]
    ) -> None:
        """`elsewhere` finds the way to another instance's `Operations`; None: there is none."""
        self.nodes_seen: Callable[[str | None], tuple[NodeSeen, ...]] = lambda _node_id: ()
        """What was seen of a node here; of all for None."""
        self._directory = directory
        self._elsewhere = elsewhere
        self._number = 0
        self._asked: dict[int, asyncio.Future[OperatorAnswered]] = {}

    def __repr__(self) -> str:
        return f"<Operations unanswered={len(self._asked)}>"

    def tell(self, message: OperatorAsked | OperatorAnswered) -> None:
        """Take a question or an answer of another instance."""
        if isinstance(message, OperatorAnswered):
            waiting = self._asked.pop(message.number, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            return
        asker = self._elsewhere(message.asker)
        if asker is not None:
            tell(asker, self._do(message))

    async def request(
        self, instance_id: InstanceId, command: OperatorCommand, target: str = ""
    ) -> OperatorAnswered:
        """Have an instance do something, this one or another; wait for what it answers."""
        here = self._directory.instance_id
        if instance_id == here:
            return self._do(OperatorAsked(here, 0, command, target))
        there = self._elsewhere(instance_id)
        if there is None or len(self._asked) >= _MOST_UNANSWERED:
            return _UNREACHABLE
        self._number += 1
        number = self._number
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        tell(there, OperatorAsked(here, number, command, target))
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answered: OperatorAnswered = await answer
                return answered
        except TimeoutError:
            return _SILENT
        finally:
            self._asked.pop(number, None)

    async def ask_all(
        self, instances: Iterable[InstanceId], command: OperatorCommand, target: str = ""
    ) -> list[OperatorAnswered]:
        """Ask several at once; the answers are in their order."""
        requests = (self.request(each, command, target) for each in instances)
        return list(await asyncio.gather(*requests))

    # ---- what lives here --------------------------------------------------------------------

    def _do(self, message: OperatorAsked) -> OperatorAnswered:
        match message.command:
            case OperatorCommand.LIST_SESSIONS:
                return self._sessions(message.number)
            case OperatorCommand.LIST_NODES_SEEN:
                return OperatorAnswered(message.number, nodes=self.nodes_seen(None)[:_MOST_NODES])
            case OperatorCommand.CLOSE_SESSION:
                view = self._directory.views.get(SessionRef(message.target))
                session = None if view is None else self._directory.sessions.get(view.session_id)
                request = CloseRequested("operator", acknowledge=True)
                return _handed_over(message, session, request)
            case OperatorCommand.FORGET_SESSION | OperatorCommand.FORGET_TENANT:
                return self._forget(message)
            case OperatorCommand.CANCEL_JOB:
                reason = MissingReason.CANCELLED
                ending = EndJob(JobId(message.target), JobState.CANCELLED, reason)
                return _handed_over(message, self._directory.dispatcher, ending)
            case OperatorCommand.DRAIN_NODE:
                node = self._directory.nodes.get(NodeId(message.target))
                return _handed_over(message, node, DrainNode(by_operator=True))
            case OperatorCommand.UNDRAIN_NODE:
                node = self._directory.nodes.get(NodeId(message.target))
                return _handed_over(message, node, UndrainNode())

    def _forget(self, message: OperatorAsked) -> OperatorAnswered:
        """End the sessions of a tenant, or one, at once; what is open is cancelled."""
        views, target = self._directory.views, message.target
        if message.command is OperatorCommand.FORGET_TENANT:
            found = [view for view in views.values() if view.row().tenant_id == target]
        else:
            found = [views[SessionRef(target)]] if target in views else []
        request = CloseRequested("operator", acknowledge=True, within_ms=0, forgets=True)
        asked = 0
        for view in found:
            session = self._directory.sessions.get(view.session_id)
            asked += session is not None and tell(session, request)
        return OperatorAnswered(message.number, count=asked)

    def _sessions(self, number: int) -> OperatorAnswered:
        views = self._directory.views
        rows = tuple(view.row() for view in islice(views.values(), _MOST_SESSIONS))
        return OperatorAnswered(number, sessions=rows, is_complete=len(rows) == len(views))


def _handed_over(
    message: OperatorAsked, actor: Mailbox | None, request: object
) -> OperatorAnswered:
    if actor is None or not tell(actor, request):
        return OperatorAnswered(message.number, error="it is not here", is_unknown=True)
    return OperatorAnswered(message.number)
