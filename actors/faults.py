"""What actors are told because somebody failed of them. Sent when a successor takes over."""

from dataclasses import dataclass

from protocol.ids import JobId


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
