"""close_session and forget_session: nothing that was spoken outlives a session that is over."""

from typing import Any

from protocol.ids import InstanceId, SessionId
from storage.cells import FIRST
from storage.replies.job import Reaped, Updated
from storage.replies.session import ForgottenSession, OwnedSession, UnknownSession
from tests.support.storage_world import LEASE_MS, World

S = SessionId("s")


def with_an_outcome(world: World, owner: str = "i1") -> int:
    world.node("n1")
    epoch = world.resumable("s", owner=owner)
    work = world.spec("s", 0, cut=1)
    world.do(world.member(owner).jobs.dispatch(work, '{"number":1}'))
    world.complete("job-s-0-es", "n1", owner=owner, outcome='{"text":"hola"}')
    assert world.command("XLEN", "out:s") == 1
    return epoch


def reap(world: World, dead: str) -> None:
    world.wait(LEASE_MS)
    world.beat()
    reply = world.do(world.member().instances.reap(InstanceId(dead)))
    assert isinstance(reply, Reaped)
    assert not reply.more


def forget(world: World) -> Any:
    return world.do(world.member().sessions.forget(S, FIRST))


def test_recorded_text_goes_when_the_session_is_closed(world: World) -> None:
    epoch = with_an_outcome(world)
    assert world.do(world.member().sessions.close(S, epoch)) == Updated()
    assert world.command("EXISTS", "session:s", "out:s") == 0


def test_an_outcome_that_comes_after_the_close_is_not_recorded(world: World) -> None:
    world.node("n1")
    epoch = world.resumable("s")
    world.do(world.member().jobs.dispatch(world.spec("s", 0, cut=1), "{}"))
    world.do(world.member().sessions.close(S, epoch))
    world.complete("job-s-0-es", "n1", outcome='{"text":"hola"}')
    assert world.command("EXISTS", "out:s") == 0


def test_what_a_dead_instance_left_is_found_with_its_tenant_and_erased(world: World) -> None:
    world.beat("i2")
    with_an_outcome(world, owner="i2")
    reap(world, "i2")
    assert world.run(world.member().sessions.orphans()) == {S: "t1"}
    assert forget(world) == ForgottenSession(outcomes=1)
    assert world.command("EXISTS", "session:s", "out:s") == 0
    assert world.run(world.member().sessions.orphans()) == {}
    assert forget(world) == UnknownSession()


def test_a_session_that_somebody_goes_on_with_is_not_erased_under_their_hands(
    world: World,
) -> None:
    world.beat("i2")
    with_an_outcome(world, owner="i2")
    reap(world, "i2")
    world.take_over("s", "i1")
    assert forget(world) == OwnedSession()
    assert world.command("EXISTS", "session:s", "out:s") == 2
