"""What actors are told because somebody failed: an actor here, or another instance."""

from dataclasses import dataclass

from protocol.ids import InstanceId, JobId
from storage.cells import FIRST, Cell


@dataclass(frozen=True, slots=True)
class JobAbandoned:
    """To the dispatcher: a job whose outcome was told although the store may have it open."""

    job_id: JobId
    attempt: int
    """The last one that is known of."""


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """To a session: the dispatcher fails whenever it takes it on, so it cannot go on."""


@dataclass(frozen=True, slots=True)
class NodeRefused:
    """To a node's actor: the dispatcher fails whenever it takes the node on."""


@dataclass(frozen=True, slots=True)
class InstanceExpired:
    """To the dispatcher: another instance's lease has lapsed, clear up after it."""

    instance_id: InstanceId
    cell: Cell = FIRST
    """The part of the store in which it was noticed."""
