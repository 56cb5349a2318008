"""What is being spoken, on its way to a node. Frames go from a session to its node directly."""

from actors.messages.job import Work
from actors.ports import Mailbox
from protocol.ids import InstanceId, JobId, NodeId
from protocol.value import value
from storage.job import JobSpec


@value
class StreamWanted:
    """To the dispatcher: answered by `StreamOpened` or `StreamEnded`. Nothing waits for it."""

    session: Mailbox
    spec: JobSpec
    """As it would be if it were cut now; its `job_id` is used for nothing else."""
    work: Work
    excluded: tuple[NodeId, ...]
    """Nodes that failed what is being spoken."""


@value
class StreamOpened:
    """To the session: this node hears what is being spoken."""

    job_id: JobId
    node_id: NodeId
    node: Mailbox


@value
class StreamEnded:
    """To the session: no node hears it, or none any more. It waits for its cut."""

    job_id: JobId
    failed: NodeId | None = None
    """The node that failed of it."""


@value
class StreamClosed:
    """To the dispatcher: what was spoken comes to nothing."""

    job_id: JobId


@value
class StreamFrame:
    """To the node's actor: a piece of audio. Not copied."""

    job_id: JobId
    number: int
    """From 0."""
    audio: bytes


@value
class StreamCut:
    """To the node's actor: all frames are there, and the job has its deadline.

    Answered by `JobUndelivered` if the node does not get all of it.
    """

    job_id: JobId
    owner: InstanceId
    frames: int
    duration_ms: int
    padding_ms: int
    cut_reason: str
    is_manual_cut: bool


@value
class StreamBroken:
    """To the dispatcher: the node does not hear what is being spoken any more."""

    job_id: JobId
    node_id: NodeId
    reason: str
    erred: bool = False
    """The node has answered what was still being spoken."""
