"""NodeActor: one GPU node, its socket and the jobs it has in hand.

It knows how the node names its jobs, and nothing of the store: what the node says is told to the
dispatcher, which alone decides whether it still counts. It lets go of a job's audio as soon as
the assignment is written.

Life: made at the first `node_register`, re-used when the same node comes back on another socket
before its loss was noticed, ended when its socket is gone.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from loguru import logger

from actors.directory import Directory
from actors.job_assignment import job_assign, node_job_id
from actors.messages import (
    AssignJob,
    DispatcherRestarted,
    JobAccepted,
    JobUndelivered,
    NodeAccepted,
    NodeArrived,
    NodeBeat,
    NodeChanged,
    NodeHeartbeatArrived,
    NodeLost,
    NodeRegistering,
    NodeSaid,
    NodeSocketLost,
    NodeUnknown,
    PartialArrived,
    ResultArrived,
    StoreEmptied,
    WithdrawJob,
)
from actors.node_load import Languages, is_overloaded, languages
from actors.node_options import NodeOptions
from actors.ports import Mailbox, Outbox
from actors.runtime import LoopActor, tell
from protocol.errors import CloseCode
from protocol.ids import JobId, NodeId, NodeJobId
from protocol.node_inbound import (
    JobAck,
    JobResult,
    JobStarted,
    NodeAsrPartial,
    NodeError,
    NodeHeartbeat,
    NodeRegister,
)
from protocol.node_outbound import JobCancel, NodeRegisterAck
from protocol.wire import WireMessage

_ANSWERED_KEPT = 64
"""Answered jobs a node is still recognised by: an empty result may be followed by a full one."""


class _Phase(Enum):
    """Where the node stands with the store."""

    REGISTERING = auto()
    ONLINE = auto()
    SILENT = auto()
    """No heartbeat in time: taken off-line, back with its next heartbeat."""


@dataclass(slots=True)
class _Held:
    """One attempt of a job that the node was given."""

    job_id: JobId
    attempt: int
    session: Mailbox


class NodeActor(LoopActor):
    """Owns one node's connection; open assignments and capacity are the store's business."""

    def __init__(self, node_id: NodeId, directory: Directory, options: NodeOptions) -> None:
        super().__init__()
        self.node_id = node_id
        self._directory = directory
        self._options = options
        self._outbox: Outbox | None = None
        self._register: NodeRegister | None = None
        self._languages = Languages()
        self._phase = _Phase.REGISTERING
        self._epoch = 0
        self._ack_owed = False
        self._open: dict[NodeJobId, _Held] = {}
        self._answered: OrderedDict[NodeJobId, _Held] = OrderedDict()
        self._log = logger.bind(node_id=node_id)

    def __repr__(self) -> str:
        return f"<NodeActor {self.node_id} {self._phase.name} {self._epoch} open={len(self._open)}>"

    @property
    def open_jobs(self) -> int:
        """How many assignments wait for an answer."""
        return len(self._open)

    def on_receive(self, message: Any) -> None:
        """Handle one message of the gateway or the dispatcher."""
        match message:
            case NodeSaid():
                self._on_said(message.message)
            case AssignJob():
                self._on_assign(message)
            case NodeHeartbeatArrived():
                self._on_heartbeat(message.message)
            case WithdrawJob():
                self._on_withdraw(message)
            case NodeRegistering():
                self._on_register(message)
            case NodeAccepted():
                self._on_accepted(message)
            case NodeUnknown():
                if self._phase is _Phase.ONLINE and message.epoch == self._epoch:
                    self._register_again()
            case StoreEmptied():
                if self._phase is not _Phase.SILENT:
                    self._register_again()
            case DispatcherRestarted():
                if self._phase is _Phase.REGISTERING:
                    self._register_again()
            case NodeSocketLost():
                self._on_socket_lost(message)
            case _:
                raise TypeError(f"{self!r} cannot handle {type(message).__name__}")

    # ---- registration and life --------------------------------------------------------------

    def _on_register(self, message: NodeRegistering) -> None:
        """Take the socket over; an older one of the same node no longer speaks for it."""
        if self._outbox is not None and self._outbox is not message.outbox:
            self._log.info("node came back on another socket", open_jobs=len(self._open))
        self._outbox = message.outbox
        self._register = message.message
        self._languages = languages(message.message.language_capabilities)
        self._ack_owed = True
        self._arrive(message.message)

    def _arrive(self, register: NodeRegister) -> None:
        self._phase = _Phase.REGISTERING
        self._expect_beat()
        self._directory.dispatcher.tell(
            NodeArrived(
                node=self.actor_ref,
                node_id=self.node_id,
                languages=self._languages,
                max_jobs=register.max_concurrent_jobs or self._options.max_jobs_per_node,
                info={"version": register.version[:64], "platform": register.platform[:64]},
            )
        )

    def _on_accepted(self, message: NodeAccepted) -> None:
        """The store has it: the node may begin. It stays mute until it gets its id."""
        self._phase = _Phase.ONLINE
        self._epoch = message.epoch
        if self._ack_owed and self._outbox is not None:
            self._ack_owed = False
            self._outbox.send(
                NodeRegisterAck(node_id=self.node_id, message="registered", status="registered")
            )
        self._log.info("node registered", epoch=message.epoch, languages=self._languages)

    def _register_again(self) -> None:
        if self._register is not None:
            self._log.warning("the store does not know the node; registering it again")
            self._arrive(self._register)

    def _on_heartbeat(self, heartbeat: NodeHeartbeat) -> None:
        self._expect_beat()
        said = heartbeat.language_capabilities
        changed = said is not None and languages(said) != self._languages
        if changed:
            self._languages = languages(said)
        if self._phase is _Phase.SILENT and self._register is not None:
            self._log.info("node is heard again")
            self._arrive(self._register)
        elif self._phase is _Phase.ONLINE:
            if changed:
                self._directory.dispatcher.tell(
                    NodeChanged(self.node_id, self._epoch, self._languages)
                )
            overloaded = is_overloaded(heartbeat.resource_usage, self._options.resource_threshold)
            self._directory.dispatcher.tell(NodeBeat(self.node_id, self._epoch, overloaded))

    def _expect_beat(self) -> None:
        self.wake_at(self.now_ms() + self._options.node_timeout_ms)

    def on_wake(self, now_ms: float) -> None:  # noqa: ARG002 - there is one deadline only
        """No heartbeat for `node_timeout_ms`: the node is lost, its socket stays open."""
        if self._phase is not _Phase.SILENT:
            self._log.warning("node is silent; its jobs move")
            self._lose()

    def _on_socket_lost(self, message: NodeSocketLost) -> None:
        if message.outbox is not self._outbox:
            return  # the late end of a socket that was replaced removes nothing
        self._outbox = None
        if self._phase is not _Phase.SILENT:
            self._lose()
        self._directory.remove_node(self.node_id, self.actor_ref)
        self._log.info("node left")
        self.stop()

    def _lose(self) -> None:
        self._phase = _Phase.SILENT
        self._open.clear()
        self._answered.clear()
        self._directory.dispatcher.tell(NodeLost(self.node_id, self._epoch))

    def on_failure(self, *_exception: object) -> None:
        """A bug ended this actor: the node's jobs move; it may come back on another socket."""
        tell(self._directory.dispatcher, NodeLost(self.node_id, self._epoch))
        self._directory.remove_node(self.node_id, self.actor_ref)
        if self._outbox is not None:
            self._outbox.close(CloseCode.INTERNAL_ERROR, "the node's handling failed")

    # ---- jobs -------------------------------------------------------------------------------

    def _on_assign(self, message: AssignJob) -> None:
        """Write the job to the socket; an assignment that is repeated is already in hand."""
        job_id = message.spec.job_id
        known_as = node_job_id(job_id, message.attempt, message.work.further_language)
        if known_as in self._open:
            return
        if self._outbox is None or not self._outbox.send(job_assign(message)):
            self._directory.dispatcher.tell(JobUndelivered(job_id, message.attempt, self.node_id))
            return
        self._open[known_as] = _Held(job_id, message.attempt, message.session)

    def _on_withdraw(self, message: WithdrawJob) -> None:
        """Forget the attempt and ask the node to stop; it may answer all the same."""
        for known_as, held in self._open.items():
            if held.job_id == message.job_id and held.attempt == message.attempt:
                del self._open[known_as]
                if self._outbox is not None:
                    self._outbox.send(JobCancel(job_id=known_as, reason=message.reason))
                return

    def _on_said(self, message: WireMessage) -> None:
        match message:
            case JobResult():
                self._on_result(message)
            case NodeAsrPartial():
                if held := self._open.get(NodeJobId(message.job_id)):
                    said = PartialArrived(held.job_id, held.attempt, message.text, message.is_final)
                    tell(held.session, said)
            case JobAck() | JobStarted():
                if held := self._open.get(NodeJobId(message.job_id)):
                    started = isinstance(message, JobStarted)
                    self._directory.dispatcher.tell(
                        JobAccepted(held.job_id, held.attempt, self.node_id, started=started)
                    )
            case NodeError():
                self._log.warning("node reports an error", code=message.code)

    def _on_result(self, result: JobResult) -> None:
        """Match by the job id this node was given, never by what else it echoes."""
        known_as = NodeJobId(result.job_id)
        held = self._open.pop(known_as, None)
        if held is not None:
            self._answered[known_as] = held
            if len(self._answered) > _ANSWERED_KEPT:
                self._answered.popitem(last=False)
        else:
            held = self._answered.get(known_as)
        if held is None:
            self._log.debug("result for a job this node does not have")
            return
        self._directory.dispatcher.tell(
            ResultArrived(held.job_id, held.attempt, self.node_id, result)
        )
