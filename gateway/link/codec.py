"""How actors' messages cross between instances: fields as JSON, audio raw behind them.

It owns the list of what may cross. The messages themselves are the actors' own dataclasses, checked
when they arrive; an instance of another version may send more fields, which are passed over, or
messages that are not known here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loguru import logger
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from actors.messages.job import (
    AssignJob,
    JobAccepted,
    JobUndelivered,
    KeepJob,
    PartialArrived,
    ResultArrived,
    WithdrawJob,
    Work,
)
from actors.messages.link import LinkBeat
from actors.messages.node import NodeIsAlive, ProbeNode
from actors.messages.operator import OperatorAnswered, OperatorAsked
from actors.messages.room import (
    HeardAcknowledged,
    HeardCorrection,
    HeardCut,
    HeardOutcome,
    HeardPartial,
    RoomChanged,
    SignalRelayed,
)
from actors.messages.stream import StreamBroken, StreamCut, StreamFrame
from actors.ports import Mailbox
from protocol.ids import InstanceId, JobId, SessionId
from protocol.instances.link import Address, LinkMessage
from storage.job import JobSpec

SessionWay = Callable[[InstanceId, SessionId], Mailbox | None]
"""Finds the way to a session's actor on an instance."""

_CROSSING = (
    *(WithdrawJob, KeepJob, LinkBeat, ProbeNode, NodeIsAlive),
    *(ResultArrived, JobAccepted, JobUndelivered, PartialArrived),
    *(StreamCut, StreamBroken),
    *(OperatorAsked, OperatorAnswered),
    *(RoomChanged, HeardCut, HeardOutcome, HeardCorrection, HeardAcknowledged, HeardPartial),
    SignalRelayed,
)
"""Messages that cross as they are. An assignment crosses without its session's mailbox."""

_ASSIGNMENT = AssignJob.__name__
_FRAME = StreamFrame.__name__
_UNREADABLE = "Unreadable"
"""A kind that nobody knows: stands for a message that cannot be written, so that its number on the
link is used all the same."""


class UnreadableMessageError(ValueError):
    """A message of a link is not what it says; the link itself is sound."""


@dataclass(frozen=True, slots=True)
class _Assignment:
    """An assignment without its audio, which is behind it, and with a name for its owner."""

    spec: JobSpec
    work: Work
    attempt: int
    owner: InstanceId
    streaming: bool = False


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame without its audio, which is behind it."""

    job_id: JobId
    number: int


class _Nobody:
    """Stands for a session that there is no way to."""

    def tell(self, message: Any) -> None:
        """Lose the message: partial texts are worth nothing later."""


_adapters: dict[str, TypeAdapter[Any]] = {
    message.__name__: TypeAdapter(message) for message in _CROSSING
}
_assignment = TypeAdapter(_Assignment)
_frame = TypeAdapter(_Frame)
CROSSING_KINDS = frozenset((*_adapters, _ASSIGNMENT, _FRAME))
"""The kinds of messages that this version knows."""


def pack(address: Address, message: Any) -> LinkMessage:
    """Return a message as it crosses; the audio is not copied.

    Raises:
        KeyError: It is none that may cross: a bug.
    """
    if isinstance(message, AssignJob):
        head = _Assignment(
            message.spec, message.work, message.attempt, message.owner, message.streaming
        )
        return LinkMessage(str(address), _ASSIGNMENT, _assignment.dump_json(head), message.audio)
    if isinstance(message, StreamFrame):
        frame = _frame.dump_json(_Frame(message.job_id, message.number))
        return LinkMessage(str(address), _FRAME, frame, message.audio)
    kind = type(message).__name__
    adapter = _adapters[kind]
    try:
        return LinkMessage(str(address), kind, adapter.dump_json(message))
    except PydanticSerializationError as error:
        logger.warning("a message to another instance cannot be written", kind=kind, why=str(error))
        return LinkMessage(str(address), _UNREADABLE, b"")


def unpack_link_message(parcel: LinkMessage, session_way: SessionWay) -> Any:
    """Return the message; None for a kind that this version does not know.

    Raises:
        UnreadableMessageError: It is not what it says.
    """
    try:
        if parcel.kind == _ASSIGNMENT:
            return _assign_job(_assignment.validate_json(parcel.head), parcel.body, session_way)
        if parcel.kind == _FRAME:
            frame = _frame.validate_json(parcel.head)
            return StreamFrame(frame.job_id, frame.number, parcel.body)
        adapter = _adapters.get(parcel.kind)
        return None if adapter is None else adapter.validate_json(parcel.head)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        message = f"{parcel.kind}: {fault['loc']} {fault['type']}"
        raise UnreadableMessageError(message) from None


def _assign_job(head: _Assignment, audio: bytes, session_way: SessionWay) -> AssignJob:
    session = session_way(head.owner, head.spec.session_id) or _Nobody()
    parts = head.spec, head.work, head.attempt, audio, head.owner, head.streaming
    return AssignJob(session, *parts)
