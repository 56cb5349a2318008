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
from actors.faults import NodeRefused
from actors.job_assignment import job_assign, node_job_id
from actors.job_result import goes_on
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
from actors.node_succession import NodeEstate, refusal
from actors.ports import Mailbox, Outbox
from actors.runtime import LoopActor, tell
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

_PAST_KEPT = 64
"""Ids a node has used up that are remembered: none is sent twice, and an empty result may be
followed by a full one."""
_SILENT = "node_silent"
_FAILED = "node_failed"


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
    may_go_on: bool
    """Its words may be answered without their translation, which comes with the turn's end."""


class NodeActor(LoopActor):
    """Owns one node's connection; open assignments and capacity are the store's business."""

    mailbox_limit = 256
    """A node that says more than this at once is not read meanwhile."""

    def __init__(
        self,
        node_id: NodeId,
        directory: Directory,
        options: NodeOptions,
        estate: NodeEstate | None = None,
    ) -> None:
        super().__init__()
        self.key = node_id
        self.node_id = node_id
        self._directory = directory
        self._options = options
        self._outbox: Outbox | None = None
        self._register: NodeRegister | None = None
        self._languages = Languages()
        """As the node says."""
        self._told_languages = self._languages
        """As the dispatcher knows them."""
        self._phase = _Phase.REGISTERING
        self._epoch = 0
        self._connections = 0
        self._ack_owed = False
        self._open: dict[NodeJobId, _Held] = {}
        self._past: OrderedDict[NodeJobId, tuple[JobId, int] | None] = OrderedDict()
        """Ids that it has used up; with their job and attempt where they were answered."""
        self._estate = estate
        self._log = logger.bind(node_id=node_id)

    def __repr__(self) -> str:
        return f"<NodeActor {self.node_id} {self._phase.name} {self._epoch} open={len(self._open)}>"

    @property
    def open_jobs(self) -> int:
        """How many assignments wait for an answer."""
        return len(self._open)

    def on_start(self) -> None:
        """Go on for an actor that failed: on its socket, under another epoch, without its jobs."""
        estate, self._estate = self._estate, None
        if estate is not None:
            self._outbox, self._register = estate.outbox, estate.register
            self._languages, self._ack_owed = estate.languages, estate.is_ack_owed
            self._past.update(dict.fromkeys(estate.used_ids))
            self._log.warning("a failed actor's node is registered again")
            self._arrive(estate.register)

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
            case NodeRefused():
                self._on_refused()
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
        self._connections += message.outbox is not self._outbox
        self._outbox = message.outbox
        self._register = message.message
        self._languages = languages(message.message.language_capabilities)
        self._ack_owed = True
        self._arrive(message.message)

    def _arrive(self, register: NodeRegister) -> None:
        self._phase = _Phase.REGISTERING
        self._told_languages = self._languages
        if self._ack_owed:
            self.wake_at(None)  # it says nothing before it has its id: its silence means nothing
        else:
            self._expect_beat()
        self._directory.dispatcher.tell(
            NodeArrived(
                node=self.actor_ref,
                node_id=self.node_id,
                languages=self._languages,
                max_jobs=register.max_concurrent_jobs or self._options.max_jobs_per_node,
                info={"version": register.version[:64], "platform": register.platform[:64]},
                connection=self._connections,
            )
        )

    def _on_accepted(self, message: NodeAccepted) -> None:
        """The store has it: the node may begin. It stays mute until it gets its id."""
        self._epoch = message.epoch
        if self._phase is _Phase.SILENT:  # the store was away for longer than the node was heard
            self._lose()
        else:
            self._phase = _Phase.ONLINE
            self._tell_languages()
        if self._ack_owed and self._outbox is not None:
            self._ack_owed = False
            self._expect_beat()
            self._outbox.send(
                NodeRegisterAck(node_id=self.node_id, message="registered", status="registered")
            )
        self._log.info("node registered", epoch=message.epoch, languages=self._languages)

    def _on_refused(self) -> None:
        """The dispatcher cannot take it on. The next heartbeat or registration tries again."""
        self._phase = _Phase.SILENT
        if self._ack_owed:
            self._send(refusal())

    def _register_again(self) -> None:
        if self._register is not None:
            self._log.warning("the store does not know the node; registering it again")
            self._arrive(self._register)

    def _on_heartbeat(self, heartbeat: NodeHeartbeat) -> None:
        self._expect_beat()
        said = heartbeat.language_capabilities
        if said is not None:
            self._languages = languages(said)
        if self._phase is _Phase.SILENT and self._register is not None:
            self._log.info("node is heard again")
            self._arrive(self._register)
        elif self._phase is _Phase.ONLINE:
            self._tell_languages()
            overloaded = is_overloaded(heartbeat.resource_usage, self._options.resource_threshold)
            self._directory.dispatcher.tell(NodeBeat(self.node_id, self._epoch, overloaded))

    def _tell_languages(self) -> None:
        if self._languages != self._told_languages:
            self._told_languages = self._languages
            self._directory.dispatcher.tell(NodeChanged(self.node_id, self._epoch, self._languages))

    def _expect_beat(self) -> None:
        self.wake_at(self.now_ms() + self._options.node_timeout_ms)

    def on_wake(self, now_ms: float) -> None:  # noqa: ARG002 - there is one deadline only
        """No heartbeat for `node_timeout_ms`: the node is lost, its socket stays open."""
        if self._phase is not _Phase.SILENT:
            self._log.warning("node is silent; its jobs move")
            for known_as in self._open:
                self._send(JobCancel(job_id=known_as, reason=_SILENT))
            self._lose()

    def _on_socket_lost(self, message: NodeSocketLost) -> None:
        if self._outbox is not None and message.outbox is not self._outbox:
            return  # the late end of a socket that was replaced removes nothing
        self._outbox = None
        self._lose()  # also when it was lost before: a registration may have come in between
        if len(self.actor_inbox):
            self.actor_ref.tell(message)  # what waits may be its registration on another socket
            return
        self._directory.remove_node(self.node_id, self.actor_ref)
        self._log.info("node left")
        self.stop()

    def _lose(self) -> None:
        self._phase = _Phase.SILENT
        self._open.clear()
        self._past.clear()
        self._directory.dispatcher.tell(NodeLost(self.node_id, self._epoch))

    def on_failure(self, *_exception: object) -> None:
        """A bug ended this actor: the node's jobs move.

        Its socket stays open, for the node may never come back on another one: a successor takes
        it over, or the node registers again with its next words.
        """
        dispatcher = self._directory.dispatcher
        self._directory.remove_node(self.node_id, self.actor_ref)
        for held in self._open.values():  # whatever epoch the store knows the node under
            tell(dispatcher, JobUndelivered(held.job_id, held.attempt, self.node_id))
        tell(dispatcher, NodeLost(self.node_id, self._epoch))
        for known_as in self._open:
            self._send(JobCancel(job_id=known_as, reason=_FAILED))

    def leave(self, _error: BaseException) -> NodeEstate | None:
        """Return the socket, if there is one."""
        if self._outbox is None or self._register is None:
            return None
        used_ids = (*self._past, *self._open)
        return NodeEstate(
            self._outbox, self._register, self._languages, used_ids, is_ack_owed=self._ack_owed
        )

    # ---- jobs -------------------------------------------------------------------------------

    def _on_assign(self, message: AssignJob) -> None:
        """Write the job to the socket; an assignment that is repeated is already in hand.

        One that was answered or withdrawn is not sent again, for a node takes an id once: another
        attempt is needed, because nobody knows what became of the answer.
        """
        job_id, work = message.spec.job_id, message.work
        known_as = node_job_id(job_id, message.attempt, work.further_language)
        if known_as in self._open:
            return
        if self._phase is _Phase.SILENT or known_as in self._past:
            self._directory.dispatcher.tell(JobUndelivered(job_id, message.attempt, self.node_id))
            return
        if not self._send(job_assign(message)):
            self._log.warning("node takes nothing any more; its jobs move")
            self._lose()  # first, or the job would come back
            self._directory.dispatcher.tell(JobUndelivered(job_id, message.attempt, self.node_id))
            return
        may_go_on = message.spec.turn_continues and work.pipeline.use_nmt
        self._open[known_as] = _Held(job_id, message.attempt, message.session, may_go_on)

    def _on_withdraw(self, message: WithdrawJob) -> None:
        """Forget the attempt and ask the node to stop; it may answer all the same."""
        for known_as, held in self._open.items():
            if held.job_id == message.job_id and held.attempt == message.attempt:
                del self._open[known_as]
                self._remember(known_as, None)
                if message.reason is not None:
                    self._send(JobCancel(job_id=known_as, reason=message.reason))
                return

    def _send(self, message: WireMessage) -> bool:
        return self._outbox is not None and self._outbox.send(message)

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
        held = self._open.get(known_as)
        if held is not None:
            job_id, attempt = held.job_id, held.attempt
            if not (held.may_go_on and goes_on(result)):
                del self._open[known_as]
                self._remember(known_as, (job_id, attempt))
        elif (answered := self._past.get(known_as)) is not None:
            job_id, attempt = answered
        else:
            self._log.debug("result for a job this node does not have")
            return
        self._directory.dispatcher.tell(ResultArrived(job_id, attempt, self.node_id, result))

    def _remember(self, known_as: NodeJobId, answered: tuple[JobId, int] | None) -> None:
        self._past[known_as] = answered
        if len(self._past) > _PAST_KEPT:
            self._past.popitem(last=False)
