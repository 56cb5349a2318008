"""What somebody sends who means harm: each attack as the bytes that one socket repeats.

Plain values: it opens nothing. Each attack stays within the protocol's grammar where it can, since
what breaks it is refused early and costs little.
"""

import base64
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from peers.bench import stamped_chunk
from peers.bench.raw_socket import frame

SESSION_PATH: Final = "/ws/session"
NODE_PATH: Final = "/ws/node"
BATCH_BYTES: Final = 128 * 1024
"""So much is written at once: enough that writing costs the attacker little."""
_CONTINUATION, _TEXT, _PING = 0x0, 0x1, 0x9
_FINAL_FRAGMENT: Final = 0x80
_PCM_CHUNK: Final = bytes(range(1, 255)) * 33
"""256 ms of PCM16 that is far from silent."""
_CHUNKS_AN_UTTERANCE: Final = 8
_NODE_JSON_BYTES: Final = 16 * 1024 * 1024
_ONE_BYTE_PACKETS: Final = 180_000


class Attack(StrEnum):
    """The ways to harm."""

    FLOOD = "flood"
    """Audio as fast as the socket takes it, in utterances whose language nobody serves."""
    SLOW_READER = "slow-reader"
    """Asks for answers and speaks in a language that is served, and reads nothing."""
    PONGS = "pongs"
    """Pings, and reads nothing."""
    FRAGMENTS = "fragments"
    """Messages in fragments of one byte."""
    EMPTY_CONTINUATIONS = "empty-continuations"
    """A message that goes on for ever with nothing in it."""
    REFUSED = "refused"
    """Messages that are refused, each with an answer."""
    LOOKUPS = "lookups"
    """Made-up sessions asked for, over a connection each."""
    ONE_BYTE_PACKETS = "one-byte-packets"
    """Chunks of 180,000 opus packets of one byte."""
    NODE_JSON = "node-json"
    """16 MiB of JSON on a node's socket that never registers."""


@dataclass(frozen=True, slots=True)
class Weapon:
    """How an attack is carried out on one socket."""

    path: str = SESSION_PATH
    languages: tuple[str, str] | None = None
    """Of the session that it opens first; None: it opens none."""
    is_opus: bool = False
    reads: bool = True
    """Whether it reads what comes, and throws it away."""

    def opening(self) -> bytes:
        """Return what is sent first; empty where there is no session."""
        if self.languages is None:
            return b""
        source, target = self.languages
        return _text({
            "type": "session_init",
            "endpointing": "client",
            "client_version": "load-generator-1.0",
            "platform": "web",
            "src_lang": source,
            "tgt_lang": target,
            "audio_format": "opus" if self.is_opus else "pcm16",
        })  # fmt: skip


_NOBODYS: Final = ("xh", "yo")
WEAPONS: Final = {
    Attack.FLOOD: Weapon(languages=_NOBODYS),
    Attack.SLOW_READER: Weapon(languages=("en", "es"), is_opus=True, reads=False),
    Attack.PONGS: Weapon(reads=False),
    Attack.FRAGMENTS: Weapon(languages=_NOBODYS),
    Attack.EMPTY_CONTINUATIONS: Weapon(languages=_NOBODYS),
    Attack.REFUSED: Weapon(languages=_NOBODYS),
    Attack.LOOKUPS: Weapon(),
    Attack.ONE_BYTE_PACKETS: Weapon(languages=_NOBODYS, is_opus=True),
    Attack.NODE_JSON: Weapon(path=NODE_PATH),
}


def opening_batch(attack: Attack) -> bytes:
    """Return what comes once, before what is repeated."""
    if attack is Attack.EMPTY_CONTINUATIONS:
        return _fragment(_TEXT, b"{")
    return b""


def batch(attack: Attack, session_id: str) -> bytes:
    """Return what a socket with this session writes again and again."""
    match attack:
        case Attack.FLOOD:
            chunks = [_chunk(session_id, _PCM_CHUNK) for _ in range(_CHUNKS_AN_UTTERANCE)]
            return b"".join((*chunks, _chunk(session_id, b"", is_final=True)))
        case Attack.SLOW_READER:
            beat = _text({"type": "client_heartbeat", "session_id": session_id, "timestamp": 1})
            ping = frame(_PING, b"x" * 125)
            spoken = _chunk(session_id, stamped_chunk.chunk(stamped_chunk.now_ns()), is_final=True)
            return spoken + (beat + ping) * 200
        case Attack.PONGS:
            return _filled(frame(_PING, b"x" * 125))
        case Attack.FRAGMENTS:
            text = b'{"type":"client_heartbeat","session_id":"x","timestamp":1}'
            pieces = [_fragment(_CONTINUATION if at else _TEXT, text[at : at + 1])
                      for at in range(len(text) - 1)]  # fmt: skip
            return _filled(b"".join((*pieces, frame(_CONTINUATION, text[-1:]))))
        case Attack.EMPTY_CONTINUATIONS:
            return _filled(_fragment(_CONTINUATION, b""))
        case Attack.REFUSED:
            good = _text({"type": "client_heartbeat", "session_id": session_id, "timestamp": 1})
            return _filled(frame(_TEXT, b'{"type":"audio_chunk","seq":"x"}') * 15 + good)
        case Attack.LOOKUPS:
            made_up = {"type": "client_heartbeat", "session_id": "s-" + 32 * "0", "timestamp": 1}
            return _text(made_up)
        case Attack.ONE_BYTE_PACKETS:
            return _chunk(session_id, b"\x01\x00\x08" * _ONE_BYTE_PACKETS)
        case Attack.NODE_JSON:
            count = _NODE_JSON_BYTES // 3 - 100
            head = b'{"type":"node_heartbeat","node_id":"n","installed_services":['
            return frame(_TEXT, head + b"{}," * count + b"{}]}")


def _chunk(session_id: str, audio: bytes, *, is_final: bool = False) -> bytes:
    payload = base64.b64encode(audio).decode()
    said = {"type": "audio_chunk", "session_id": session_id, "seq": 1, "is_final": is_final}
    return _text({**said, "payload": payload})


def _text(message: dict[str, Any]) -> bytes:
    return frame(_TEXT, json.dumps(message).encode())


def _fragment(opcode: int, payload: bytes) -> bytes:
    """Return a frame after which the message goes on."""
    whole = frame(opcode, payload)
    return bytes((whole[0] & ~_FINAL_FRAGMENT,)) + whole[1:]


def _filled(piece: bytes) -> bytes:
    return piece * max(1, BATCH_BYTES // len(piece))
