"""A page in a room, as far as a scheduler can tell; it behaves as the existing page was seen to.

- It enters a room by `room_create_ack` alone, and knows the members by `room_members`.
- It shows the text of each index once; a second text under an index that was shown is lost.
- In a room it plays all speech as PCM16, whatever the format says: an odd number of bytes is an
  error, and opus is noise.
- It leaves with `room_leave` and closes without `session_close`.
"""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from actors.session.member.aliases import alias_of
from protocol.ids import SessionId
from tests.support.peers.raw_client import RawClient, tone
from tests.support.peers.raw_wire import Message


class RoomPage(RawClient):
    """One page: a session, and the room that it is in."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.room_code: str | None = None
        self._last_code = ""
        self.members: list[str] = []
        self.shown: dict[int, str] = {}
        self.alerts: list[Message] = []

    def take(self, message: Message) -> None:
        """Do what the page does."""
        super().take(message)
        match message["type"]:
            case "room_create_ack":
                self.room_code = self._last_code = message["room_code"]
            case "room_members" if message["room_code"] == self.room_code:
                self.members = [member["session_id"] for member in message["members"]]
            case "translation_result" if "speaker_session_id" in message:
                index = message["utterance_index"]
                assert index not in self.shown, "a text that the page does not show"
                self.shown[index] = message["text_translated"] or message["text_asr"]
            case "error" | "room_expired":
                self.alerts.append(message)

    @property
    def alias(self) -> str:
        """What the others in its room call it."""
        return alias_of(self._last_code, SessionId(self.session_id))

    def name_of(self, other: "RoomPage") -> str:
        """Return what this page hears for another page, or for itself."""
        return other.session_id if other.session_id == self.session_id else other.alias

    async def create(self, **fields: Any) -> str:
        """Open a room; return its code."""
        await self.say({"type": "room_create", "client_ts": 1_700_000_000_000, **fields})
        ack = await self.hear("room_create_ack")
        await self.hear("room_members")
        return str(ack["room_code"])

    async def join(self, code: str, **fields: Any) -> Message:
        """Enter a room; return who is there."""
        await self.say({"type": "room_join", "room_code": code, **fields})
        await self.hear("room_create_ack", room_code=code)
        return await self.hear("room_members", room_code=code)

    async def leave(self) -> None:
        """Leave the room."""
        await self.say({"type": "room_leave", "room_code": self.room_code})
        self.room_code = None

    async def meets(self, count: int) -> Message:
        """Wait until so many are in the room; return the message that says so."""
        while True:
            message = await self.hear("room_members")
            if len(message["members"]) == count:
                return message

    async def prefer(self, speaker: "RoomPage", *, raw_voice: bool) -> None:
        """Say whether it wants another member's own voice."""
        wish = {"target_session_id": speaker.alias, "receive_raw_voice": raw_voice}
        kind = "room_raw_voice_preference"
        await self.say({"type": kind, "room_code": self.room_code, **wish})

    async def say_something(self, duration_ms: int = 400) -> None:
        """Say an utterance and end it by hand."""
        await self.speak(tone(duration_ms))

    async def signal(self, kind: str, to: "RoomPage", **fields: Any) -> None:
        """Send an offer, an answer or a candidate."""
        about = {"room_code": self.room_code, "to": to.alias}
        await self.say({"type": f"webrtc_{kind}", **about, **fields})


@dataclass(frozen=True, slots=True)
class PassedClient:
    """Who comes into a room: its own languages, and what it says on entering."""

    source: str
    target: str
    entering: Message
    init: Message


def guest(source: str, target: str, prefers: str | None = None, **init: Any) -> PassedClient:
    """Describe a guest; the existing page names no preferred language."""
    entering = {} if prefers is None else {"preferred_lang": prefers}
    return PassedClient(source, target, entering, init)


@asynccontextmanager
async def room_of(url: str, *guests: PassedClient) -> AsyncIterator[list[RoomPage]]:
    """Let these into one room; all know of all when it begins."""
    async with AsyncExitStack() as stack:
        pages: list[RoomPage] = []
        for one in guests:
            page = await stack.enter_async_context(RoomPage(url))
            await page.init(one.source, one.target, **one.init)
            if pages:
                await page.join(str(pages[0].room_code), **one.entering)
            else:
                await page.create(**one.entering)
            pages.append(page)
        for page in pages:
            while len(page.members) < len(pages):
                await page.hear("room_members")
        yield pages


def speech_of(result: Message) -> bytes:
    """Return a result's speech as a page plays it in a room: PCM16, whatever is said of it."""
    return base64.b64decode(result["tts_audio"], validate=True)
