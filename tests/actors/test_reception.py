"""Who is let in, who is not, and what counts at once."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from actors.admission import AdmissionOptions
from actors.directory import Directory
from actors.held_audio import HeldAudio
from actors.messages.node import NodeArrived, NodeSocketLost
from actors.messages.session import CloseRequested, GraceRevoked, SessionEnded, SocketLost
from actors.messages.takeover import LocateSession, SessionFreed
from actors.node.options import NodeOptions
from actors.overload import Overload, OverloadLevel
from actors.reception import OpenedNode, OpenedSession, Pending, Reception, Refused
from actors.runtime.actor import ActorFailed, tell
from actors.session.options import (
    DownlinkOptions,
    SegmenterOptions,
    SequencerOptions,
    UplinkOptions,
)
from actors.session.presence.presence import Presence
from actors.session.setup import SessionSetup
from protocol.errors import CloseCode, ErrorCode
from protocol.ids import NodeId, SessionId
from protocol.messages.node_inbound import NodeRegister
from protocol.messages.session_inbound import SessionInit
from protocol.messages.session_outbound import SessionInitAck
from tests.support.null_metrics import NullMetrics
from tests.support.recording import RecordingOutbox, RecordingRef
from tests.support.virtual_time import run_virtual, settle, stop_actors

INIT = SessionInit(client_version="1", platform="api-gateway", src_lang="en", tgt_lang="es")


class Door:
    """Reception with real actors behind it."""

    def __init__(self, max_sessions: int = 10, tenants: str = "", each: int = 0) -> None:
        self.directory = Directory()
        self.dispatcher = RecordingRef("dispatcher")
        self.directory.dispatcher = self.dispatcher
        self.limits: list[str] = []
        self.presence = Presence(max_sessions, self.limits.append)
        self.failures: list[ActorFailed] = []
        self.refusals: list[str] = []
        metrics = NullMetrics()
        metrics.session_refused = self.refusals.append  # type: ignore[method-assign,assignment]
        setup = SessionSetup(
            directory=self.directory,
            presence=self.presence,
            held=HeldAudio(1 << 20),
            metrics=metrics,
            uplink=UplinkOptions(SegmenterOptions(), 1000, 100_000, 5_000),
            downlink=DownlinkOptions(SequencerOptions(), 200, 1 << 20),
            grace_ms=30_000,
            close_flush_ms=10_000,
            keep_audio_after_sending=True,
            wall_ms=lambda: 0,
        )
        admission = AdmissionOptions(
            max_sessions=max_sessions, tenants=tenants, tenant_max_sessions=each
        )
        self.overload = Overload(admission)
        self.reception = Reception(
            setup, NodeOptions(), admission, self.failures.append, self.overload
        )

    def open(self, tenant: str | None = None, **said: Any) -> OpenedSession:
        self.outbox = RecordingOutbox()
        opened = self.reception.open_session(INIT.model_copy(update=said), self.outbox, tenant)
        assert isinstance(opened, OpenedSession)
        return opened

    async def detached(self, tenant: str | None = None, **said: Any) -> SessionId:
        """Return a session that has lost its socket."""
        outbox = RecordingOutbox()
        opened = self.reception.open_session(INIT.model_copy(update=said), outbox, tenant)
        assert isinstance(opened, OpenedSession)
        tell(opened.ref, SocketLost(outbox))
        await settle()
        return opened.session_id

    def attach(self, session_id: SessionId, tenant: str | None = None) -> OpenedSession | Refused:
        opened = self.reception.attach_session(session_id, RecordingOutbox(), tenant)
        assert not isinstance(opened, Pending)
        return opened

    def register(
        self, name: str | None = "n", principal: str | None = None
    ) -> OpenedNode | Refused:
        message = NodeRegister(node_id=None if name is None else NodeId(name))
        return self.reception.register_node(message, RecordingOutbox(), principal)


def at_the_door(
    test: Callable[[Door], Coroutine[Any, Any, None]], **options: Any
) -> Callable[[], None]:
    """Run a test on virtual time; all actors end with it."""

    @wraps(test)
    def run() -> None:
        async def main() -> None:
            door = Door(**options)
            await test(door)
            await stop_actors()
            assert door.failures == []

        run_virtual(main())

    del run.__wrapped__  # pytest would look for a fixture `door`
    return run


def for_two(test: Callable[[Door], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    return at_the_door(test, max_sessions=2)


def for_small_tenants(test: Callable[[Door], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    return at_the_door(test, tenants="big:sessions=3;heavy:weight=2", each=1)


# ---- sessions -------------------------------------------------------------------------------


@for_small_tenants
async def test_a_tenant_has_as_many_sessions_as_it_may_and_others_have_theirs(door: Door) -> None:
    for tenant, most in (("big", 3), ("heavy", 1), ("other", 1)):
        for _ in range(most):
            door.open(tenant)
        refused = door.reception.open_session(INIT, RecordingOutbox(), tenant)
        assert isinstance(refused, Refused)
        assert refused.close_code == CloseCode.TRY_AGAIN_LATER
    assert door.refusals == ["tenant_max_sessions"] * 3


@for_small_tenants
async def test_who_waits_for_its_client_or_is_over_leaves_its_tenant_room(door: Door) -> None:
    await door.detached("other")
    opened = door.open("other")
    tell(opened.ref, SocketLost(door.outbox))
    await settle()
    door.open("other")
    assert door.presence.attached_of("other") == 1


@at_the_door
async def test_a_session_begins_and_acknowledges_itself(door: Door) -> None:
    outbox = RecordingOutbox()
    opened = door.reception.open_session(INIT, outbox, None)
    assert isinstance(opened, OpenedSession)
    await settle()
    assert outbox.only(SessionInitAck).session_id == opened.session_id
    assert opened.session_id in door.directory.sessions
    assert len(opened.session_id) >= 34  # 128 random bits


@for_two
async def test_sessions_count_before_their_actors_have_run(door: Door) -> None:
    """Many may come in one turn of the loop."""
    door.open()
    door.open()
    refused = door.reception.open_session(INIT, RecordingOutbox(), None)
    assert isinstance(refused, Refused)
    assert refused.close_code is CloseCode.TRY_AGAIN_LATER
    assert len(door.directory.sessions) == 2


@for_two
async def test_detached_and_ended_sessions_take_no_place(door: Door) -> None:
    await door.detached()
    opened = door.open()
    door.open()
    tell(opened.ref, CloseRequested("bye", acknowledge=False))
    await settle()
    assert door.dispatcher.only(SessionEnded).session_id == opened.session_id
    door.open()
    assert door.presence.attached == 2


@for_two
async def test_who_comes_and_goes_leaves_so_many_sessions_and_refuses_nobody(door: Door) -> None:
    resumable = await door.detached(resume=True)
    longest = await door.detached()
    latest = [await door.detached() for _ in range(5)][-1]
    await settle()
    assert set(door.directory.sessions) == {resumable, latest}
    assert (door.presence.attached, door.presence.detached) == (0, 2)
    assert door.limits == ["max_detached_sessions"] * 5
    assert isinstance(door.attach(longest), Refused)
    door.open()
    door.attach(latest)
    assert (door.presence.attached, door.presence.detached) == (2, 1)


@for_two
async def test_who_is_on_the_way_back_is_waited_for_all_the_same(door: Door) -> None:
    session_id = await door.detached(resume=True)
    resumption = door.presence.resumption(session_id)
    assert resumption is not None
    ref = door.directory.sessions[session_id]
    tell(ref, GraceRevoked())
    back = door.open(resume=True, session_id=session_id, resume_token=resumption.renew(0))
    await settle()
    assert back.ref is ref
    assert (door.presence.attached, door.presence.detached) == (1, 0)
    tell(ref, GraceRevoked())
    await settle()
    assert door.presence.attached == 1


@at_the_door
async def test_while_draining_nobody_new_is_let_in(door: Door) -> None:
    door.reception.draining = True
    refused = door.reception.open_session(INIT, RecordingOutbox(), None)
    assert isinstance(refused, Refused)
    assert refused.close_code is CloseCode.TRY_AGAIN_LATER
    assert isinstance(door.register(), Refused)


@at_the_door
async def test_in_an_overload_newcomers_are_turned_away_and_those_who_come_back_are_not(
    door: Door,
) -> None:
    attachable = await door.detached()
    resumable = await door.detached(resume=True)
    resumption = door.presence.resumption(resumable)
    assert resumption is not None
    door.overload.level = OverloadLevel.NO_SESSIONS
    refused = door.reception.open_session(INIT, RecordingOutbox(), None)
    assert isinstance(refused, Refused)
    assert refused.close_code is CloseCode.TRY_AGAIN_LATER
    assert refused.message == "the service is overloaded: try again later"
    assert door.refusals == ["overloaded"]
    assert isinstance(door.attach(attachable), OpenedSession)
    assert isinstance(door.register(), OpenedNode)
    door.open(resume=True, session_id=resumable, resume_token=resumption.renew(0))
    door.overload.level = OverloadLevel.NONE
    door.open()
    assert door.refusals == ["overloaded"]


# ---- attaching ------------------------------------------------------------------------------


@at_the_door
async def test_a_detached_session_is_attached_to_once(door: Door) -> None:
    session_id = await door.detached()
    assert isinstance(door.attach(session_id), OpenedSession)
    again = door.attach(session_id)  # before its actor has run
    assert isinstance(again, Refused)
    assert again.code is ErrorCode.INVALID_SESSION
    await settle()
    assert (door.presence.attached, door.presence.detached) == (1, 0)


@at_the_door
async def test_sessions_that_have_a_socket_or_never_were_cannot_be_attached_to(door: Door) -> None:
    opened = door.open()
    await settle()
    assert isinstance(door.attach(opened.session_id), Refused)
    assert isinstance(door.attach(SessionId("s-never")), Refused)


@at_the_door
async def test_only_the_same_credential_may_attach(door: Door) -> None:
    owned = await door.detached(tenant="acme")
    assert isinstance(door.attach(owned, "other"), Refused)
    assert isinstance(door.attach(owned, None), Refused)
    assert isinstance(door.attach(owned, "acme"), OpenedSession)


@at_the_door
async def test_what_an_anonymous_client_calls_its_tenant_is_no_credential(door: Door) -> None:
    anonymous = await door.detached(tenant_id="acme")
    assert isinstance(door.attach(anonymous, "acme"), Refused)
    assert isinstance(door.attach(anonymous, None), OpenedSession)


@at_the_door
async def test_a_session_that_asked_for_resume_is_not_attached_to(door: Door) -> None:
    session_id = await door.detached(resume=True)
    assert isinstance(door.attach(session_id), Refused)


# ---- nodes ----------------------------------------------------------------------------------


@at_the_door
async def test_a_node_without_an_id_gets_one(door: Door) -> None:
    first, second = door.register(None), door.register(None)
    assert isinstance(first, OpenedNode)
    assert isinstance(second, OpenedNode)
    assert first.node_id != second.node_id
    await settle()
    assert [told.node_id for told in door.dispatcher.of(NodeArrived)] == [
        first.node_id,
        second.node_id,
    ]


@at_the_door
async def test_a_node_that_comes_back_keeps_its_actor(door: Door) -> None:
    first, second = door.register(), door.register()
    assert isinstance(first, OpenedNode)
    assert isinstance(second, OpenedNode)
    assert first.ref is second.ref


@at_the_door
async def test_a_node_id_belongs_to_the_credentials_that_registered_it(door: Door) -> None:
    assert isinstance(door.register("n", "gpu-1"), OpenedNode)
    refused = door.register("n", "gpu-2")
    assert isinstance(refused, Refused)
    assert refused.code is ErrorCode.NODE_ID_CONFLICT
    assert isinstance(door.register("n", "gpu-1"), OpenedNode)


@at_the_door
async def test_whose_nodes_they_were_is_forgotten_when_they_left(door: Door) -> None:
    for number in range(500):
        outbox = RecordingOutbox()
        message = NodeRegister(node_id=NodeId(f"n{number}"))
        opened = door.reception.register_node(message, outbox, "gpu")
        assert isinstance(opened, OpenedNode)
        tell(opened.ref, NodeSocketLost(outbox))
        await settle()
    assert len(door.reception._owners) < 100


# ---- sockets that name a session --------------------------------------------------------------


@at_the_door
async def test_a_session_that_is_not_here_is_looked_for(door: Door) -> None:
    asker, name = RecordingRef("asker"), SessionId("s-1")
    asked = door.reception.attach_session(name, RecordingOutbox(), None, asker)
    assert asked == Pending(name)
    assert door.dispatcher.only(LocateSession) == LocateSession(asker, name)


@at_the_door
async def test_what_no_session_can_be_called_is_not_looked_for(door: Door) -> None:
    for name in ("", "s:jobs", "s-1 ", "ü", "s" * 65):
        asked = door.reception.attach_session(
            SessionId(name), RecordingOutbox(), None, RecordingRef()
        )
        assert isinstance(asked, Refused)
        resume = {"resume": True, "session_id": name, "resume_token": "1.1.x"}
        outbox, asker = RecordingOutbox(), RecordingRef()
        wish = INIT.model_copy(update=resume)
        assert isinstance(door.reception.open_session(wish, outbox, None, asker), Refused)
    assert door.dispatcher.messages == []


@at_the_door
async def test_a_socket_may_be_gone_before_that_is_heard_of(door: Door) -> None:
    opened = door.open("t")
    askers = [RecordingRef(str(number)) for number in range(3)]
    for asker in askers:
        asked = door.reception.attach_session(opened.session_id, RecordingOutbox(), "t", asker)
        assert asked == Pending(opened.session_id)
    door.reception.stop_waiting(opened.session_id, askers[0])
    tell(opened.ref, SocketLost(door.outbox))
    await settle()
    freed = [SessionFreed(opened.session_id)]
    assert [asker.messages for asker in askers] == [[], freed, freed]
    assert isinstance(door.attach(opened.session_id, "t"), OpenedSession)
    assert isinstance(door.attach(opened.session_id, "t"), Refused)


@at_the_door
async def test_who_waits_for_a_socket_to_go_hears_that_the_session_went(door: Door) -> None:
    opened, asker = door.open(), RecordingRef()
    door.reception.attach_session(opened.session_id, RecordingOutbox(), None, asker)
    tell(opened.ref, CloseRequested("bye", acknowledge=False))
    await settle()
    assert asker.messages == [SessionFreed(opened.session_id)]


@at_the_door
async def test_nobody_waits_for_a_session_that_can_be_resumed(door: Door) -> None:
    for session_id in (door.open(resume=True).session_id, await door.detached(resume=True)):
        asked = door.reception.attach_session(session_id, RecordingOutbox(), None, RecordingRef())
        assert isinstance(asked, Refused)


@at_the_door
async def test_nobody_waits_for_a_detached_session_of_another_tenant(door: Door) -> None:
    session_id = await door.detached("t")
    for tenant in ("another", None):
        asked = door.reception.attach_session(session_id, RecordingOutbox(), tenant, RecordingRef())
        assert isinstance(asked, Refused)
