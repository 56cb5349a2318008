"""What passes from a dispatcher that failed to its successor.

The successor begins with brains of its own: it takes over where jobs, sessions and nodes stand,
nothing that was under way. What was not finished it is told again, as messages. The exception is
what the failure is about: that job ends at once, as `processing_error`, and a message that is
about no job is dropped, so that nothing kills one dispatcher after the other.

Words that are cut are not among what is handed over: their sessions tell the successor again what
is open, in its order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from loguru import logger

from actors.dispatcher.claims import Claims
from actors.dispatcher.instances import Instances, Reaping
from actors.dispatcher.job_driver import JobDriver
from actors.dispatcher.ledger import Fault, job_of
from actors.dispatcher.nodes import Nodes
from actors.dispatcher.takeover import Takeover
from actors.messages.job import UtteranceCut
from actors.messages.node import NodeArrived, NodeRefused
from actors.messages.process import StoreEmptied
from actors.messages.session import SessionOpened, SessionRefused
from actors.runtime.actor import tell
from actors.runtime.dead_letter import bury


@dataclass(frozen=True, slots=True)
class Steps:
    """Who decides which scripts follow a message, by subject."""

    jobs: JobDriver
    nodes: Nodes
    sessions: Claims
    reaping: Reaping
    notes: Instances
    moves: Takeover


@dataclass(frozen=True, slots=True)
class DispatcherHandover:
    """What a dispatcher that failed has left."""

    steps: Steps
    """Its brains: where everything stands."""
    fault: Fault
    unfinished: tuple[Any, ...]
    """Messages whose steps have not all run, in order, without the one at fault."""


def inherit(estate: DispatcherHandover, pending: Iterable[Any], steps: Steps) -> Sequence[Any]:
    """Let a successor's brains take over; return what it is to be told, in order.

    Whoever is at fault is dealt with here, before anybody hears of the successor.
    """
    left = estate.steps
    steps.jobs.ends.adopt(left.jobs.ends)
    steps.jobs.assigner.adopt(left.jobs.assigner)
    steps.nodes.adopt(left.nodes)
    ended = steps.sessions.adopt(left.sessions.standing())
    messages = [*_judged(estate.fault, steps), *estate.unfinished, *ended, *pending]
    # Last of all it compares where it believes the jobs to be with what the store says.
    return [*(message for message in messages if not _is_told_again(message)), StoreEmptied()]


def _judged(fault: Fault, steps: Steps) -> Sequence[Any]:
    """Return what is still to be done for what the failure is about."""
    message, job_id = fault
    if message is None and job_id is None:
        logger.warning("nobody knows what the dispatcher failed of")
        return ()
    log = logger.bind(message_type=type(message).__name__, job_id=job_id)
    is_cut = isinstance(message, UtteranceCut)
    if job_id is not None and (is_cut or job_id in steps.jobs.open_jobs):
        log.error("a job is given up: the dispatcher failed of it")
        abandoned = steps.jobs.ends.abandon(job_id, message.session if is_cut else None)
        is_its_own = message is None or job_of(message) == job_id
        return (abandoned,) if is_its_own else (abandoned, message)
    log.error("a message is given up: the dispatcher failed of it")
    bury("dispatcher", message)
    match message:
        case SessionOpened():
            tell(message.session, SessionRefused())
        case NodeArrived():
            tell(message.node, NodeRefused())
    return ()


def _is_told_again(message: Any) -> bool:
    """Return whether living sessions tell the successor this themselves, in better order."""
    return isinstance(message, SessionOpened | UtteranceCut)
