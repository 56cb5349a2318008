"""A bare relay: what the edge alone costs, to compare a scheduler with.

It answers the same sockets with the same messages of the same sizes as the scheduler (a final
becomes a `job_assign` to the next node in turn, its `job_result` becomes a `translation_result`),
but decides nothing: no store, no actors, no capacity, no order, no deadlines, no events, one
chunk per utterance or many joined without any limit. It runs on websockets' sans-I/O protocol,
the cheapest public way to serve WebSockets with that library. Not for use by anybody but the
bench and the tests of the load generator.

`python -m peers.bench.bare_relay --port PORT` serves until it is ended by a signal.
"""

import argparse
import asyncio
import base64
import contextlib
import itertools
import logging
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pydantic_core import from_json, to_json
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from peers.event_loop import run

HOST: Final = "127.0.0.1"
_HEADER_BYTES: Final = 12
_LOGGER: Final = logging.getLogger("relay")
_LOGGER.setLevel(logging.CRITICAL)


@dataclass(slots=True)
class RelaySession:
    """What the relay keeps of a session: its socket, its languages, the audio so far."""

    connection: "RelayConnection"
    session_id: str
    init: dict[str, Any]
    audio: list[bytes] = field(default_factory=list)
    """Opus framing, chunk by chunk, freed with the final."""
    next_index: int = 0


class Passthrough:
    """The relay's whole state: sessions, nodes and open jobs of one process."""

    def __init__(self) -> None:
        self._nodes: list[RelayConnection] = []
        self._next_node = itertools.count()
        self._jobs: dict[str, tuple[RelaySession, int]] = {}
        self._ids = itertools.count(1)

    def message_received(self, connection: "RelayConnection", data: bytes) -> None:
        """Answer one JSON message of a client or a node."""
        message = from_json(data)
        match message["type"]:
            case "audio_chunk":
                audio = base64.b64decode(message["payload"])
                self.chunk_received(connection, audio, is_final=message["is_final"])
            case "job_result":
                self._result_received(message)
            case "session_init":
                self._open_session(connection, message)
            case "session_close":
                connection.send(to_json(message | {"type": "session_close_ack"}))
            case "node_register":
                self._nodes.append(connection)
                connection.send(
                    to_json({"type": "node_register_ack", "node_id": message["node_id"]})
                )
            case _:
                pass

    def chunk_received(
        self, connection: "RelayConnection", audio: bytes, *, is_final: bool
    ) -> None:
        """Keep the chunk; a final sends everything said so far to the next node."""
        session = connection.session
        if session is None:
            return
        session.audio.append(audio)
        if not is_final or not self._nodes:
            return
        job_id = f"job-{next(self._ids)}"
        self._jobs[job_id] = (session, session.next_index)
        node = self._nodes[next(self._next_node) % len(self._nodes)]
        node.send(to_json(self._job_message(session, job_id)))
        session.audio.clear()
        session.next_index += 1

    def forget(self, connection: "RelayConnection") -> None:
        """Drop a connection that is gone."""
        if connection in self._nodes:
            self._nodes.remove(connection)

    def _job_message(self, session: RelaySession, job_id: str) -> dict[str, Any]:
        return {
            "type": "job_assign",
            "job_id": job_id,
            "attempt_id": 1,
            "session_id": session.session_id,
            "utterance_index": session.next_index,
            "src_lang": session.init["src_lang"],
            "tgt_lang": session.init["tgt_lang"],
            "pipeline": {"use_asr": True, "use_nmt": True, "use_tts": True},
            "audio": base64.b64encode(b"".join(session.audio)).decode(),
            "audio_format": "opus",
            "sample_rate": 16000,
            "trace_id": session.session_id,
            "is_manual_cut": True,
        }

    def _open_session(self, connection: "RelayConnection", init: dict[str, Any]) -> None:
        session_id = f"s-relay-{next(self._ids)}"
        connection.session = RelaySession(connection, session_id, init)
        ack = {
            "type": "session_init_ack",
            "session_id": session_id,
            "message": "session created",
            "trace_id": session_id,
            "use_binary_frame": bool(init.get("use_binary_frame")),
        }
        connection.send(to_json(ack))

    def _result_received(self, result: dict[str, Any]) -> None:
        session, index = self._jobs.pop(result["job_id"])
        outcome = {
            "type": "translation_result",
            "session_id": session.session_id,
            "utterance_index": index,
            "job_id": result["job_id"],
            "text_asr": result["text_asr"],
            "text_translated": result["text_translated"],
            "tts_audio": result["tts_audio"],
            "tts_format": result["tts_format"],
            "trace_id": result["trace_id"],
        }
        session.connection.send(to_json(outcome))


class RelayConnection(asyncio.Protocol):
    """One WebSocket of the relay; HTTP requests for /ready are answered with 200."""

    def __init__(self, relay: Passthrough) -> None:
        self.session: RelaySession | None = None
        self._relay = relay
        self._protocol = ServerProtocol(max_size=None, logger=_LOGGER)
        self._transport: asyncio.Transport | None = None

    def send(self, payload: bytes) -> None:
        """Write one text message."""
        self._protocol.send_text(payload)
        self._flush()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the peer."""
        self._relay.forget(self)

    def data_received(self, data: bytes) -> None:
        """Feed the protocol and act on what came complete."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._requested(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._relay.message_received(self, bytes(event.data))
            elif isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                self._frame_received(bytes(event.data))
        self._flush()

    def _requested(self, request: Request) -> None:
        if request.path.startswith("/ws/"):
            response = self._protocol.accept(request)
        else:
            response = self._protocol.reject(200, "OK\n")
        self._protocol.send_response(response)

    def _frame_received(self, data: bytes) -> None:
        audio = data[_HEADER_BYTES + data[1] :]
        self._relay.chunk_received(self, audio, is_final=bool(data[10]))

    def _flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()


@contextlib.asynccontextmanager
async def serve_relay(port: int = 0) -> AsyncIterator[int]:
    """Serve on the loopback address while the context is open; gives the port."""
    relay = Passthrough()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: RelayConnection(relay), HOST, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _serve_until_signal(port: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with serve_relay(port):
        await ended.wait()


def main() -> None:
    """Serve on the port of the command line."""
    parser = argparse.ArgumentParser(description="A bare relay for comparison with the scheduler.")
    parser.add_argument("--port", type=int, required=True)
    run(_serve_until_signal(parser.parse_args().port))


if __name__ == "__main__":
    main()
