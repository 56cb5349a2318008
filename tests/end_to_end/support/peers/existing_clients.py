"""The existing clients beside the browser, as far as a scheduler can tell: gateway and phone."""

import json
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.peers.raw_client import RawClient, pieces
from tests.support.peers.raw_wire import Message
from tests.support.wire_oracle import check_message

PIECE_BYTES = 6400
"""A phone's piece of 200 ms."""


class ApiGateway:
    """Serves HTTP callers: one session and one utterance for each, on two connections.

    The first text frame of the first connection is the ack, whatever it is. On the second it
    reads until a `translation_result` comes, without a limit, and skips everything else; only the
    end of the connection ends its wait.
    """

    def __init__(self, url: str, source: str, target: str) -> None:
        self._url = url
        self._pair = {"src_lang": source, "tgt_lang": target}

    async def translate(self, audio: bytes, **fields: Any) -> Message | None:
        """Return what the caller gets; None stands for status 500."""
        session_id = await self.open_session()
        speaker = RawClient(self._url)
        speaker.session_id = session_id
        utterance = {**self._pair, "manual_cut": False, "features": None, **fields}
        async with connect(self._url, compression=None, ping_interval=None, proxy=None) as socket:
            await socket.send(json.dumps(speaker.whole(0, audio, **utterance)))
            try:
                while True:
                    message: Message = json.loads(await socket.recv())
                    check_message(message)
                    if message["type"] == "translation_result":
                        return message
            except ConnectionClosed:
                return None

    async def open_session(self) -> str:
        """Return the id of a session whose first socket is dropped."""
        init = {
            "type": "session_init",
            "client_version": "1.0.0",
            "platform": "api-gateway",
            **self._pair,
            "dialect": None,
            "features": None,
            "pairing_code": None,
            "tenant_id": "tenant-4f0d2d3e",
        }
        socket = await connect(self._url, compression=None, ping_interval=None, proxy=None)
        await socket.send(json.dumps(init))
        ack: Message = json.loads(await socket.recv())
        socket.transport.close()  # it drops the connection, no close frame is sent
        return str(ack["session_id"])


class Phone(RawClient):
    """Sends every 200 ms as an `utterance` of its own, with an index that runs on."""

    index = 0

    async def call(self, source: str, target: str) -> None:
        """Begin a session as a phone does: without mode or trace."""
        await self.say(
            {
                "type": "session_init",
                "client_version": "1.0.0",
                "platform": "ios",
                "src_lang": source,
                "tgt_lang": target,
                "dialect": None,
                "features": dict.fromkeys(_FEATURES, False),
                "pairing_code": None,
            }
        )
        self.ack = await self.hear("session_init_ack")
        self.session_id = self.ack["session_id"]

    async def talk(self, audio: bytes, source: str, target: str) -> None:
        """Send what the microphone takes."""
        for piece in pieces(audio, PIECE_BYTES):
            fields = {"src_lang": source, "tgt_lang": target, "manual_cut": False}
            await self.utterance(self.index, piece, **fields)
            self.index += 1

    async def beat(self) -> None:
        """Say that it is there."""
        await self.fence()

    async def hang_up(self) -> None:
        """Close session and socket; by mistake it will call again 1 s later."""
        await self.say(self.own("session_close", reason="user_disconnect"))
        await self.hear("session_close_ack", session_id=self.session_id)
        await self.aclose()


_FEATURES = (
    "emotion_detection",
    "voice_style_detection",
    "speech_rate_detection",
    "speech_rate_control",
    "speaker_identification",
    "persona_adaptation",
)
