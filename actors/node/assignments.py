"""Assignments: the jobs that one node has in hand, on behalf of its actor.

It knows how the node names its jobs, who is owed each answer, and how many slots the node takes.
What the node reports of a job goes to the dispatcher that drives it, which alone decides whether it
still counts. It lets go of a job's audio as soon as the assignment is written.

Messages of other instances come by other ways than those of this one's dispatcher: a job for a
freed slot may be here before the message that freed it. It waits then; a node never has more than
it takes.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from loguru import logger

from actors.directory import Directory
from actors.messages.job import (
    AssignJob,
    JobAccepted,
    JobUndelivered,
    KeepJob,
    PartialArrived,
    ResultArrived,
    WithdrawJob,
)
from actors.messages.node import Languages, SlotsListed, SlotsWanted
from actors.messages.process import InstanceReaped
from actors.messages.stream import StreamCut, StreamFrame
from actors.node.held_jobs import Held, HeldJobs
from actors.node.job_names import job_assign, job_of, node_job_id
from actors.node.options import NodeOptions
from actors.node.speed import Speed
from actors.node.streams import AudioPart, NodeStreams
from actors.ownership import Foreign
from actors.ports import Mailbox
from actors.runtime.actor import tell
from actors.verdict import goes_on, is_full
from protocol.ids import InstanceId, JobId, NodeId, NodeJobId
from protocol.messages.node_inbound import JobAck, JobResult, JobStarted, NodeAsrPartial, NodeError
from protocol.messages.node_outbound import JobCancel
from protocol.wire import WireMessage

_GIVEN_UP = "given_up"
_STREAM_BROKEN = "stream_broken"


class Assignments:
    """Life: that of its actor. Every assignment is written, or answered as undelivered."""

    def __init__(
        self,
        node_id: NodeId,
        directory: Directory,
        send: Callable[[WireMessage | bytes | AudioPart], bool],
        now_ms: Callable[[], float],
        options: NodeOptions,
    ) -> None:
        self.max_jobs = 0
        """The node's capacity in slots, from its registration on."""
        self.epoch = 0
        """Under which the store knows the node."""
        self.languages = Languages()
        """What the node serves, as it writes it."""
        self._node_id = node_id
        self._directory = directory
        self._send = send
        self._now_ms = now_ms
        self.speed = Speed()
        """How long it takes, as far as it was seen here."""
        self._held = HeldJobs()
        self.streams = NodeStreams(node_id, send, self._tell_owner, options.stream_lag_ms)
        """What the node hears while it is spoken."""
        self._waiting: deque[AssignJob] = deque()
        """Assignments beyond the capacity, until it is known what freed their slots."""
        self._log = logger.bind(node_id=node_id)

    def __len__(self) -> int:
        return len(self._held)

    # ---- what dispatchers tell ---------------------------------------------------------------

    def assign(self, message: AssignJob) -> bool:
        """Write the job to the socket; an assignment that is repeated is already in hand.

        Who repeats it may be another one than before: the session has moved, and the job with it.
        One that was answered or withdrawn is not sent again, for a node takes an id once: another
        attempt is needed, because nobody knows what became of the answer. False: the socket takes
        nothing any more, and the job is still to be answered.
        """
        known_as = node_job_id(message.spec.job_id, message.attempt, message.work.further_language)
        held = self._held
        if known_as in held.open:
            held.follow(known_as, message.session, message.owner)
        elif known_as in held.past:
            self.undelivered(message)
        elif message.streaming:
            return self._begin_stream(message, known_as)
        elif self._waiting or not (len(held.slots) < self.max_jobs or self._has_slot_for(message)):
            self._wait_for_slot(message)
        else:
            return self._give(message, known_as)
        return True

    def _begin_stream(self, message: AssignJob, known_as: NodeJobId) -> bool:
        """Nothing waits with what is spoken: without a slot here its session is told at once."""
        is_given = not self._waiting and self._has_slot_for(message)
        is_given = is_given and self._give(message, known_as)
        self.streams.begin(message.spec.job_id, known_as, message.owner)
        if not is_given:
            self.streams.break_off(message.spec.job_id, "no_slot")
        return True

    def take(
        self, message: StreamFrame | StreamCut | SlotsListed | InstanceReaped, now_ms: float
    ) -> bool:
        """Take what is spoken, its end, or what the store knows of the node's slots.

        Return whether something waits now for the node to read.
        """
        match message:
            case StreamFrame():
                self._stream_broken(self.streams.frame(message, now_ms))
                return self.streams.due_ms is not None
            case StreamCut():
                self._stream_broken(self.streams.end(message, now_ms))
                return self.streams.due_ms is not None
            case SlotsListed():
                self.slots_listed(message)
            case InstanceReaped():
                self.give_back()
        return False

    def poll(self, now_ms: float) -> None:
        """Write what waits for the node to read, or give it up."""
        for broken in self.streams.poll(now_ms):
            self._stream_broken(broken)

    def _stream_broken(self, known_as: NodeJobId | None) -> None:
        if known_as is not None and known_as in self._held.open:
            self._take_back(known_as, _STREAM_BROKEN)

    def undelivered(self, message: AssignJob) -> None:
        """Tell the job's owner that the node does not get it."""
        answer = JobUndelivered(message.spec.job_id, message.attempt, self._node_id)
        self._tell_owner(message.owner, answer)

    def keep(self, message: KeepJob) -> None:
        """The node came with this job from another instance; it may have answered already."""
        known_as = node_job_id(message.spec.job_id, message.attempt, message.work.further_language)
        if known_as not in self._held.open and known_as not in self._held.past:
            session = self._directory.session_at(message.owner, message.spec.session_id)
            self._held.hold(known_as, _held(message, session))

    def withdraw(self, message: WithdrawJob) -> None:
        """Forget the attempt and ask the node to stop; it may answer all the same."""
        known_as = self._held.attempt_of(message.job_id, message.attempt)
        if known_as is not None:
            self._take_back(known_as, message.reason)
            self._assign_waiting()
        elif self._waiting:
            left = (message.job_id, message.attempt)
            self._waiting = deque(
                other for other in self._waiting if (other.spec.job_id, other.attempt) != left
            )

    def cancel_all(self, reason: str) -> None:
        """Ask the node to stop with everything."""
        for known_as, _ in self._held:
            self._send(JobCancel(job_id=known_as, reason=reason))

    @property
    def used_ids(self) -> tuple[NodeJobId, ...]:
        """Ids that the node has seen lately: it takes none of them again."""
        return self._held.used_ids

    def adopt(self, used_ids: Iterable[NodeJobId]) -> None:
        """Go on for an actor that failed: the node has seen these ids."""
        for known_as in used_ids:
            self._held.use_up(known_as, None)

    def give_all_back(self) -> None:
        """The actor failed: all jobs move, whatever epoch the store knows the node under."""
        for _, held in self._held:
            answer = JobUndelivered(held.job_id, held.attempt, self._node_id)
            self._tell_owner(held.owner, answer)
        for message in self._waiting:
            self.undelivered(message)
        self.streams.break_all("node_failed")

    def give_back(self) -> None:
        """Take jobs of other instances back from the node: their owners may have moved them."""
        for known_as, held in self._held:
            if held.owner not in ("", self._directory.instance_id):
                self._take_back(known_as, _GIVEN_UP)
                answer = JobUndelivered(held.job_id, held.attempt, self._node_id)
                self._tell_owner(held.owner, answer)

    def clear(self) -> None:
        """Forget everything: the node is lost, or elsewhere."""
        self._held.clear()
        self.streams.break_all("node_lost")
        waiting, self._waiting = self._waiting, deque()
        for message in waiting:
            self.undelivered(message)

    def _give(self, message: AssignJob, known_as: NodeJobId) -> bool:
        if not self._send(job_assign(message, known_as, self.languages)):
            return False
        since_ms = None if message.spec.turn_part or message.spec.turn_continues else self._now_ms()
        self._held.hold(known_as, _held(message, message.session, since_ms))
        if self._directory.traces is not None:
            context, node_id = message.work.traceparent, self._node_id
            self._directory.traces.given(message.spec.job_id, message.attempt, node_id, context)
        return True

    def _take_back(self, known_as: NodeJobId, reason: str | None) -> None:
        held = self._held.open.get(known_as)
        if held is not None:
            self.streams.drop(held.job_id)
        self._held.end(known_as, is_answered=False)
        if reason is not None:
            self._send(JobCancel(job_id=known_as, reason=reason))

    def _tell_owner(self, owner: InstanceId, message: Any) -> None:
        """Tell whoever drives the job; what it loses by this it finds out by its deadlines."""
        directory = self._directory
        is_here = not owner or owner == directory.instance_id
        dispatcher = directory.dispatcher if is_here else directory.dispatcher_at(owner)
        if dispatcher is not None:
            tell(dispatcher, message)
        elif isinstance(message, ResultArrived):
            tell(self._directory.dispatcher, message)  # another one may drive the job by now

    # ---- what the node sends -----------------------------------------------------------------

    def node_message(self, message: WireMessage) -> None:
        """Take what the node sends about jobs."""
        match message:
            case JobResult():
                self._on_result(message)
            case NodeAsrPartial():
                held = self._held.open.get(NodeJobId(message.job_id))
                if held is not None and held.session is not None:
                    tell(held.session, _partial(held.job_id, held.attempt, message))
            case JobAck() | JobStarted():
                self._on_progress(NodeJobId(message.job_id), isinstance(message, JobStarted))
            case NodeError():
                self._log.warning("node reports an error", code=message.code)

    def _on_progress(self, known_as: NodeJobId, started: bool) -> None:  # noqa: FBT001 - one caller
        """Tell it once: each further time would cost a script, and say nothing."""
        held = self._held.open.get(known_as)
        if held is not None and self._held.is_news(known_as, started=started):
            accepted = JobAccepted(held.job_id, held.attempt, self._node_id, started=started)
            self._tell_owner(held.owner, accepted)

    def _on_result(self, result: JobResult) -> None:
        """Match by the job id this node was given, never by what else it echoes."""
        known_as = NodeJobId(result.job_id)
        held = self._held.open.get(known_as)
        if held is None:
            self._on_known_result(known_as, result)
            return
        if held.job_id in self.streams:
            self._log.warning("node answers what is still being spoken", job_id=held.job_id)
            self._held.end(known_as, is_answered=False)
            self.streams.break_off(held.job_id, "early_result", erred=True)
            return
        if not (held.may_go_on and goes_on(result)):
            self._held.end(known_as, is_answered=True)
        if held.since_ms is not None and result.success:
            now_ms = self._now_ms()
            self.speed.took(now_ms - held.since_ms, held.speech_ms, now_ms)
        if self._directory.traces is not None:
            self._directory.traces.answered(held.job_id, held.attempt)
        self._tell_owner(
            held.owner, ResultArrived(held.job_id, held.attempt, self._node_id, result)
        )
        if self._waiting:
            self._assign_waiting()

    def _on_known_result(self, known_as: NodeJobId, result: JobResult) -> None:
        """Take an answer to what is not open here."""
        if answered := self._held.past.get(known_as):
            if not is_full(result):
                return  # only a full answer may follow another one, and once
            self._held.use_up(known_as, None)
            again = ResultArrived(answered.job_id, answered.attempt, self._node_id, result)
            self._tell_owner(answered.owner, again)
            return
        if known_as not in self._held.past:
            self._directory.ownership.refused(Foreign.JOB, node_id=self._node_id)
        if known_as in self._held.past or self._directory.remotes is None:
            self._log.debug("result for a job this node does not have")
        else:  # it may have got the job from another instance: the store knows whose it is
            self._held.use_up(known_as, None)
            job_id, attempt = job_of(known_as)
            arrived = ResultArrived(job_id, attempt, self._node_id, result)
            tell(self._directory.dispatcher, arrived)

    # ---- capacity ---------------------------------------------------------------------------

    def _has_slot_for(self, message: AssignJob) -> bool:
        slots = self._held.slots
        return len(slots) < self.max_jobs or message.spec.slot in slots

    def _wait_for_slot(self, message: AssignJob) -> None:
        """The slot is free in the store, so something here was given up: the store says what."""
        self._waiting.append(message)
        if len(self._waiting) == 1:
            tell(self._directory.dispatcher, SlotsWanted(self._node_id, self.epoch))

    def _assign_waiting(self) -> None:
        while self._waiting and self._has_slot_for(self._waiting[0]):
            message = self._waiting.popleft()
            further = message.work.further_language
            known_as = node_job_id(message.spec.job_id, message.attempt, further)
            if known_as in self._held.open:
                self._held.follow(known_as, message.session, message.owner)
            elif not self._give(message, known_as):
                self.undelivered(message)

    def slots_listed(self, message: SlotsListed) -> None:
        """Take back from the node what holds no slot any more; then there are free ones."""
        if message.jobs is not None:
            for known_as, held in self._held:
                if held.job_id not in message.jobs:
                    self._take_back(known_as, _GIVEN_UP)
            self._assign_waiting()
        waiting, self._waiting = self._waiting, deque()
        for left in waiting:
            self.undelivered(left)


def _held(
    message: AssignJob | KeepJob, session: Mailbox | None, since_ms: float | None = None
) -> Held:
    may_go_on = message.spec.turn_continues and message.work.pipeline.use_nmt
    spec = message.spec
    return Held(
        spec.job_id,
        message.attempt,
        session,
        message.owner,
        spec.slot,
        may_go_on,
        since_ms,
        spec.cost_ms,
    )


def _partial(job_id: JobId, attempt: int, message: NodeAsrPartial) -> PartialArrived:
    stable = message.stable_chars
    return PartialArrived(
        job_id,
        attempt,
        message.text,
        message.is_final,
        message.text_translated,
        None if stable is None else min(stable, len(message.text)),
    )
