"""What instances say to each other on `/ws/peer`: the frames of a link. Pure.

A link goes one way: the instance that has something to say dials, and sends; the other one only
says how far it has come. Every frame is one binary WebSocket message, integers big-endian:

    0x01 message  seq u64 | length of address u16 | of type u8 | of head u32 | address | type | head
                  | body (the rest: raw audio)
    0x02 welcome  seq u64: the receiver's first words: how far this link had come before
    0x03 ack      seq u64: everything up to this one has arrived

The request to upgrade carries who calls whom (`Hello`). Both sides pass over what they do not know:
a type of message that this version lacks is acknowledged and dropped, fields are ignored.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum

from protocol.ids import InstanceId

PEER_PATH = "/ws/peer"
PEER_VERSION = 1
"""Raised when a frame changes its meaning; a receiver refuses versions it does not speak."""

_MESSAGE = b"\x01"
_WELCOME = b"\x02"
_ACK = b"\x03"
_HEAD = struct.Struct(">BQHBI")
_SEQ = struct.Struct(">BQ")


class PeerProtocolError(ValueError):
    """The other end sent what is no frame, or one that cannot come here."""


class Place(StrEnum):
    """To whom on the other instance."""

    NODE = "node"
    SESSION = "session"
    DISPATCHER = "dispatcher"
    OPERATIONS = "operations"


_PLACES = frozenset(place.value for place in Place)


@dataclass(frozen=True, slots=True)
class Address:
    """One actor on an instance."""

    place: Place
    key: str = ""
    """The node's or session's id; empty for what an instance has one of."""

    def __str__(self) -> str:
        return f"{self.place.value}:{self.key}"

    @classmethod
    def parse(cls, text: str) -> "Address | None":
        """Return the address; None for a place that this version does not know."""
        place, _, key = text.partition(":")
        return cls(Place(place), key) if place in _PLACES else None


DISPATCHER = Address(Place.DISPATCHER)
OPERATIONS = Address(Place.OPERATIONS)


@dataclass(frozen=True, slots=True)
class LinkMessage:
    """A message as it crosses: what it is, whom it is for, its fields as JSON, its audio."""

    address: str
    kind: str
    """Name of the message."""
    head: bytes
    body: bytes = b""
    """Raw audio; empty for most."""


@dataclass(frozen=True, slots=True)
class MessageFrame:
    """A parcel with its number on the link."""

    seq: int
    """From 1, without a gap."""
    parcel: LinkMessage


@dataclass(frozen=True, slots=True)
class AckFrame:
    """Everything up to this number has arrived."""

    seq: int


@dataclass(frozen=True, slots=True)
class WelcomeFrame:
    """The receiver's first words."""

    received: int
    """The last number that arrived on this link before, 0 for none: what follows is sent again."""


Frame = MessageFrame | AckFrame | WelcomeFrame


@dataclass(frozen=True, slots=True)
class Hello:
    """Who calls whom, in the headers of the request."""

    caller: InstanceId
    callee: InstanceId
    link: str
    """Names this row of numbers: a link that is given up is followed by one with another name."""
    version: int = PEER_VERSION


CALLER_HEADER = "X-Lingua-Instance"
CALLEE_HEADER = "X-Lingua-To"
LINK_HEADER = "X-Lingua-Link"
VERSION_HEADER = "X-Lingua-Version"


def calling_headers(
    secret: str, caller: InstanceId, callee: InstanceId, version: int = PEER_VERSION
) -> dict[str, str]:
    """Return what every request to another instance carries."""
    return {
        "Authorization": f"Bearer {secret}",
        CALLER_HEADER: caller,
        CALLEE_HEADER: callee,
        VERSION_HEADER: str(version),
    }


def pack_message(seq: int, parcel: LinkMessage) -> bytes:
    """Return the frame of a message."""
    address, kind = parcel.address.encode(), parcel.kind.encode()
    head = _HEAD.pack(_MESSAGE[0], seq, len(address), len(kind), len(parcel.head))
    return b"".join((head, address, kind, parcel.head, parcel.body))


def pack_ack(seq: int) -> bytes:
    """Return the frame that says how far the receiver has come."""
    return _SEQ.pack(_ACK[0], seq)


def pack_welcome(received: int) -> bytes:
    """Return the receiver's first frame."""
    return _SEQ.pack(_WELCOME[0], received)


def unpack(data: bytes) -> Frame:
    """Return what a frame says.

    Raises:
        PeerProtocolError: It says nothing.
    """
    try:
        if data[:1] == _MESSAGE:
            return _unpack_message(data)
        if data[:1] == _ACK:
            return AckFrame(_SEQ.unpack(data)[1])
        if data[:1] == _WELCOME:
            return WelcomeFrame(_SEQ.unpack(data)[1])
    except (struct.error, UnicodeDecodeError) as error:
        message = f"a broken frame: {error}"
        raise PeerProtocolError(message) from error
    message = f"no such frame: {data[:1]!r}"
    raise PeerProtocolError(message)


def _unpack_message(data: bytes) -> MessageFrame:
    _, seq, address_size, kind_size, head_size = _HEAD.unpack_from(data)
    at_kind = _HEAD.size + address_size
    at_head = at_kind + kind_size
    at_body = at_head + head_size
    if at_body > len(data):
        message = f"a frame of {len(data)} bytes says that it has at least {at_body}"
        raise PeerProtocolError(message)
    parcel = LinkMessage(
        data[_HEAD.size : at_kind].decode(),
        data[at_kind:at_head].decode(),
        data[at_head:at_body],
        data[at_body:],
    )
    return MessageFrame(seq, parcel)
