"""What a client of a chaos run says, as frames: utterances of its plan become messages. Pure."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.peers.audio import Speech
from tests.chaos.plan import SessionPlan, Style, UtterancePlan
from tests.chaos.world import Message


@dataclass(slots=True)
class Frame:
    """A chunk, a final or a whole utterance, with what it means for the log."""

    message: Message
    index: int
    wait_seconds: float
    begins: Speech | None = None
    ends_bytes: int | None = None
    drop_seconds: float | None = None
    """The socket is lost after it, for so long."""


class FrameMaker:
    """Life: that of a client. Counts the utterances of the session that is open."""

    def __init__(self, plan: SessionPlan, numbers: Iterator[int]) -> None:
        """`numbers` are those of all speech in the run."""
        self._plan = plan
        self._numbers = numbers
        self._session = ""
        self._next_index = 0

    def begin(self, session: str) -> None:
        """Count from zero, for this session."""
        self._session, self._next_index = session, 0

    def next_index(self) -> int:
        """Return the index of the next utterance, and count it."""
        self._next_index += 1
        return self._next_index - 1

    def speech(self, duration_ms: int) -> Speech:
        """Make audio that was never heard before."""
        name = f"{self._plan.name}/{next(self._numbers)}"
        return Speech(name, self._plan.audio_format, duration_ms)

    def chunk(self, seq: int, audio: bytes, *, is_final: bool = False) -> Message:
        """Make a chunk, or a final without audio."""
        payload = base64.b64encode(audio).decode()
        return {
            "type": "audio_chunk",
            "session_id": self._session,
            "seq": seq,
            "is_final": is_final,
            "payload": payload,
        }

    def make(self, said: UtterancePlan, seq: int) -> list[Frame]:
        """Make the frames of an utterance; the first has this `seq`."""
        frames = [self._whole(said)] if said.style is Style.WHOLE else self._stream(said, seq)
        frames[0].wait_seconds = said.wait_seconds
        return frames

    def _whole(self, said: UtterancePlan) -> Frame:
        speech = self.speech(said.parts_ms[0])
        index = self.next_index()
        message = {
            "type": "utterance",
            "session_id": self._session,
            "utterance_index": index,
            "manual_cut": True,
            "src_lang": "en",
            "tgt_lang": self._plan.target,
            "audio": base64.b64encode(speech.audio()).decode(),
            "audio_format": speech.audio_format,
            "sample_rate": 16_000,
        }
        return Frame(message, index, 0.0, speech, speech.size_bytes)

    def _stream(self, said: UtterancePlan, seq: int) -> list[Frame]:
        frames: list[Frame] = []
        for part_ms in said.parts_ms:
            speech = self.speech(part_ms)
            index = self.next_index()
            begins: Speech | None = speech
            for audio in speech.chunks(said.chunk_ms):
                message = self.chunk(seq + len(frames), audio)
                frames.append(Frame(message, index, said.chunk_gap_seconds, begins))
                begins = None
            frames[-1].ends_bytes = speech.size_bytes
        size_bytes, frames[-1].ends_bytes = frames[-1].ends_bytes, None
        final = self.chunk(seq + len(frames), b"", is_final=True)
        frames.append(Frame(final, index, 0.0, None, size_bytes))
        return frames
