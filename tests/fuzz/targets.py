"""What reads bytes of strangers: each reader as one function that may refuse, and do nothing else.

A target raises what its reader promises for what it cannot read; anything else is a find. The bytes
are cut into pieces by themselves where a reader takes pieces.
"""

import json
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request

from actors.messages.job import ResultArrived
from gateway.access.jwt_verifier import JwtRules, JwtVerifier, mint, secret_keys
from gateway.access.presented import presented_by
from gateway.access.proxies import TrustedProxies
from gateway.access.tokens import TokenError, TokenTable, named_tokens
from gateway.edge.frame_reader import FrameReader
from gateway.edge.proxy_header import BadHeaderError, read_start
from gateway.link.codec import UnreadableMessageError, pack, unpack_link_message
from protocol.audio.containers import Container, WavError, WavUnwrapper, recognise
from protocol.audio.framing import (
    AudioFormat,
    framed_ticks,
    measure,
    split_packets,
    valid_packets,
)
from protocol.audio.opus_stream import OpusStream, inside
from protocol.codec import parse_admin_message, parse_node_message, parse_session_message
from protocol.errors import ProtocolError
from protocol.frames import parse_frame
from protocol.ids import JobId, NodeId
from protocol.instances.link import (
    Address,
    MessageFrame,
    PeerProtocolError,
    Place,
    pack_ack,
    pack_message,
    pack_welcome,
    unpack,
)
from protocol.instances.passthrough import unpack_passed
from protocol.languages import closest, parse
from protocol.messages.node_inbound import JobResult
from protocol.structure import structure_of

DATA: Final = Path(__file__).parents[1] / "data"
MAX_LIST_ITEMS: Final = 2000
LONGEST_SAMPLE: Final = 8000
LIMIT_BYTES: Final = 1 << 16
SECRET: Final = "a secret of at least thirty-two bytes"
_OPERATORS_FILE_BYTES: Final = 1 << 15
"""No stranger writes it: it need not be read fast when it is much larger."""
_VERIFIER: Final = JwtVerifier(secret_keys(SECRET))
_TOKENS: Final = TokenTable(named_tokens("acme:0123456789abcdef0123456789abcdef"))
_PROXIES: Final = TrustedProxies(["10.0.0.0/8", "::1"])


@dataclass(frozen=True, slots=True)
class Target:
    """One reader."""

    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    """What it may raise."""
    seeds: tuple[bytes, ...]
    """What it reads well."""


def pieces(data: bytes) -> list[bytes]:
    """Cut bytes as their first one says."""
    size = data[0] % 64 + 1 if data else 1
    if len(data) > size * 64:
        size = len(data) // 64
    return [data[at : at + size] for at in range(1, len(data), size)]


def _frames(data: bytes) -> None:
    reader = FrameReader(LIMIT_BYTES, small_most=8)
    for piece in pieces(data):
        reader.feed(piece)
        while reader.has_more:
            reader.feed(b"")
        assert reader.held_bytes <= LIMIT_BYTES + len(data)


def _json(parse_message: Callable[[bytes], object]) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        if structure_of(data, MAX_LIST_ITEMS).fault is None:
            parse_message(data)

    return read


def _opus(data: bytes) -> None:
    sound = valid_packets(data, is_opus=True)
    if sound:
        framed_ticks(sound)
        assert b"".join(split_packets(sound))
    measure(data, AudioFormat.OPUS, 16_000)


def _containers(data: bytes) -> None:
    container = recognise(data[1:])
    if not isinstance(container, Container):
        return
    if container is Container.WAV:
        unwrapper = WavUnwrapper()
        for piece in pieces(data):
            unwrapper.take(piece)
    elif container in (Container.OGG, Container.WEBM):
        inside(container, data[1:])
        stream = OpusStream(container)
        taken = sum(len(stream.take(piece)[0]) for piece in pieces(data))
        assert taken <= 3 * len(data) + 1024


def _link(data: bytes) -> None:
    frame = unpack(data)
    if isinstance(frame, MessageFrame):
        unpack_link_message(frame.parcel, lambda _instance, _session: None)


def _proxy(data: bytes) -> None:
    start = read_start(data[:16].ljust(16, b"\0"))
    start.source(data[16 : 16 + start.rest_bytes])


def _credentials(data: bytes) -> None:
    text = data.decode("latin-1")
    first, _, rest = text.partition("\n")
    headers = Headers()
    for line in rest.split("\n")[:8]:
        name, _, value = line.partition(":")
        if name in ("Authorization", "Sec-WebSocket-Protocol", "X-Forwarded-For"):
            headers[name] = value
    presented = presented_by(Request(first, headers))
    if presented.token is not None:
        assert _TOKENS.name_of(presented.token) in (None, "acme")
        assert _VERIFIER.tenant_of(presented.token) in (None, "acme")
    _PROXIES.client_of("10.0.0.1", headers.get_all("X-Forwarded-For"))


def _token_file(data: bytes) -> None:
    named_tokens(data[:_OPERATORS_FILE_BYTES].decode("utf-8", "replace"))


def _languages(data: bytes) -> None:
    text = data.decode("utf-8", "replace")[:64]
    parse(text)
    closest(text, ("zh-Hans", "en-GB", "no", "de"))


def samples(socket: str = "") -> tuple[bytes, ...]:
    """Return real messages of a kind of socket, those that are not long."""
    lines = (DATA / "wire" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines if line.strip()]
    texts = (json.dumps(one["message"]) for one in found if socket in one["socket"])
    return tuple(text.encode() for text in texts if len(text) < LONGEST_SAMPLE)


def _masked(opcode: int, payload: bytes) -> bytes:
    return bytes((0x80 | opcode, 0x80 | len(payload))) + bytes(4) + payload


_SAMPLES: Final = samples()
_JWT: Final = mint(SECRET, "acme", timedelta(minutes=5), JwtRules())
_RESULT: Final = JobResult.model_validate({"type": "job_result", "job_id": "j", "success": True})
_ARRIVED: Final = ResultArrived(JobId("j"), 1, NodeId("n"), _RESULT)
_PARCEL: Final = pack_message(3, pack(Address(Place.NODE, "n"), _ARRIVED))
_AUDIO: Final = tuple(
    b"\x20" + (DATA / "audio" / f"container.{kind}").read_bytes()[:4000] for kind in ("ogg", "webm")
)
TARGETS: Final = {
    "frames": Target(_frames, (), (
        b"\x05" + _masked(1, b"{}") + _masked(9, b"x") + _masked(8, b"\x03\xe8"),
    )),
    "session": Target(_json(parse_session_message), (ProtocolError,), _SAMPLES),
    "node": Target(_json(parse_node_message), (ProtocolError,), _SAMPLES),
    "admin": Target(_json(parse_admin_message), (ProtocolError,), (
        b'{"type":"cancel_job","request_id":"1","job_id":"j"}',
    )),
    "binary": Target(parse_frame, (ProtocolError,), (
        struct.pack("<BBIIBB", 1, 3, 7, 1, 1, 0) + b"s-1abc",
        struct.pack("<BBII", 2, 3, 7, 1) + b"s-1",
    )),
    "opus": Target(_opus, (ProtocolError,), (b"\x03\x00\x48ab\x01\x00\x08\x02\x00\x4b\x82",)),
    "containers": Target(_containers, (WavError,), _AUDIO),
    "link": Target(_link, (PeerProtocolError, UnreadableMessageError), (
        _PARCEL, pack_ack(7), pack_welcome(9),
    )),
    "passthrough": Target(unpack_passed, (PeerProtocolError,), (b"\x01{}", b"\x02\x03\xe8x")),
    "proxy": Target(_proxy, (BadHeaderError,), (
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
    )),
    "credentials": Target(_credentials, (InvalidHandshake,), (
        f"/ws/session?token={_JWT}\nAuthorization: Bearer {_JWT}".encode(),
        b"/ws/node\nSec-WebSocket-Protocol: bearer.abc, x\nX-Forwarded-For: 1.2.3.4, [::1]:9",
    )),
    "token file": Target(_token_file, (TokenError,), (b"acme:sha256:00ff,b:c\n# x\n",)),
    "languages": Target(_languages, (), (b"zh_hant-tw", b"sr-Latn-RS-x-y")),
}  # fmt: skip


def run(name: str, data: bytes) -> None:
    """Give a reader bytes; what it may raise is nothing."""
    target = TARGETS[name]
    with suppress(*target.refusals):
        target.read(data)
