"""A page in a room whose session can be resumed, wherever: one more socket for each move."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.end_to_end.support.peers.resuming_client import ResumingClient
from tests.end_to_end.support.peers.room_page import RoomPage
from tests.support.peers.raw_client import b64
from tests.support.peers.raw_wire import Message


class MovingPage(RoomPage, ResumingClient):
    """It keeps what it said, and says it again as far as it is asked to where it comes back."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.spoken: list[tuple[bytes, bool]] = []

    async def chunk(self, audio: bytes, *, final: bool = False) -> None:
        """Send audio, and keep it."""
        self.spoken.append((audio, final))
        await super().chunk(audio, final=final)

    async def move(self, url: str, **fields: Any) -> "MovingPage":
        """Return the page as it is on another socket; it says again what it has to."""
        self.url = url
        page = await self.another()
        await page.say(self.returning(**fields))
        page.ack = await page.hear("session_init_ack")
        assert page.heard[0]["type"] == "session_init_ack"
        assert page.ack["resumed"] is True
        page.token = page.ack["resume_token"]
        for seq in range(page.ack["next_seq"], self.seq):
            audio, final = self.spoken[seq]
            payload = {"seq": seq, "is_final": final, "payload": b64(audio)}
            await page.say(page.own("audio_chunk", **payload))
        return page

    async def another(self) -> "MovingPage":
        """Return another socket of the same client, which has said nothing yet."""
        page = await MovingPage(self.url).open()
        page.family = self.family
        self.family.append(page)
        page.session_id, page.seq, page.token = self.session_id, self.seq, self.token
        page._deliveries, page._outcomes = dict(self._deliveries), set(self._outcomes)
        page.room_code, page._last_code, page.shown, page.spoken = (
            self.room_code,
            self._last_code,
            self.shown,
            self.spoken,
        )
        return page

    def members_seen(self) -> list[list[str]]:
        """Return who was in the room, each time that it was told."""
        return [
            [member["session_id"] for member in message["members"]]
            for message in self.all_heard("room_members")
        ]


@asynccontextmanager
async def moving_pages(
    *places: tuple[str, tuple[str, str], Message],
) -> AsyncIterator[list[MovingPage]]:
    """Let pages at these urls, with these languages and wishes, into one room; all know of all."""
    pages: list[MovingPage] = []
    try:
        for url, languages, entering in places:
            page = await MovingPage(url).open()
            pages.append(page)
            await page.init(*languages)
            if len(pages) > 1:
                await page.join(str(pages[0].room_code), **entering)
            else:
                await page.create(**entering)
        for page in pages:
            while len(page.members) < len(pages):
                await page.hear("room_members")
        yield pages
    finally:
        for page in pages:
            await page.aclose_all()
