"""claim_session and close_session: one owner at a time, fenced by an epoch."""

from protocol.ids import SessionId
from storage.replies import Claimed, Fenced, Updated
from tests.support.storage_world import START_MS, World


def test_each_claim_raises_the_epoch(world: World) -> None:
    first = world.session("s")
    assert first == START_MS
    assert world.session("s") == first + 1


def test_open_jobs_follow_the_session(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s", 2)
    reply = world.do(world.member("i2").sessions.claim(SessionId("s"), "t1"))
    assert isinstance(reply, Claimed)
    assert [(job.job_id, job.state) for job in reply.jobs] == [
        ("job-s-1-es", "assigned"),
        ("job-s-2-es", "queued"),
    ]
    [given] = world.complete("job-s-1-es", "n1", owner="i2").handovers
    assert given.job_id == "job-s-2-es"


def test_without_a_lease_nothing_is_claimed(world: World) -> None:
    reply = world.do(world.member("i2").sessions.claim(SessionId("s"), "t1"))
    assert reply == Fenced()


def test_closing_forgets_the_session(world: World) -> None:
    epoch = world.session("s")
    close = world.member().sessions.close(SessionId("s"), epoch)
    assert world.do(close) == Updated()
    assert world.command("EXISTS", "session:s", "inst:i1:sessions") == 0
    assert world.do(close) == Updated(), "a repetition is harmless"


def test_closing_under_an_old_epoch_is_fenced(world: World) -> None:
    epoch = world.session("s")
    world.session("s")
    assert world.do(world.member().sessions.close(SessionId("s"), epoch)) == Fenced()


def test_a_job_that_outlives_its_session_leaves_no_session_behind(world: World) -> None:
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s", 2)
    world.do(world.member().sessions.close(SessionId("s"), world.session_epochs["s"]))
    assert len(world.complete("job-s-1-es", "n1").handovers) == 1
    assert world.command("EXISTS", "session:s") == 0


def test_an_owner_that_has_forgotten_the_epoch_may_close(world: World) -> None:
    world.beat("i2")
    world.session("s")
    forgotten = SessionId("s"), 0
    assert world.do(world.member("i2").sessions.close(*forgotten)) == Fenced()
    assert world.do(world.member().sessions.close(*forgotten)) == Updated()
    assert world.command("EXISTS", "session:s", "inst:i1:sessions") == 0
