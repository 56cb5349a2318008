"""NodeActor: one GPU node, its socket and the jobs it has in hand.

It owns the node's connection and where it stands with the store; its `Assignments` owns the jobs.
It knows nothing of the store: what the node sends is told to the dispatcher.

Life: made at the first `node_register`, re-used when the same node comes back on another socket
before its loss was noticed, ended when its socket is gone.
"""

from enum import Enum, auto
from typing import TypeAlias, assert_never

from loguru import logger

from actors.directory import Directory
from actors.messages.job import AssignJob, KeepJob, WithdrawJob
from actors.messages.link import Flushed
from actors.messages.node import (
    DrainNode,
    NodeAccepted,
    NodeBeat,
    NodeDrained,
    NodeHeartbeatArrived,
    NodeLost,
    NodeMessageArrived,
    NodeRefused,
    NodeRegistering,
    NodeSocketLost,
    NodeSuperseded,
    NodeUnknown,
    NodeUpdated,
    SlotsListed,
)
from actors.messages.process import DispatcherRestarted, InstanceReaped, StoreEmptied
from actors.node.assignments import Assignments
from actors.node.drain import NodeDrain
from actors.node.load import is_overloaded
from actors.node.options import NodeOptions
from actors.node.registration import Registration
from actors.node.succession import NodeHandover, refusal
from actors.ports import Outbox
from actors.runtime.actor import LoopActor, tell
from protocol.errors import CloseCode
from protocol.ids import NodeId
from protocol.node_inbound import NodeHeartbeat
from protocol.node_outbound import NodeRegisterAck
from protocol.wire import WireMessage

_SILENT = "node_silent"
_FAILED = "node_failed"


class _Phase(Enum):
    """Where the node stands with the store."""

    REGISTERING = auto()
    ONLINE = auto()
    SILENT = auto()
    """No heartbeat in time, or connected elsewhere: back with its next heartbeat."""


NodeActorMessage: TypeAlias = (
    NodeMessageArrived
    | AssignJob
    | WithdrawJob
    | NodeHeartbeatArrived
    | NodeRegistering
    | NodeAccepted
    | NodeRefused
    | NodeUnknown
    | NodeUpdated
    | NodeSocketLost
    | StoreEmptied
    | DispatcherRestarted
    | KeepJob
    | SlotsListed
    | InstanceReaped
    | NodeSuperseded
    | DrainNode
    | NodeDrained
    | Flushed
)
"""All that a node's actor is told."""


class NodeActor(LoopActor):
    """Owns one node's connection; open assignments and capacity are the store's business."""

    mailbox_limit = 256
    """A node that sends more than this at once is not read meanwhile."""

    def __init__(
        self,
        node_id: NodeId,
        directory: Directory,
        options: NodeOptions,
        handover: NodeHandover | None = None,
    ) -> None:
        super().__init__()
        self.key = node_id
        self.node_id = node_id
        self._directory = directory
        self._options = options
        self._outbox: Outbox | None = None
        self._registration = Registration(node_id, directory)
        self._phase = _Phase.REGISTERING
        self._epoch = 0
        self._assignments = Assignments(node_id, directory, self._send, options.max_jobs_per_node)
        self._drain = NodeDrain(node_id, directory, self._release)
        self._handover = handover
        self._log = logger.bind(node_id=node_id)

    def __repr__(self) -> str:
        phase, open_jobs = self._phase.name, len(self._assignments)
        return f"<NodeActor {self.node_id} {phase} {self._epoch} open={open_jobs}>"

    @property
    def open_jobs(self) -> int:
        """How many assignments wait for an answer."""
        return len(self._assignments)

    def on_start(self) -> None:
        """Go on for an actor that failed: on its socket, under another epoch, without its jobs."""
        handover, self._handover = self._handover, None
        if handover is not None:
            self._outbox, registration = handover.outbox, self._registration
            registration.registered(handover.register, handover.credential, is_another_socket=False)
            registration.languages = self._assignments.languages = handover.languages
            registration.acks_owed = handover.acks_owed
            self._assignments.adopt(handover.used_ids)
            self._log.warning("a failed actor's node is registered again")
            self._arrive(known_epoch=0)

    def on_receive(  # noqa: C901, PLR0912 - one line per message
        self, message: NodeActorMessage
    ) -> None:
        """Handle one message of the gateway, the dispatcher or another instance."""
        match message:
            case NodeMessageArrived():
                self._on_node_message(message)
            case AssignJob():
                self._on_assign(message)
            case WithdrawJob():
                self._on_withdraw(message)
            case NodeHeartbeatArrived():
                self._on_heartbeat(message.message)
            case NodeRegistering():
                self._on_register(message)
            case NodeAccepted():
                self._on_accepted(message)
            case NodeRefused():
                self._on_refused(message)
            case NodeUnknown():
                self._on_unknown(message)
            case NodeUpdated():
                self._on_updated(message)
            case NodeSocketLost():
                self._on_socket_lost(message)
            case StoreEmptied():
                self._on_store_emptied()
            case DispatcherRestarted():
                self._on_dispatcher_restarted()
            case KeepJob():
                self._on_keep(message)
            case SlotsListed():
                self._assignments.slots_listed(message)
            case InstanceReaped():
                self._assignments.give_back()
            case NodeSuperseded():
                self._on_superseded()
            case DrainNode():
                self._drain.begin(self._epoch if self._phase is _Phase.ONLINE else 0)
            case NodeDrained():
                self._on_drained(message)
            case Flushed():
                self._drain.flushed(len(self._assignments))
            case _:
                assert_never(message)

    # ---- registration and life --------------------------------------------------------------

    def _on_register(self, message: NodeRegistering) -> None:
        """Take the socket over; an older one of the same node no longer speaks for it."""
        if self._outbox is not None and self._outbox is not message.outbox:
            self._log.info("node came back on another socket", open_jobs=len(self._assignments))
        is_another_socket = message.outbox is not self._outbox
        self._outbox = message.outbox
        self._registration.registered(
            message.message, message.credential, is_another_socket=is_another_socket
        )
        self._assignments.languages = self._registration.languages
        self._arrive(known_epoch=0)

    def _arrive(self, known_epoch: int) -> None:
        register = self._registration.register
        if register is None:
            return
        self._phase = _Phase.REGISTERING
        if self._registration.acks_owed:
            self.wake_at(None)  # it sends nothing before it has its id: its silence means nothing
        else:
            self._expect_beat()
        max_jobs = register.max_concurrent_jobs or self._options.max_jobs_per_node
        self._assignments.max_jobs = max_jobs
        self._registration.arrive(self.actor_ref, max_jobs, known_epoch)

    def _on_accepted(self, message: NodeAccepted) -> None:
        """The store has it: the node may begin. It stays mute until it gets its id."""
        self._epoch = self._assignments.epoch = message.epoch
        if self._phase is _Phase.SILENT:  # the store was away for longer than the node was heard
            self._lose()
        else:
            self._phase = _Phase.ONLINE
            self._registration.change(self._epoch)
            self._drain.registered(self._epoch)
        if self._registration.acks_owed and self._outbox is not None:
            self._expect_beat()
            self._answer_registrations(
                NodeRegisterAck(node_id=self.node_id, message="registered", status="registered")
            )
        self._log.info(
            "node registered", epoch=message.epoch, languages=self._registration.languages
        )
        self._on_answered()

    def _answer_registrations(self, answer: NodeRegisterAck) -> None:
        owed, self._registration.acks_owed = self._registration.acks_owed, 0
        for _ in range(owed):
            self._send(answer)

    def _on_answered(self) -> None:
        """Tell the dispatcher of a registration that came while one was under way."""
        known_epoch = self._registration.answered()
        if known_epoch is not None and self._outbox is not None:
            self._arrive(known_epoch)

    def _on_refused(self, message: NodeRefused) -> None:
        """The dispatcher does not take it on. The next heartbeat or registration tries again."""
        self._phase = _Phase.SILENT
        self._log.warning("node is refused", is_taken=message.is_taken)
        if self._registration.acks_owed:
            self._answer_registrations(refusal(is_taken=message.is_taken))
            self._registration.acks_owed = 1  # what tries again is answered, too
        self._on_answered()

    def _on_unknown(self, message: NodeUnknown) -> None:
        if self._phase is _Phase.ONLINE and message.epoch == self._epoch:
            self._register_again()

    def _on_store_emptied(self) -> None:
        if self._phase is not _Phase.SILENT:
            self._register_again()

    def _on_dispatcher_restarted(self) -> None:
        self._registration.restart()
        if self._phase is _Phase.REGISTERING:
            self._register_again()
        elif self._phase is _Phase.ONLINE:
            self._registration.change(self._epoch)

    def _register_again(self) -> None:
        self._log.warning("the store does not know the node; registering it again")
        self._arrive(self._epoch)

    def _on_superseded(self) -> None:
        """The node's jobs went along with it; only a message of its own here brings it back."""
        self._log.info("node is connected to another instance")
        self._phase = _Phase.SILENT
        self._assignments.clear()
        self._on_answered()

    def _on_heartbeat(self, heartbeat: NodeHeartbeat) -> None:
        if self._outbox is None:
            return  # its socket is gone
        self._expect_beat()
        self._registration.heard(heartbeat.language_capabilities)
        self._assignments.languages = self._registration.languages
        if self._phase is _Phase.SILENT:
            self._log.info("node is heard again")
            self._arrive(self._epoch)
        elif self._phase is _Phase.ONLINE:
            self._registration.change(self._epoch)
            overloaded = is_overloaded(heartbeat.resource_usage, self._options.resource_threshold)
            self._directory.dispatcher.tell(NodeBeat(self.node_id, self._epoch, overloaded))

    def _on_updated(self, message: NodeUpdated) -> None:
        if message.epoch == self._epoch:
            self._registration.changed()
            if self._phase is _Phase.ONLINE:
                self._registration.change(self._epoch)

    def _expect_beat(self) -> None:
        self.wake_at(self.now_ms() + self._options.node_timeout_ms)

    def on_wake(self, now_ms: float) -> None:  # noqa: ARG002 - there is one deadline only
        """No heartbeat for `node_timeout_ms`: the node is lost, its socket stays open."""
        if self._outbox is None:
            self._leave()
        elif self._phase is not _Phase.SILENT:
            self._log.warning("node is silent; its jobs move")
            self._assignments.cancel_all(_SILENT)
            self._lose()

    def _on_socket_lost(self, message: NodeSocketLost) -> None:
        if message.outbox is not self._outbox:
            return  # the late end of a socket that was replaced removes nothing
        self._outbox = None
        self._lose()  # also when it was lost before: a registration may have come in between
        self._leave()

    def _leave(self) -> None:
        """End, unless what waits here may be the node's registration on another socket."""
        if len(self.actor_inbox):
            self.wake_at(self.now_ms())  # a message to itself would find another such one waiting
            return
        self._directory.remove_node(self.node_id, self.actor_ref)
        self._log.info("node left")
        self.stop()

    def _release(self) -> None:
        if self._outbox is not None:
            self._log.info("node has finished here; it may go to another instance")
            self._outbox.close(CloseCode.SERVICE_RESTART, "the service restarts")

    def _lose(self) -> None:
        self._phase = _Phase.SILENT
        self._assignments.clear()
        self._directory.dispatcher.tell(NodeLost(self.node_id, self._epoch))

    def on_failure(self, *_exception: object) -> None:
        """A bug ended this actor: the node's jobs move.

        Its socket stays open, for the node may never come back on another one: a successor takes
        it over, or the node registers again with its next message.
        """
        self._directory.remove_node(self.node_id, self.actor_ref)
        self._assignments.give_all_back()
        tell(self._directory.dispatcher, NodeLost(self.node_id, self._epoch))
        self._assignments.cancel_all(_FAILED)

    def handover(self, _error: BaseException) -> NodeHandover | None:
        """Return the socket, if there is one."""
        registration = self._registration
        if self._outbox is None or registration.register is None:
            return None
        return NodeHandover(
            self._outbox,
            registration.register,
            registration.languages,
            self._assignments.used_ids,
            acks_owed=registration.acks_owed,
            credential=registration.credential,
        )

    # ---- jobs -------------------------------------------------------------------------------

    def _on_node_message(self, message: NodeMessageArrived) -> None:
        self._assignments.node_message(message.message)
        if self._drain.is_begun:
            self._drain.ended(self._epoch, len(self._assignments))

    def _on_withdraw(self, message: WithdrawJob) -> None:
        self._assignments.withdraw(message)
        if self._drain.is_begun:
            self._drain.ended(self._epoch, len(self._assignments))

    def _on_keep(self, message: KeepJob) -> None:
        if self._phase is not _Phase.SILENT:
            self._assignments.keep(message)

    def _on_drained(self, message: NodeDrained) -> None:
        if message.epoch == self._epoch:  # else it registered again, and is drained again
            self._drain.drained(self.actor_ref, len(self._assignments))

    def _on_assign(self, message: AssignJob) -> None:
        if self._phase is _Phase.SILENT:
            self._assignments.undelivered(message)
        elif not self._assignments.assign(message):
            self._log.warning("node takes nothing any more; its jobs move")
            self._lose()  # first, or the job would come back
            self._assignments.undelivered(message)

    def _send(self, message: WireMessage | bytes) -> bool:
        return self._outbox is not None and self._outbox.send(message)
