"""Who gets the slots where several tenants wait, and how many one may have."""

from collections import Counter
from collections.abc import Callable

import pytest

from storage.job_limits import JobLimits
from storage.replies.job import Assigned, Busy, Queued
from storage.tenant_share import TenantShare
from tests.support.storage_world import World

SHARES = {"heavy": TenantShare(weight=2), "bounded": TenantShare(slots=2)}


@pytest.fixture
def world(server: str, open_world: Callable[..., World]) -> World:
    """A cluster in which some tenants have shares of their own."""
    return open_world(server, JobLimits(shares=SHARES, max_queued_per_session=1000))


class Speakers:
    """Sessions that always have something waiting; counts who is served."""

    def __init__(self, world: World, tenants: dict[str, str]) -> None:
        self._world = world
        self._tenants = tenants
        self._indexes: Counter[str] = Counter()
        self._running: list[Assigned] = []
        self.served: Counter[str] = Counter()

    def say(self, session: str) -> object:
        self._indexes[session] += 1
        index, tenant = self._indexes[session], self._tenants[session]
        reply = self._world.dispatch(session, index, tenant_id=tenant)
        if isinstance(reply, Assigned):
            self._running.append(reply)
        return reply

    def end_one(self) -> list[str]:
        """End the job that has run longest; return the sessions that are served."""
        ended = self._running.pop(0)
        given = self._world.complete(ended.job_id, ended.node_id, attempt=ended.attempt).handovers
        self._running += given
        sessions = [job.job_id.split("-")[1] for job in given]
        self.served.update(self._tenants[session] for session in sessions)
        return sessions

    def serve(self, times: int) -> None:
        for _ in range(times):
            for session in self.end_one():
                self.say(session)


def test_a_tenant_with_many_sessions_gets_no_more_than_one_with_one(world: World) -> None:
    world.node("n1")
    many = {f"m{number}": "many" for number in range(9)}
    speakers = Speakers(world, many | {"one": "other"})
    for session in [*many, "one"] * 2:
        speakers.say(session)
    speakers.serve(40)
    assert speakers.served["other"] == pytest.approx(20, abs=1)


def test_within_a_tenant_sessions_are_served_alike(world: World) -> None:
    world.node("n1")
    speakers = Speakers(world, {"loud": "t", "calm": "t", "other": "u"})
    for session in ["loud"] * 12 + ["calm"] * 4 + ["other"] * 12:
        speakers.say(session)
    served = [session for _ in range(16) for session in speakers.end_one()]
    assert served.count("calm") == 4


def test_a_tenant_gets_nodes_by_its_weight(world: World) -> None:
    world.node("n1")
    speakers = Speakers(world, {"h": "heavy", "l": "light"})
    for session in ["h", "l"] * 3:
        speakers.say(session)
    speakers.serve(60)
    assert speakers.served["heavy"] == pytest.approx(40, abs=1)


def test_who_used_what_nobody_wanted_owes_nothing(world: World) -> None:
    world.node("n1")
    speakers = Speakers(world, {"first": "early", "second": "late"})
    for _ in range(4):
        speakers.say("first")
    speakers.serve(200)
    for session in ["second"] * 4:
        speakers.say(session)
    speakers.served.clear()
    speakers.serve(20)
    assert speakers.served["early"] == pytest.approx(10, abs=1)


def test_who_was_quiet_has_no_claim_on_the_time_it_was_quiet(world: World) -> None:
    world.node("n1")
    speakers = Speakers(world, {"a": "one", "b": "two", "c": "three"})
    for session in ["a", "b"] * 4:
        speakers.say(session)
    speakers.serve(100)
    for session in ["c"] * 4:
        speakers.say(session)
    speakers.served.clear()
    speakers.serve(30)
    assert speakers.served["three"] == pytest.approx(10, abs=1)


def test_who_waits_for_what_is_not_to_be_had_keeps_a_claim_of_ten_seconds_only(
    world: World,
) -> None:
    world.node("n1")
    speakers = Speakers(world, {"a": "one", "b": "two", "c": "three"})
    world.dispatch("c", 1000, requirement="a:fr,s:es", tenant_id="three")  # no node serves it
    for session in ["a", "b"] * 4:
        speakers.say(session)
    speakers.serve(100)  # 100 s each of one and two
    for session in ["c"] * 8:
        speakers.say(session)
    speakers.served.clear()
    speakers.serve(20)
    assert 9 <= speakers.served["three"] <= 13


def test_a_tenant_uses_no_more_slots_than_it_may(world: World) -> None:
    world.node("n1", slots=4)
    speakers = Speakers(world, {"a": "bounded", "b": "bounded", "c": "free"})
    assert isinstance(speakers.say("a"), Assigned)
    assert isinstance(speakers.say("b"), Assigned)
    assert isinstance(speakers.say("a"), Queued)
    assert isinstance(speakers.say("c"), Assigned)  # which does not concern others


def test_a_tenant_at_its_bound_goes_on_where_a_slot_is_free(world: World) -> None:
    world.node("n1", slots=2, asr=["en"])
    world.node("n2", slots=2, asr=["de"])
    speakers = Speakers(world, {"a": "bounded"})
    speakers.say("a")
    speakers.say("a")
    german = world.dispatch("a", 9, requirement="a:de,s:es", tenant_id="bounded")
    assert isinstance(german, Queued)
    done = world.complete("job-a-1-es", "n1")
    assert [(given.job_id, given.node_id) for given in done.handovers] == [("job-a-9-es", "n2")]


def test_the_bound_holds_while_others_leave_slots(world: World) -> None:
    world.node("n1", slots=4)
    speakers = Speakers(world, {"a": "bounded", "c": "free"})
    for session in "ccaac":
        speakers.say(session)
    speakers.say("a")
    assert speakers.end_one() == ["c"]  # of the free one, which waited
    assert speakers.end_one() == []
    assert speakers.end_one() == ["a"]  # the bounded one has ended one of its own


def test_a_slot_whose_record_is_lost_does_not_count_for_ever(world: World) -> None:
    world.node("n1", slots=4)
    speakers = Speakers(world, {"a": "bounded"})
    speakers.say("a")
    speakers.say("a")
    for job in ("job-a-1-es", "job-a-2-es"):
        world.forget_job(job)
        world.command("SREM", "session:a:jobs", job)
        world.command("ZREM", "inst:i1:jobs", job)
        world.command("DEL", f"req:{world.request('a', int(job.split('-')[2]))}")
    world.command("DEL", "node:n1:slots")
    world.offline("n1")
    world.node("n1", slots=4)
    assert isinstance(speakers.say("a"), Assigned)
    assert isinstance(speakers.say("a"), Assigned)
    assert isinstance(speakers.say("a"), Queued)


def test_one_tenant_leaves_others_a_place_in_the_queue(world: World) -> None:
    limits = JobLimits(max_queued_jobs=8, max_queued_per_session=100)
    jobs = world.member("i1", limits).jobs
    flood = [world.spec("loud", index, tenant_id="loud") for index in range(9)]
    replies = world.do_all([jobs.dispatch(spec) for spec in flood])
    assert [isinstance(reply, Busy) for reply in replies] == [False] * 8 + [True]
    calm = [world.spec("calm", index, tenant_id="calm") for index in range(3)]
    replies = world.do_all([jobs.dispatch(spec) for spec in calm])
    assert [isinstance(reply, Busy) for reply in replies] == [False, False, True]


@pytest.mark.parametrize("name", ["a:b", "a=b", "é ü", "a|b,c", "x" * 64])
def test_a_tenant_may_have_any_name(world: World, name: str) -> None:
    world.node("n1")
    world.dispatch("s", 1, tenant_id=name)
    world.dispatch("s", 2, tenant_id=name)
    done = world.complete("job-s-1-es", "n1")
    assert [given.job_id for given in done.handovers] == ["job-s-2-es"]
    assert world.job("job-s-2-es").tenant_id == name
