"""What a reference node can be told. Owns names, units and defaults, nothing else."""

from dataclasses import dataclass, field

from protocol.audio.framing import AudioFormat


@dataclass(frozen=True, slots=True)
class ReferenceNodeOptions:
    """Settings of one node."""

    url: str = "ws://127.0.0.1:5010/ws/node"
    """Where the scheduler takes nodes; without a path its usual one is meant."""
    node_id: str | None = None
    """Asked for at registration; None: the scheduler gives one."""
    token: str | None = field(default=None, repr=False)
    """Sent as `Authorization: Bearer`, where the scheduler wants one."""
    max_jobs: int = 1
    """Jobs worked on at the same time; told to the scheduler as `max_concurrent_jobs`."""
    speech_format: AudioFormat | None = None
    """How synthesised speech is sent; None: opus where it is installed, else PCM16."""
    heartbeat_ms: int = 15_000
    """Between two heartbeats."""
    reconnect_first_ms: int = 500
    """After the first failure to connect; doubles with each further one."""
    reconnect_max_ms: int = 15_000
    """Longest wait between two attempts."""
    register_timeout_ms: int = 30_000
    """Without an answer to `node_register` for so long, the node connects anew."""
    unsent_ms: int = 30_000
    """How long a finished result waits for a lost scheduler; after that its job is over there."""
    leave_ms: int = 30_000
    """How long a node that is to stop goes on with the jobs in hand; then they go elsewhere."""
