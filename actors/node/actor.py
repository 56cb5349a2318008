"""NodeActor: one GPU node, its socket and the jobs it has in hand.

It owns the node's connection and where it stands with the store; its `Assignments` owns the jobs.
It knows nothing of the store: what the node sends goes on to the dispatcher.

Life: made at the first `node_register`, re-used when the same node comes back on another socket
before its loss was noticed, ended when its socket is gone.
"""

from enum import Enum, auto
from typing import assert_never

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
    NodeIsAlive,
    NodeLost,
    NodeMessageArrived,
    NodeRefused,
    NodeRegistering,
    NodeSocketLost,
    NodeSuperseded,
    NodeUnknown,
    NodeUpdated,
    ProbeNode,
    SlotsListed,
    UndrainNode,
)
from actors.messages.process import DispatcherRestarted, InstanceReaped, StoreEmptied
from actors.messages.stream import StreamCut, StreamFrame
from actors.node.assignments import Assignments
from actors.node.drain import NodeDrain
from actors.node.id_check import IdCheck, id_in_use
from actors.node.inbound import NodeActorMessage
from actors.node.load import is_overloaded
from actors.node.options import NodeOptions
from actors.node.registration import Registration
from actors.node.streams import AudioPart
from actors.node.succession import NodeHandover, refusal
from actors.ports import Outbox
from actors.runtime.actor import LoopActor, tell
from actors.runtime.alarm import earliest
from protocol.errors import CloseCode
from protocol.ids import NodeId
from protocol.messages.node_inbound import NodeHeartbeat
from protocol.messages.node_outbound import NodeRegisterAck
from protocol.wire import WireMessage

_SILENT = "node_silent"
_FAILED = "node_failed"
_UNLESS_ELSEWHERE = 1  # as known epoch: an instance that knows it under a later one keeps it


class _Phase(Enum):
    """Where the node stands with the store."""

    REGISTERING = auto()
    ONLINE = auto()
    SILENT = auto()
    """No heartbeat in time, or connected elsewhere: back with its next heartbeat."""


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
        self._assignments = Assignments(node_id, directory, self._send, self.now_ms, options)
        self._id_check = IdCheck(node_id, directory, options.node_probe_ms)
        self._silent_at_ms: float | None = None
        """When the node is lost if nothing is heard of it; None: its silence means nothing."""
        self._drain = NodeDrain(self._registration, directory, self._release, self._send)
        self._handover = handover
        self._log = logger.bind(node_id=node_id)

    def __repr__(self) -> str:
        return f"<NodeActor {self.node_id} {self._phase.name} open={self.open_jobs}>"

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

    def on_receive(self, message: NodeActorMessage) -> None:  # noqa: C901, PLR0912, PLR0915
        """Handle one message of the gateway, the dispatcher or another instance."""
        match message:
            case NodeMessageArrived():
                self._assignments.node_message(message.message)
                if self._drain.is_begun:
                    self._drain.ended(self._epoch, len(self._assignments))
            case AssignJob():
                self._on_assign(message)
            case WithdrawJob():
                self._assignments.withdraw(message)
                if self._drain.is_begun:
                    self._drain.ended(self._epoch, len(self._assignments))
            case NodeHeartbeatArrived():
                self._on_heartbeat(message.message)
            case NodeRegistering():
                self._on_register(message)
            case NodeAccepted():
                self._on_accepted(message)
            case NodeRefused():
                self._on_refused(message)
            case NodeUnknown():
                if self._phase is _Phase.ONLINE and message.epoch == self._epoch:
                    self._register_again()
            case NodeUpdated():
                self._on_updated(message)
            case NodeSocketLost():
                self._on_socket_lost(message)
            case StoreEmptied():
                if self._phase is not _Phase.SILENT:
                    self._register_again()
            case DispatcherRestarted():
                self._on_dispatcher_restarted()
            case KeepJob():
                if self._phase is not _Phase.SILENT:
                    self._assignments.keep(message)
            case StreamFrame() | StreamCut() | SlotsListed() | InstanceReaped():
                if self._assignments.take(message, self.now_ms()):
                    self._arm()
            case NodeSuperseded():
                self._on_superseded(message)
            case ProbeNode():
                self._id_check.asked(message, self._outbox, self.now_ms())
                self._arm()
            case NodeIsAlive():
                self._on_alive_elsewhere()
            case DrainNode() | UndrainNode():
                self._drain.request(message, self._epoch if self._phase is _Phase.ONLINE else 0)
            case NodeDrained():
                if message.epoch == self._epoch:  # else it registered again, and is drained again
                    self._drain.drained(self.actor_ref, len(self._assignments))
            case Flushed():
                self._drain.flushed(len(self._assignments))
            case _:
                assert_never(message)

    # ---- registration and life --------------------------------------------------------------

    def _on_register(self, message: NodeRegistering) -> None:
        """Take the socket over, unless another one of the same node is alive."""
        if self._outbox is not None and message.outbox is not self._outbox:
            self._id_check.claim(message, self._outbox, self.now_ms())
            self._arm()
        else:
            self._take_socket(message)

    def _take_socket(self, message: NodeRegistering) -> None:
        is_another_socket = message.outbox is not self._outbox
        if self._outbox is not None and is_another_socket:
            self._log.info("node came back on another socket", open_jobs=self.open_jobs)
            self._assignments.streams.break_all("another_socket")
        self._outbox = message.outbox
        self._registration.registered(
            message.message, message.credential, is_another_socket=is_another_socket
        )
        self._assignments.languages = self._registration.languages
        self._arrive(_UNLESS_ELSEWHERE)

    def _arrive(self, known_epoch: int) -> None:
        register = self._registration.register
        if register is None:
            return
        self._phase = _Phase.REGISTERING
        if self._registration.acks_owed:
            self._silent_at_ms = None  # it is mute until it has its id
        else:
            self._expect_beat()
        self._assignments.max_jobs = max_jobs = (
            register.max_concurrent_jobs or self._options.max_jobs_per_node
        )
        self._registration.arrive(self.actor_ref, max_jobs, known_epoch)

    def _on_accepted(self, message: NodeAccepted) -> None:
        """The store has it: the node may begin. It stays mute until it gets its id."""
        self._epoch = self._assignments.epoch = message.epoch
        if self._phase is _Phase.SILENT:  # the store was away for longer than the node was heard
            self._lose()
        else:
            self._phase = _Phase.ONLINE
            self._registration.change(self._epoch)
        if self._registration.acks_owed and self._outbox is not None:
            self._expect_beat()
            ack = NodeRegisterAck(node_id=self.node_id, message="registered", status="registered")
            self._registration.answer(self._send, ack)
        self._drain.registered(self._epoch, is_held=message.is_held)
        self._log.info("node registered", epoch=self._epoch, languages=self._assignments.languages)
        self._on_answered()

    def _on_answered(self) -> None:
        """Tell the dispatcher of a registration that came while one was under way."""
        known_epoch = self._registration.answered()
        if known_epoch is not None and self._outbox is not None:
            self._arrive(known_epoch)

    def _on_refused(self, message: NodeRefused) -> None:
        """The dispatcher does not take it on. The next heartbeat or registration tries again."""
        self._phase = _Phase.SILENT
        self._log.warning("node is refused", is_taken=message.is_taken)
        self._registration.refused(self._send, refusal(is_taken=message.is_taken))
        self._on_answered()

    def _on_dispatcher_restarted(self) -> None:
        self._registration.restart()
        if self._phase is _Phase.REGISTERING:
            self._register_again()
        elif self._phase is _Phase.ONLINE:
            self._registration.change(self._epoch)

    def _register_again(self) -> None:
        self._log.warning("the store does not know the node; registering it again")
        self._arrive(self._epoch)

    def _on_superseded(self, message: NodeSuperseded) -> None:
        """It is connected elsewhere: the socket here is an old one, or must show that it may be.

        The node's jobs went along with it; only a message of its own here brings it back.
        """
        if self._registration.acks_owed and not self._id_check.is_asking_elsewhere:
            self._registration.answered()
            if self._id_check.ask_elsewhere(message.owner, self.now_ms()):
                self._arm()
            else:
                self._arrive(known_epoch=0)
            return
        self._log.info("node is connected to another instance")
        self._phase = _Phase.SILENT
        self._assignments.clear()
        self._on_answered()

    def _on_alive_elsewhere(self) -> None:
        """The other instance's socket is alive: this one gets nothing."""
        if self._id_check.is_asking_elsewhere:
            self._id_check.end_elsewhere()
            self._log.warning("the node is connected to another instance, and alive there")
            self._registration.answer(self._send, id_in_use(self.node_id))
            self._phase, self._outbox = _Phase.SILENT, None
            self._leave()

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
            speed = self._assignments.speed.report(self.now_ms())
            self._directory.dispatcher.tell(NodeBeat(self.node_id, self._epoch, overloaded, speed))

    def _on_updated(self, message: NodeUpdated) -> None:
        if message.epoch == self._epoch:
            self._registration.changed()
            if self._phase is _Phase.ONLINE:
                self._registration.change(self._epoch)

    def _expect_beat(self) -> None:
        self._silent_at_ms = self.now_ms() + self._options.node_timeout_ms
        self._arm()

    def _arm(self) -> None:
        if self._outbox is not None:
            look_ms = self._id_check.next_look_ms(self.now_ms())
            self.wake_at(earliest(self._silent_at_ms, look_ms, self._assignments.streams.due_ms))

    def on_wake(self, now_ms: float) -> None:
        """Its silence has lasted for too long, or it is time to look who answers a probe."""
        if self._outbox is None:
            self._leave()
            return
        if self._silent_at_ms is not None and now_ms >= self._silent_at_ms:
            self._silent_at_ms = None
            self._on_silence()
        second = self._id_check.take_second(self._outbox, now_ms)
        if second is not None:
            self._take_socket(second)
        if self._id_check.is_over_elsewhere(now_ms):
            self._id_check.end_elsewhere()
            self._arrive(known_epoch=0)
        self._assignments.poll(now_ms)
        self._arm()

    def _on_silence(self) -> None:
        """No heartbeat for `node_timeout_ms`: the node is lost, its socket stays open."""
        if self._phase is not _Phase.SILENT:
            self._log.warning("node is silent; its jobs move")
            self._assignments.cancel_all(_SILENT)
            self._lose()

    def _on_socket_lost(self, message: NodeSocketLost) -> None:
        second = self._id_check.second
        if second is not None and second.outbox is message.outbox:
            self._id_check.second = None
        if message.outbox is not self._outbox:
            return  # the late end of a socket that was replaced removes nothing
        self._outbox = None
        self._id_check.end_elsewhere()
        self._lose()  # also when it was lost before: a registration may have come in between
        second = self._id_check.take_second(None, self.now_ms())
        if second is not None:
            self._take_socket(second)
        else:
            self._leave()

    def _leave(self) -> None:
        """End, unless what waits here may be the node's registration on another socket."""
        if len(self.actor_inbox):
            self.wake_at(self.now_ms())  # a message to itself would find another such one waiting
            return
        self._directory.remove_node(self.node_id, self.actor_ref)
        self._log.info("node left")
        self.wake_at(None)
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
        """A bug ended this actor: the node's jobs move; its socket stays open, for a successor."""
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

    def _on_assign(self, message: AssignJob) -> None:
        if self._phase is _Phase.SILENT:
            self._assignments.undelivered(message)
        elif not self._assignments.assign(message):
            self._log.warning("node takes nothing any more; its jobs move")
            self._lose()  # first, or the job would come back
            self._assignments.undelivered(message)

    def _send(self, message: WireMessage | bytes | AudioPart) -> bool:
        if isinstance(message, AudioPart):
            return self._outbox is not None and self._outbox.send_frame(*message)
        return self._outbox is not None and self._outbox.send(message)
