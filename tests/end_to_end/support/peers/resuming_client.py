"""A client that comes back: another socket for the session of one that lost its own."""

from typing import Any

from tests.support.peers.raw_client import RawClient, session_init
from tests.support.peers.raw_wire import Message, Pair
from tests.support.processes.scheduler_process import SchedulerProcess


class ResumingClient(RawClient):
    """One socket of a session that asked for `resume`; `resume` opens the next one.

    It checks like every client: across sockets outcomes are numbered without gap or repetition.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.token = ""
        self.family: list[ResumingClient] = [self]
        """All sockets that came of the first one."""

    @classmethod
    async def with_session(cls, at: SchedulerProcess, pair: Pair) -> "ResumingClient":
        """Return a client whose session is open."""
        client = cls(at.session_url)
        await client.open()
        await client.init(*pair)
        return client

    async def leave(self) -> None:
        """End the session and close all sockets."""
        await self.end()
        await self.aclose_all()

    async def aclose_all(self) -> None:
        """Close all sockets; what one of them heard amiss fails the test."""
        for client in self.family:
            await client.aclose()
        for client in self.family:
            assert client.failure is None, client.failure

    async def init(self, source: str, target: str, **fields: Any) -> Message:
        """Open a session that can be resumed."""
        ack = await super().init(source, target, resume=True, **fields)
        assert ack["resumed"] is False
        assert ack["next_seq"] == 0
        self.token = ack["resume_token"]
        return ack

    @property
    def last_delivery_seq(self) -> int:
        """The last outcome that came."""
        return self._deliveries.get(self.session_id, 0)

    def returning(self, **fields: Any) -> Message:
        """Return the `session_init` that asks for this session again."""
        usual: Message = {
            "resume": True,
            "session_id": self.session_id,
            "resume_token": self.token,
            "last_delivery_seq": self.last_delivery_seq,
        }
        return session_init("en", "es", **{**usual, **fields})

    def forget(self, last_delivery_seq: int) -> None:
        """Have heard nothing after this outcome."""
        self._deliveries[self.session_id] = last_delivery_seq
        self._outcomes.clear()

    async def knock(self, **fields: Any) -> "ResumingClient":
        """Return another socket that has asked for the session and heard nothing yet."""
        client = await ResumingClient(self.url).open()
        client.family = self.family
        self.family.append(client)
        client.session_id, client.seq, client.token = self.session_id, self.seq, self.token
        client._deliveries = dict(self._deliveries)
        client._outcomes = set(self._outcomes)
        await client.say(self.returning(**fields))
        return client

    async def resume(self, **fields: Any) -> "ResumingClient":
        """Return another socket that speaks for the session."""
        client = await self.knock(**fields)
        client.ack = await client.hear("session_init_ack")
        assert client.heard[0]["type"] == "session_init_ack"
        assert client.ack["resumed"] is True
        assert client.ack["session_id"] == self.session_id
        client.token = client.ack["resume_token"]
        return client

    async def resume_at(self, other: SchedulerProcess, **fields: Any) -> "ResumingClient":
        """Return another socket that speaks for the session, at another instance."""
        self.url = other.session_url
        return await self.resume(**fields)

    async def refused_resume(self, **fields: Any) -> "ResumingClient":
        """Return another socket that was refused the session."""
        client = await self.knock(**fields)
        assert (await client.error())["code"] == "INVALID_SESSION"
        assert not client.all_heard("session_init_ack")
        return client

    async def chunk_at(self, seq: int, audio: bytes, *, final: bool = False) -> None:
        """Send a chunk under a number of its own; `seq` goes on behind it."""
        self.seq = seq
        await self.chunk(audio, final=final)
