"""SessionSetup: what every session of a process is given."""

from collections.abc import Callable
from dataclasses import dataclass, field

from actors.directory import Directory
from actors.held_audio import HeldAudio
from actors.lease import StallWatch
from actors.media import Converters
from actors.metrics import Metrics
from actors.room.setup import RoomSetup
from actors.session.options import DownlinkOptions, StreamingOptions, UplinkOptions
from actors.session.presence.presence import Presence
from actors.waiting_jobs import WaitingJobs


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """What all sessions of a process have in common."""

    directory: Directory
    presence: Presence
    held: HeldAudio
    metrics: Metrics
    uplink: UplinkOptions
    downlink: DownlinkOptions
    grace_ms: float
    close_flush_ms: float
    keep_audio_after_sending: bool
    """False: a lost node ends the job as `node_lost`, because its audio is gone."""
    wall_ms: Callable[[], int]
    """Unix ms, for what is sent to peers."""
    stall_watch: StallWatch = field(default_factory=StallWatch)
    waiting: WaitingJobs = field(default_factory=WaitingJobs)
    converters: Converters | None = None
    """None: audio is taken as it comes, or not at all."""
    gateway_grace_ms: float = 600_000.0
    """As `grace_ms`, for a gateway, which names its session again after minutes."""
    streaming: StreamingOptions = field(default_factory=StreamingOptions)
    tenants_need_proof: bool = False
    """Clients can show a credential: their own word for their tenant counts for nothing."""
    rooms: RoomSetup | None = None
    """None: rooms are not offered."""
