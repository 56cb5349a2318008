"""What every socket of a gateway shares. It must not hold anything about one socket."""

import asyncio
from dataclasses import dataclass

from actors.admission import AdmissionOptions
from actors.metrics import Metrics
from actors.room.options import RoomOptions
from gateway.audio_pace import IngestMeter
from gateway.options import GatewayOptions
from gateway.passthrough.registry import Passthroughs
from gateway.ports import Reception
from protocol.audio.framing import AudioFormat


@dataclass(frozen=True, slots=True)
class SocketContext:
    """The collaborators of a socket."""

    loop: asyncio.AbstractEventLoop
    options: GatewayOptions
    admission: AdmissionOptions
    rooms: RoomOptions
    reception: Reception
    metrics: Metrics
    passthroughs: Passthroughs | None = None
    """To the sessions of other instances; None: there are none."""

    def now_ms(self) -> float:
        """Return the loop's monotonic time in milliseconds."""
        return self.loop.time() * 1000

    def meter(
        self, audio_format: AudioFormat | None, rate_hz: int | None, *, is_replayed: bool = False
    ) -> IngestMeter:
        """Return a full meter for a session that begins now, or goes on with a replay."""
        meter = IngestMeter(self.admission, audio_format, rate_hz, self.now_ms())
        if is_replayed:
            meter.exempt(self.admission.max_held_audio_bytes)
        return meter
