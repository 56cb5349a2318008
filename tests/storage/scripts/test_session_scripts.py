"""claim_session and close_session: one owner at a time, fenced by an epoch."""

from protocol.ids import InstanceId, NodeId, RequestId, SessionId
from storage.job import JobState
from storage.replies.job import Fenced, Gone, Moved, Updated
from storage.replies.session import (
    Claimed,
    FoundSession,
    LocatedSession,
    LostSession,
    UnknownSession,
)
from storage.sessions import Claim, HeardEntry
from tests.support.storage_world import LEASE_MS, START_MS, World


def test_each_claim_raises_the_epoch(world: World) -> None:
    first = world.session("s")
    assert first == START_MS
    assert world.session("s") == first + 1


def test_open_jobs_follow_the_session(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    world.dispatch("s", 1)
    world.dispatch("s", 2)
    reply = world.take_over("s", "i2")
    assert isinstance(reply, Claimed)
    assert [(job.job_id, job.state) for job in reply.jobs] == [
        ("job-s-1-es", "assigned"),
        ("job-s-2-es", "queued"),
    ]
    [given] = world.complete("job-s-1-es", "n1", owner="i2").handovers
    assert given.job_id == "job-s-2-es"


def test_without_a_lease_nothing_is_claimed(world: World) -> None:
    reply = world.do(world.member("i2").sessions.claim(Claim(SessionId("s"), "t1")))
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


# ---- to another instance ------------------------------------------------------------------------


def test_who_takes_a_session_over_gets_what_the_former_owner_left(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    world.resumable("s")
    spec = world.spec("s", 0, cut=1)
    world.do(world.member().jobs.dispatch(spec, '{"number":1}'))
    world.complete("job-s-0-es", "n1", outcome='{"text":"hola"}')
    world.do(world.member().jobs.dispatch(world.spec("s", 1, cut=2), '{"number":2}'))
    world.wait(1000)
    reply = world.take_over("s", "i2")
    assert isinstance(reply, Claimed)
    assert reply.session_state == '{"number":2}'
    [outcome] = reply.outcomes
    assert (outcome.cut, outcome.job_id, outcome.utterance_index) == (1, "job-s-0-es", 0)
    assert (outcome.language, outcome.outcome) == ("es", '{"text":"hola"}')
    [job] = reply.jobs
    assert (job.job_id, job.state, job.attempt) == ("job-s-1-es", JobState.ASSIGNED, 1)
    assert (job.node_id, job.node_instance, job.node_stays) == ("n1", "i1", True)
    assert (job.due_in_ms, job.deadline_in_ms) == (29_000, 99_000)


def test_what_a_session_heard_of_others_stands_among_its_own_outcomes(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    epoch = world.resumable("s")
    world.do(world.member().jobs.dispatch(world.spec("s", 0, cut=1), '{"number":1}'))
    world.complete("job-s-0-es", "n1", outcome='{"text":"hola"}')
    heard = [
        HeardEntry(2, RequestId("other:7:es"), 1, '{"text":"adiós"}'),
        HeardEntry(3, RequestId("other:8:es"), 2, ""),
    ]
    note = world.member().sessions.record(SessionId("s"), epoch, '{"number":3}', heard=heard)
    assert world.do(note) == Updated()
    reply = world.take_over("s", "i2")
    assert isinstance(reply, Claimed)
    assert reply.session_state == '{"number":3}'
    own, first, second = reply.outcomes
    assert (own.cut, own.heard_key) == (1, None)
    assert (first.cut, first.heard_key, first.utterance_index) == (2, "other:7:es", 1)
    assert first.outcome == '{"text":"adiós"}'
    assert (second.cut, second.heard_key, second.outcome) == (3, "other:8:es", "")
    assert 0 < world.command("PTTL", "out:s") <= 90_000


def test_who_does_not_own_the_session_notes_nothing_of_what_it_heard(world: World) -> None:
    epoch = world.resumable("s")
    heard = [HeardEntry(1, RequestId("other:7:es"), 0, "{}")]
    note = world.member().sessions.record(SessionId("s"), epoch - 1, "{}", heard=heard)
    assert world.do(note) == Fenced()
    assert world.command("EXISTS", "out:s") == 0


def test_a_live_former_owner_gets_a_note(world: World) -> None:
    world.beat("i2")
    world.resumable("s")
    reply = world.take_over("s", "i2")
    [(_, note)] = world.notes("i1")
    expected = {"kind": "release", "session": "s", "epoch": str(reply.epoch), "instance": "i2"}
    assert note == expected


def test_a_dead_former_owner_gets_none(world: World) -> None:
    world.beat("i2")
    world.resumable("s", owner="i2")
    world.wait(LEASE_MS)
    world.command("ZADD", "insts", world.now_ms + LEASE_MS, "i1")
    world.reap("i2")
    assert isinstance(world.take_over("s", "i1"), Claimed)
    assert world.notes("i2") == []


def test_of_two_that_found_the_session_one_gets_it(world: World) -> None:
    world.beat("i2")
    world.beat("i3")
    found = world.resumable("s")
    assert isinstance(world.take_over("s", "i2", found), Claimed)
    assert world.take_over("s", "i3", found) == Moved(InstanceId("i2"))


def test_the_former_owner_does_nothing_to_the_session_any_more(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    epoch = world.resumable("s")
    world.dispatch("s", 1)
    world.take_over("s", "i2")
    sessions = world.member().sessions
    assert world.dispatch("s", 2) == Moved()
    assert world.restore("s", 2) == Moved()
    assert world.do(sessions.claim(Claim(SessionId("s"), "t1", epoch))) == Moved(InstanceId("i2"))
    assert world.do(sessions.record(SessionId("s"), epoch, "{}")) == Fenced()
    assert world.do(sessions.close(SessionId("s"), epoch)) == Fenced()
    world.complete("job-s-1-es", "n1")
    assert world.job("job-s-1-es").state is JobState.ASSIGNED


def test_a_node_that_came_back_since_is_not_waited_for(world: World) -> None:
    world.beat("i2")
    world.node("n1")
    world.resumable("s")
    world.dispatch("s", 1)
    world.wait(1)
    world.node("n1", owner="i2")
    [job] = world.take_over("s", "i2").jobs
    assert (job.node_id, job.node_stays) == (NodeId("n1"), False)


def test_a_session_that_is_over_cannot_be_taken_over(world: World) -> None:
    epoch = world.resumable("s")
    world.do(world.member().sessions.close(SessionId("s"), epoch))
    assert world.take_over("s", "i1") == Gone()
    assert world.do(world.member().sessions.find(SessionId("s"))) == UnknownSession()


def test_a_session_is_found_with_what_its_tokens_are_judged_by(world: World) -> None:
    world.beat("i2")
    epoch = world.resumable("s")
    find = world.member("i2").sessions.find(SessionId("s"))
    profile = '{"source":"en"}'
    assert world.do(find) == FoundSession(epoch, InstanceId("i1"), "key", "", profile)
    world.do(world.member().sessions.record(SessionId("s"), epoch, "{}", "1.2"))
    assert world.do(find) == FoundSession(epoch, InstanceId("i1"), "key", "1.2", profile)


def test_a_session_nobody_may_resume_is_not_found(world: World) -> None:
    world.session("s")
    assert world.do(world.member().sessions.find(SessionId("s"))) == UnknownSession()


def test_a_refused_dispatch_leaves_the_state_as_well(world: World) -> None:
    """Its cut is known then, and ends in the same way wherever the session lives."""
    world.resumable("s")
    for index in range(20):
        world.dispatch("s", index)
    world.do(world.member().jobs.dispatch(world.spec("s", 20), '{"number":21}'))
    assert world.command("HGET", "session:s", "state") == '{"number":21}'


def test_what_a_dead_instance_held_can_be_resumed_for_a_while(world: World) -> None:
    """Its waiting jobs keep their place: the client can send their audio again."""
    world.beat("i2")
    world.resumable("s", owner="i2")
    world.dispatch("s", 1, owner="i2")
    world.wait(LEASE_MS)
    world.command("ZADD", "insts", world.now_ms + LEASE_MS, "i1")
    world.reap("i2")
    assert world.job("job-s-1-es").state is JobState.QUEUED
    assert 29_000 < world.command("PTTL", "session:s") <= 30_000
    [job] = world.take_over("s", "i1").jobs
    assert job.state is JobState.QUEUED
    assert world.command("TTL", "session:s") > 3000


def test_what_the_reaper_ends_is_recorded(world: World) -> None:
    world.beat("i2")
    world.resumable("s", owner="i2")
    world.dispatch("s", 1, owner="i2", cut=1)
    world.wait(10_000)
    world.command("ZADD", "insts", world.now_ms + LEASE_MS, "i1")
    world.reap("i2")
    assert world.job("job-s-1-es").reason == "instance_lost"
    [outcome] = world.take_over("s", "i1").outcomes
    assert (outcome.cut, outcome.outcome) == (1, '{"reason":"instance_lost"}')


def test_an_instance_learns_which_sessions_it_has_lost(world: World) -> None:
    world.beat("i2")
    epochs = {SessionId(name): world.resumable(name) for name in ("kept", "taken", "over")}
    world.take_over("taken", "i2")
    world.do(world.member().sessions.close(SessionId("over"), epochs[SessionId("over")]))
    checked = world.do(world.member().sessions.check(epochs))
    assert checked.lost == (SessionId("taken"),)
    assert checked.unkept == (SessionId("over"),)


def test_an_instance_that_was_taken_for_dead_learns_which_sessions_nobody_keeps(
    world: World,
) -> None:
    world.beat("i2")
    epochs = {SessionId(name): world.resumable(name, owner="i2") for name in ("one", "two")}
    world.wait(LEASE_MS)
    world.command("ZADD", "insts", world.now_ms + LEASE_MS, "i1")
    world.reap("i2")
    world.beat("i2")
    checked = world.do(world.member("i2").sessions.check(epochs))
    assert checked.lost == ()
    assert checked.unkept == (SessionId("one"), SessionId("two"))


# ---- where a session is -------------------------------------------------------------------------


def test_any_instance_is_told_which_other_one_has_a_session(world: World) -> None:
    world.member("i2").instances.about = {"peer_url": "ws://there:1/ws/peer"}
    world.beat("i2")
    world.session("s", owner="i2")
    located = world.do(world.member().sessions.locate(SessionId("s")))
    assert located == LocatedSession(InstanceId("i2"), "ws://there:1/ws/peer")


def test_a_session_that_can_be_resumed_is_located_like_any_other(world: World) -> None:
    world.resumable("s")
    located = world.do(world.member("i2").sessions.locate(SessionId("s")))
    assert located == LocatedSession(InstanceId("i1"), "")


def test_a_session_is_lost_once_its_instance_was_cleared_up_after(world: World) -> None:
    """Until then that one may only have been too slow to renew its lease."""
    world.beat("i2")
    world.session("s", owner="i2")
    locate = world.member().sessions.locate(SessionId("s"))
    world.wait(LEASE_MS)
    assert world.do(locate) == LocatedSession(InstanceId("i2"), "")
    world.beat()
    world.reap("i2")
    assert world.command("EXISTS", "session:s") == 1
    assert world.do(locate) == LostSession(others=0)


def test_who_misses_a_session_hears_how_many_others_could_have_it(world: World) -> None:
    locate = world.member().sessions.locate(SessionId("s"))
    assert world.do(locate) == LostSession(others=0)
    world.beat("i2")
    world.beat("i3")
    assert world.do(locate) == LostSession(others=2)
    stranger = world.member("i4").sessions.locate(SessionId("s"))
    assert world.do(stranger) == LostSession(others=3)
