"""No session is left without somebody who ends it: a socket that speaks for it, or its grace."""

import asyncio
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.messages.session import ClientBeat, CloseRequested, SocketLost
from actors.messages.takeover import ResumeAnswered
from actors.reception import Refused
from protocol.errors import ErrorCode
from protocol.ids import SessionId
from tests.gateway.support.raw_peer import PING, PONG, Peer
from tests.gateway.support.running_gateway import (
    Recorder,
    RunningGateway,
    chunk,
    run_gateway,
    session_init,
)
from tests.support.waiting import until

RESUME = session_init(resume=True, session_id="s-elsewhere", resume_token="t")
REFUSAL = Refused(ErrorCode.INVALID_SESSION, "no")


async def ask_elsewhere(running: RunningGateway, peer: Peer) -> Any:
    """Ask for a session that has to be fetched; return who waits for the answer."""
    before = len(running.reception.askers)
    running.reception.is_fetching = True
    peer.say(RESUME)
    await until(lambda: len(running.reception.askers) > before)
    running.reception.is_fetching = False
    return running.reception.askers[-1][0]


def test_a_refused_resume_leaves_the_socket_the_session_that_it_had() -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, actor = await running.session()
        asker = await ask_elsewhere(running, peer)
        asker.tell(ResumeAnswered(SessionId("s-elsewhere"), message="no"))
        assert (await peer.hear())["message"] == "no"
        peer.say({"type": "client_heartbeat", "session_id": "s-1", "timestamp": 5})
        assert await actor.next() == ClientBeat()
        peer.abort()
        assert isinstance(await actor.next(), SocketLost)

    run_gateway(scenario)


def owned(actor: Recorder) -> bool:
    """Whether a session has heard neither that it ends nor that its socket is gone."""
    return not any(isinstance(one, CloseRequested | SocketLost) for one in actor.messages)


class Client:
    """One socket that does anything."""

    def __init__(self, running: RunningGateway, peer: Peer) -> None:
        self.running = running
        self.peer = peer
        self.asker: Any = None
        self.fetched = 0

    async def do(self, what: str) -> None:
        """Do one thing, and have the gateway take it; sessions that were closed end by then."""
        reception = self.running.reception
        for name, actor in reception.actors.items():
            if any(isinstance(one, CloseRequested) for one in actor.messages):
                reception.refs[name].stop(block=False)
        match what:
            case "init":
                self.peer.say(session_init())
            case "refused":
                reception.refusal = REFUSAL
                self.peer.say(RESUME)
            case "ask" if self.asker is None:
                self.asker = await ask_elsewhere(self.running, self.peer)
            case "no" if self.asker is not None:
                self.asker.tell(ResumeAnswered(SessionId("s-elsewhere"), message="no"))
                self.asker = None
            case "yes" if self.asker is not None:
                self.fetched += 1
                key = f"fetched-{self.fetched}"
                reception.start(key, lambda: None)
                self.asker.tell(ResumeAnswered(SessionId(key), reception.refs[key]))
                self.asker = None
            case "close":
                for name in list(reception.actors):
                    self.peer.say({"type": "session_close", "session_id": name, "reason": "x"})
            case "chunk":
                self.peer.say(chunk("s-1"))
        self.peer.frame(b"?", PING)
        while await self.peer.hear_frame() != (PONG, b"?"):
            pass  # acknowledgements and refusals
        await asyncio.sleep(0)
        reception.refusal = None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(["init", "init", "refused", "ask", "no", "no", "yes", "close", "chunk"]),
        max_size=10,
    )
)
@example(["init", "ask", "no"])
@example(["init", "ask", "no", "init"])
def test_after_anything_no_more_sessions_live_than_sockets(script: list[str]) -> None:
    async def scenario(running: RunningGateway) -> None:
        peer, _ = await running.session()
        client = Client(running, peer)
        for what in script:
            await client.do(what)
            assert sum(map(owned, running.reception.actors.values())) <= 1
        peer.abort()
        await until(lambda: not running.gateway.session_sockets)
        await until(lambda: not any(map(owned, running.reception.actors.values())))

    run_gateway(scenario)
