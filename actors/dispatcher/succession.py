"""What passes from a dispatcher that failed to its successor.

The successor has parts of its own, which adopt where jobs, sessions and nodes stand. What was not
finished it is told again, as messages: a node says a result once, and one that this actor had in
its hands when it failed is nowhere else. New cuts are not among them: their sessions tell the
successor again what is open, in its order.

The job that the failure is about ends at once, as `processing_error`, and a message that is about
no job is dropped, so that nothing kills one dispatcher after the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from loguru import logger

from actors.dispatcher.ledger import Fault, job_of
from actors.dispatcher.parts import Parts
from actors.messages.job import UtteranceCut
from actors.messages.node import NodeArrived, NodeRefused
from actors.messages.process import StoreEmptied
from actors.messages.session import SessionOpened, SessionRefused
from actors.runtime.actor import tell
from actors.runtime.dead_letter import count_dead_letters


@dataclass(frozen=True, slots=True)
class DispatcherHandover:
    """What a dispatcher that failed has left."""

    parts: Parts
    """They know where everything stands."""
    fault: Fault
    unfinished: tuple[Any, ...]
    """Messages whose steps have not all run, in order, without the one at fault."""


def adopt(handover: DispatcherHandover, pending: Iterable[Any], parts: Parts) -> Sequence[Any]:
    """Let a successor's parts take over; return what it is to be told, in order.

    Whoever is at fault is dealt with here, before anybody hears of the successor.
    """
    former = handover.parts
    parts.ends.adopt(former.ends)
    parts.jobs.assigner.adopt(former.jobs.assigner)
    parts.jobs.streams.by_id.update(former.jobs.streams.by_id)  # given up with what comes last
    parts.nodes.adopt(former.nodes)
    ended = parts.claims.adopt(former.claims.handover())
    messages = [*_judge(handover.fault, parts), *handover.unfinished, *ended, *pending]
    # Last of all it compares where it believes the jobs to be with what the store says.
    return [
        *(one for one in messages if not isinstance(one, SessionOpened | UtteranceCut)),
        StoreEmptied(),
    ]


def _judge(fault: Fault, parts: Parts) -> Sequence[Any]:
    """Return what is still to be done for what the failure is about."""
    message, job_id = fault
    if message is None and job_id is None:
        logger.warning("nobody knows what the dispatcher failed of")
        return ()
    log = logger.bind(message_type=type(message).__name__, job_id=job_id)
    is_cut = isinstance(message, UtteranceCut)
    if job_id is not None and (is_cut or job_id in parts.ends.open_jobs):
        log.error("a job is given up: the dispatcher failed of it")
        abandoned = parts.ends.abandon(job_id, message.session if is_cut else None)
        is_its_own = message is None or job_of(message) == job_id
        return (abandoned,) if is_its_own else (abandoned, message)
    log.error("a message is given up: the dispatcher failed of it")
    count_dead_letters("dispatcher", message)
    match message:
        case SessionOpened():
            tell(message.session, SessionRefused())
        case NodeArrived():
            tell(message.node, NodeRefused())
    return ()
