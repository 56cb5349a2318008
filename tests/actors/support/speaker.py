"""A speaker for segmentation: audio whose length, loudness and framing are known."""

from itertools import count

from actors.session.cut import Cut, CutReason
from actors.session.options import SegmenterOptions
from actors.session.uplink.segmenter import Segmenter
from protocol.audio.framing import AudioFormat, join_packets
from protocol.ids import TurnId
from protocol.messages.shared import EndpointingMode

TOC_20_MS = 0x48


def opus(mark: int = 1, packets: int = 13, packet_bytes: int = 60) -> bytes:
    return join_packets([bytes([TOC_20_MS, *[mark] * (packet_bytes - 1)])] * packets)


def silent_opus(packets: int = 13) -> bytes:
    return opus(0, packets, 8)


def pcm(duration_ms: int, sample: int = 5000) -> bytes:
    return sample.to_bytes(2, "little", signed=True) * (16 * duration_ms)


SPEECH = opus()


class Speaker:
    """Feeds a segmenter, counting `seq`."""

    def __init__(
        self,
        audio_format: AudioFormat | None = None,
        endpointing: EndpointingMode = EndpointingMode.CLIENT,
        **options: float,
    ) -> None:
        names = count()
        self.segmenter = Segmenter(
            SegmenterOptions(**options),  # type: ignore[arg-type]  # tests name any option
            audio_format=audio_format,
            endpointing=endpointing,
            new_turn_id=lambda: TurnId(f"turn-{next(names)}"),
        )
        self._seqs = count()

    def say(self, audio: bytes, now_ms: float) -> list[Cut]:
        return self._chunk(audio, now_ms, is_final=False)

    def final(self, now_ms: float, audio: bytes = b"") -> list[Cut]:
        return self._chunk(audio, now_ms, is_final=True)

    def _chunk(self, audio: bytes, now_ms: float, *, is_final: bool) -> list[Cut]:
        ticks, seq = self.segmenter.measure(audio), next(self._seqs)
        return self.segmenter.chunk(audio, ticks, seq=seq, is_final=is_final, now_ms=now_ms)

    def say_long(self, duration_ms: int, now_ms: float) -> list[Cut]:
        """Say this much at one moment, in PCM chunks of 1000 ms."""
        cuts = []
        for _ in range(duration_ms // 1000):
            cuts += self.say(pcm(1000), now_ms)
        return cuts

    def poll(self, now_ms: float) -> list[Cut]:
        return self.segmenter.poll(now_ms)


def reasons(cuts: list[Cut]) -> list[CutReason]:
    return [cut.reason for cut in cuts]
