"""A client as a test scripts it: sessions, chunks, utterances, outcomes; JSON and binary frames.

It is strict about what it hears: outcomes are numbered without a gap and come once per utterance,
and `error` never speaks of an utterance's failure.
"""

import base64
import random
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from protocol.ids import SessionId, speaker_key
from tests.support.peers.raw_wire import SECONDS, Message, RawWire

OUTCOMES = ("translation_result", "missing_result")
SPEECH = Path(__file__).parents[2] / "data" / "speech"
PACKETS_PER_CHUNK = 13
"""What a browser puts into a chunk of 256 ms."""


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def tone(duration_ms: int, rate_hz: int = 16_000) -> bytes:
    """Return PCM16 that is far from silent: a square wave, exactly this long."""
    samples = duration_ms * rate_hz // 1000
    period = struct.pack("<8h", *(4 * [6000] + 4 * [-6000]))
    return (period * (samples // 8 + 1))[: 2 * samples]


def noise(seed: int, size: int) -> bytes:
    """Return bytes without any order, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def recorded_packets(name: str = "librivox-0880") -> list[bytes]:
    """Return the opus packets of a recording, each with its length before it."""
    data = (SPEECH / f"{name}.opus").read_bytes()
    packets, position = [], 0
    while position < len(data):
        end = position + 2 + int.from_bytes(data[position : position + 2], "little")
        packets.append(data[position:end])
        position = end
    return packets


def recorded_chunks(name: str = "librivox-0880") -> list[bytes]:
    """Return a recording as a browser sends it: chunks of 13 packets."""
    packets = recorded_packets(name)
    starts = range(0, len(packets), PACKETS_PER_CHUNK)
    return [b"".join(packets[start : start + PACKETS_PER_CHUNK]) for start in starts]


SILENT_CHUNK = (b"\x08\x00\x48" + bytes(7)) * 12 + b"\x0a\x00\x48" + bytes(9)
"""132 bytes in 13 packets: what a browser sends while nobody speaks."""


class RawClient(RawWire):
    """One socket on `/ws/session`, and the session that it opened last."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.session_id = ""
        self.ack: Message = {}
        self.seq = 0
        self.may_repeat = False
        """Set by tests that ask for an outcome again."""
        self._deliveries: dict[str, int] = {}
        self._outcomes: set[tuple[str, int, str]] = set()

    def take(self, message: Message) -> None:
        """Check the order and uniqueness of outcomes."""
        super().take(message)
        if message["type"] in OUTCOMES:
            in_room = "speaker_session_id" in message  # numbered by and for this session
            session = self.session_id if in_room else message["session_id"]
            seq = message["delivery_seq"]
            key = (session, message["utterance_index"], message.get("tgt_lang", ""))
            if self.may_repeat and key in self._outcomes:
                return
            expected = self._deliveries.get(session, 0) + 1
            assert seq == expected, f"delivery_seq {seq} where {expected} was due: {message}"
            assert key not in self._outcomes, f"a second outcome: {message}"
            self._deliveries[session] = seq
            self._outcomes.add(key)

    # ---- a session --------------------------------------------------------------------------

    async def init(self, source: str, target: str, **fields: Any) -> Message:
        """Open a session and return its ack."""
        await self.say(session_init(source, target, **fields))
        self.ack = await self.hear("session_init_ack")
        self.session_id = self.ack["session_id"]
        return self.ack

    @property
    def known_as(self) -> str:
        """What nodes call the session."""
        return speaker_key(SessionId(self.session_id))

    async def end(self) -> None:
        """Close the session and wait for the ack."""
        await self.say(self.own("session_close", reason="done"))
        await self.hear("session_close_ack", session_id=self.session_id)

    async def fence(self) -> None:
        """Return when everything said so far was looked at."""
        await self.say(self.own("client_heartbeat", timestamp=1))
        await self.hear("server_heartbeat", session_id=self.session_id)

    def own(self, kind: str, **fields: Any) -> Message:
        """Return a message of this type that names the session."""
        return {"type": kind, "session_id": self.session_id, **fields}

    # ---- speech -----------------------------------------------------------------------------

    async def chunk(self, audio: bytes, *, final: bool = False) -> None:
        """Send audio as JSON."""
        await self.say(self.own("audio_chunk", seq=self.seq, is_final=final, payload=b64(audio)))
        self.seq += 1

    async def chunks(self, audio: bytes, size: int = 3200) -> None:
        """Send PCM in chunks, 100 ms each, without an end."""
        for piece in pieces(audio, size):
            await self.chunk(piece)

    async def final(self) -> None:
        """Send the end of an utterance as browsers do."""
        await self.chunk(b"", final=True)

    async def speak(self, audio: bytes, size: int = 8192) -> None:
        """Send PCM in chunks, then the final."""
        await self.chunks(audio, size)
        await self.final()

    async def binary_chunk(self, audio: bytes, *, final: bool = False) -> None:
        """Send audio as a binary frame."""
        name = self.session_id.encode()
        head = struct.pack("<BBIIBB", 1, len(name), self.seq, 12345, final, 0)
        await self.say_raw(head + name + audio)
        self.seq += 1

    async def binary_final(self) -> None:
        """Send the end of an utterance as a binary frame."""
        name = self.session_id.encode()
        await self.say_raw(struct.pack("<BBII", 2, len(name), self.seq, 12345) + name)
        self.seq += 1

    async def utterance(self, index: int, audio: bytes, **fields: Any) -> None:
        """Send a whole utterance in one message."""
        await self.say(self.whole(index, audio, **fields))

    def whole(self, index: int, audio: bytes, **fields: Any) -> Message:
        """Return an `utterance` message; `src_lang` and `tgt_lang` come in `fields`."""
        usual: Message = {
            "utterance_index": index,
            "manual_cut": True,
            "audio": b64(audio),
            "audio_format": "pcm16",
            "sample_rate": 16000,
            "dialect": None,
        }
        return self.own("utterance", **{**usual, **fields})

    # ---- what comes back --------------------------------------------------------------------

    async def outcome(self, seconds: float = SECONDS, **fields: Any) -> Message:
        """Return the next outcome."""
        return await self.hear_any(OUTCOMES, seconds=seconds, **fields)

    async def result(self, **fields: Any) -> Message:
        """Return the next outcome, which must be a translation."""
        message = await self.outcome(**fields)
        assert message["type"] == "translation_result", message
        return message

    async def missing(self, **fields: Any) -> Message:
        """Return the next outcome, which must be a missing one."""
        message = await self.outcome(**fields)
        assert message["type"] == "missing_result", message
        return message

    async def error(self) -> Message:
        """Return the next `error`."""
        return await self.hear("error")

    def outcomes(self) -> list[Message]:
        """Return all outcomes so far."""
        return self.all_heard(*OUTCOMES)


def session_init(source: str, target: str, **fields: Any) -> Message:
    """Return a `session_init` as a browser sends it."""
    usual: Message = {
        "type": "session_init",
        "client_version": "web-client-v1.0",
        "platform": "web",
        "src_lang": source,
        "tgt_lang": target,
        "dialect": None,
        "features": {},
        "pairing_code": None,
        "tenant_id": None,
        "mode": "one_way",
        "trace_id": "8be3b4f2-0a53-4f6c-95a5-0a87c2f7a1f3",
    }
    return {**usual, **fields}


def pieces(audio: bytes, size: int) -> Iterator[bytes]:
    """Yield the audio in pieces of this many bytes."""
    for start in range(0, len(audio), size):
        yield audio[start : start + size]


@asynccontextmanager
async def raw_client(
    url: str, source: str = "en", target: str = "es", **fields: Any
) -> AsyncIterator[RawClient]:
    """Connect, open a session, and leave in good order: the session is closed if it still lives."""
    async with RawClient(url) as client:
        await client.init(source, target, **fields)
        yield client
        if client.is_open:
            await client.say(client.own("session_close", reason="test over"))
            await client.hear_any(("session_close_ack", "error"))
