"""The load generator's clients: many simulated sessions in one process.

A client says stamped chunks (see stamped_chunk) and checks every outcome: the expected utterance,
once, in order, with the stamp it sent. When which client speaks is decided by a pattern. Messages
are built from byte templates, because a generator that shares the machine with the server it
measures must cost little; the tests validate them against the protocol's models.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json, to_json

from peers.bench.counts import Counts
from peers.bench.raw_socket import Address, RawSocket, open_socket
from peers.bench.stamped_chunk import chunk, chunk_base64, now_ns

ACK_TIMEOUT_SECONDS: Final = 20.0
CONNECT_AT_ONCE: Final = 64

_AUDIO_FRAME: Final = 0x01


@dataclass(frozen=True, slots=True)
class ClientShape:
    """How a simulated client speaks."""

    source: str = "en"
    target: str = "es"
    is_binary: bool = False
    """Audio in binary frames instead of JSON."""


class SimulatedClient:
    """One session on one socket; says chunks when told to and checks what comes back.

    Cuts are ordered, and so are outcomes, but for those that a slow scheduler marks `late`.
    """

    def __init__(self, shape: ClientShape, counts: Counts) -> None:
        self.session_id = ""
        self.is_closed_loop = False
        """Say the next one-chunk utterance as soon as the outcome of the last one is there."""
        self._shape = shape
        self._counts = counts
        self._seq = 0
        self._said = 0
        """Utterances said, and so the index of the next."""
        self._newest = -1
        """The highest index whose outcome has come."""
        self._waiting: dict[int, int] = {}
        """Stamps of the finals whose outcome is open, by index, oldest first."""
        self._socket: RawSocket | None = None
        self._ack: asyncio.Future[dict[str, Any]] | None = None
        self._text_head = self._frame_head = self._session_bytes = b""

    async def open(self, host: str, port: int) -> None:
        """Connect, start a session and wait for its acknowledgement.

        Raises:
            ConnectionError: the server is not there or refused the session.
            TimeoutError: no acknowledgement in time.
        """
        self._ack = asyncio.get_running_loop().create_future()
        self._socket = await open_socket(Address(host, port, "/ws/session"), self._on_message)
        self._socket.closed.add_done_callback(self._on_closed)
        self._socket.send_text(to_json(self.init_message()))
        async with asyncio.timeout(ACK_TIMEOUT_SECONDS):
            ack = await self._ack
        if self._shape.is_binary and not ack.get("use_binary_frame"):
            raise ConnectionError("the server did not grant binary frames")
        self.adopt(ack["session_id"])

    async def leave(self) -> None:
        """Close the session, wait for the acknowledgement (bounded), close the socket."""
        if self._socket is None or self._socket.closed.done():
            return
        self._ack = asyncio.get_running_loop().create_future()
        self._socket.send_text(
            to_json({"type": "session_close", "session_id": self.session_id, "reason": "done"})
        )
        try:
            async with asyncio.timeout(ACK_TIMEOUT_SECONDS):
                await self._ack
        except TimeoutError:
            self._counts.problem(f"session {self.session_id} got no session_close_ack")
        except ConnectionError:
            return  # noted as a problem when it was lost
        self._socket.closed.remove_done_callback(self._on_closed)
        self._socket.close()

    def init_message(self) -> dict[str, Any]:
        """Return the `session_init` of this client."""
        return {
            "type": "session_init",
            "endpointing": "client",  # it is no speech, and they end it themselves
            "client_version": "load-generator-1.0",
            "platform": "web",
            "src_lang": self._shape.source,
            "tgt_lang": self._shape.target,
            "dialect": None,
            "features": {},
            "pairing_code": None,
            "mode": "one_way",
            "audio_format": "opus",
            "sample_rate": 16000,
            "use_binary_frame": self._shape.is_binary,
        }

    def adopt(self, session_id: str) -> None:
        """Take the id of the session and prepare the constant parts of its messages."""
        self.session_id = session_id
        self._session_bytes = session_id.encode()
        self._text_head = b'{"type":"audio_chunk","session_id":"%b","seq":' % self._session_bytes
        self._frame_head = bytes((_AUDIO_FRAME, len(self._session_bytes)))

    def chunk_text(self, stamp_ns: int, *, is_final: bool) -> bytes:
        """Return one `audio_chunk` as JSON."""
        return b'%b%d,"is_final":%b,"payload":"%b"}' % (
            self._text_head,
            self._seq,
            b"true" if is_final else b"false",
            chunk_base64(stamp_ns),
        )

    def chunk_frame(self, stamp_ns: int, *, is_final: bool) -> bytes:
        """Return one binary audio frame: 12 bytes of header, session id, opus framing."""
        return b"".join(
            (
                self._frame_head,
                self._seq.to_bytes(4, "little"),
                (stamp_ns // 1_000_000 % (1 << 32)).to_bytes(4, "little"),
                b"\x01\x00" if is_final else b"\x00\x00",
                self._session_bytes,
                chunk(stamp_ns),
            )
        )

    def send_chunk(self, *, is_final: bool) -> None:
        """Send one chunk stamped with the present moment; a final ends the utterance."""
        if self._socket is None:
            return
        stamp_ns = now_ns()
        if is_final:
            self._waiting[self._said] = stamp_ns
            self._said += 1
        if self._shape.is_binary:
            self._socket.send_binary(self.chunk_frame(stamp_ns, is_final=is_final))
        else:
            self._socket.send_text(self.chunk_text(stamp_ns, is_final=is_final))
        self._seq += 1
        self._counts.chunk_sent(is_final=is_final)

    def _on_message(self, data: bytes) -> None:
        received_ns = now_ns()
        message = from_json(data)
        match message["type"]:
            case "translation_result":
                self._outcome(message, received_ns)
            case "missing_result":
                self._outcome(message, None)
            case "session_init_ack" | "session_close_ack":
                if self._ack is not None and not self._ack.done():
                    self._ack.set_result(message)
            case "error":
                self._refused(f"{message['code']}: {message['message']}")
            case _:
                pass

    def _outcome(self, message: dict[str, Any], received_ns: int | None) -> None:
        """Check that this is the outcome of an open utterance, in its order, and count it."""
        index = message["utterance_index"]
        is_late = index < self._newest
        stamp_ns = self._waiting.pop(index, None)
        if stamp_ns is None or is_late is not (message.get("late") is True):
            due = next(iter(self._waiting), self._said)
            self._counts.problem(
                f"session {self.session_id} got an outcome for utterance {index}"
                f" while {due} was the next one ({len(self._waiting)} open)"
            )
        if stamp_ns is None:
            return
        self._newest = max(self._newest, index)
        self._counts.late += is_late
        if received_ns is None:
            self._counts.outcome_received(None, message["reason"])
        else:
            if message["text_asr"] != str(stamp_ns):
                self._counts.problem(f"session {self.session_id} got another utterance's result")
            self._counts.outcome_received(received_ns - stamp_ns)
        if self.is_closed_loop:
            self.send_chunk(is_final=True)

    def _refused(self, sentence: str) -> None:
        """Note an `error`; before there is a session it means that there will be none."""
        self._counts.problem(f"session {self.session_id or '(none yet)'}: {sentence}")
        if not self.session_id:
            self._give_up(sentence)

    def _on_closed(self, closed: "asyncio.Future[str]") -> None:
        sentence = f"connection lost: {closed.result()}"
        self._counts.problem(f"session {self.session_id or '(none yet)'}: {sentence}")
        self._give_up(sentence)

    def _give_up(self, sentence: str) -> None:
        if self._ack is not None and not self._ack.done():
            self._ack.set_exception(ConnectionError(sentence))


async def open_clients(
    count: int, address: tuple[str, int], shape: ClientShape, counts: Counts
) -> list[SimulatedClient]:
    """Return `count` clients with a session each, a limited number connecting at once."""
    clients = [SimulatedClient(shape, counts) for _ in range(count)]
    for begin in range(0, count, CONNECT_AT_ONCE):
        batch = clients[begin : begin + CONNECT_AT_ONCE]
        await asyncio.gather(*(client.open(*address) for client in batch))
    return clients


async def close_clients(clients: Sequence[SimulatedClient]) -> None:
    """Close every session, a limited number at once."""
    for begin in range(0, len(clients), CONNECT_AT_ONCE):
        batch = clients[begin : begin + CONNECT_AT_ONCE]
        await asyncio.gather(*(client.leave() for client in batch))
